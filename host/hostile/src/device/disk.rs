//! The disk behind the device: sectors in memory, perhaps with a cache that is lost with the power, and the honest
//! answer to a request.

use lab::image::{GREETING, SECTOR, put_sector};
use virtio_bindings::virtio_blk::{VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_OK, VIRTIO_BLK_S_UNSUPP};

use super::{
    cache::Cache,
    config::SERIAL_BYTES,
    request::{Kind, Request},
};

/// All went well.
pub const OK: u8 = VIRTIO_BLK_S_OK as u8;
/// The device or the driver made an error.
pub const IO_ERROR: u8 = VIRTIO_BLK_S_IOERR as u8;
/// The device does not know the request.
pub const UNSUPPORTED: u8 = VIRTIO_BLK_S_UNSUPP as u8;

/// The answer to a request, as it is written back. Lies are changes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The chain that the used ring names.
    pub id: u32,
    /// The bytes for the driver's data buffers.
    pub data: Vec<u8>,
    /// The status byte, or none.
    pub status: Option<u8>,
    /// The written length that the used ring names.
    pub written: u32,
}

/// Sectors in memory.
#[derive(Debug)]
pub struct Disk {
    bytes: Vec<u8>,
    serial: [u8; SERIAL_BYTES],
    /// The sectors that are not durable yet, for a disk that loses them with the power.
    cache: Option<Cache>,
}

impl Disk {
    /// A disk of zeros but for the greeting that `job=demo` looks for.
    pub fn new(sectors: u64, serial: [u8; SERIAL_BYTES]) -> Self {
        let mut bytes = vec![0; sectors as usize * SECTOR];
        // A disk without sectors has no greeting.
        let _ = put_sector(&mut bytes, 0, GREETING);
        Self::with(bytes, serial)
    }

    /// A disk with these contents.
    pub fn with(bytes: Vec<u8>, serial: [u8; SERIAL_BYTES]) -> Self {
        Self { bytes, serial, cache: None }
    }

    /// A disk with these contents that keeps what is written in a cache, until a flush.
    pub fn volatile(bytes: Vec<u8>, serial: [u8; SERIAL_BYTES], cache: Cache) -> Self {
        Self { cache: Some(cache), ..Self::with(bytes, serial) }
    }

    /// Takes the power away. Returns what is on the disk then, and the number of sectors whose last write is lost.
    pub fn cut(&self) -> (Vec<u8>, u64) {
        match &self.cache {
            Some(cache) => cache.cut(&self.bytes),
            None => (self.bytes.clone(), 0),
        }
    }

    /// Everything on it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Cuts the disk off behind this many sectors.
    pub fn shrink(&mut self, sectors: u64) {
        self.bytes.truncate(sectors as usize * SECTOR);
    }

    /// Carries out a request, and returns the honest answer.
    pub fn execute(&mut self, request: &Request) -> Answer {
        let (status, data) = match request.kind {
            Kind::Read => match self.range(request.sector, request.capacity()) {
                Some(sectors) => (OK, sectors.to_vec()),
                None => (IO_ERROR, Vec::new()),
            },
            Kind::Write => match self.write(request) {
                Some(()) => (OK, Vec::new()),
                None => (IO_ERROR, Vec::new()),
            },
            Kind::Flush => {
                if let Some(cache) = &mut self.cache {
                    cache.flush();
                }
                (OK, Vec::new())
            }
            Kind::GetId => {
                let length = request.capacity().min(SERIAL_BYTES);
                (OK, self.serial[..length].to_vec())
            }
            Kind::Other(_) => (UNSUPPORTED, Vec::new()),
        };
        // All of the data room counts as written once the status behind it has been.
        let written = request.room();
        Answer { id: request.head.into(), data, status: Some(status), written }
    }

    fn write(&mut self, request: &Request) -> Option<()> {
        let mut cache = self.cache.take();
        let sectors = self.range(request.sector, request.data.len());
        if let (Some(cache), Some(sectors)) = (&mut cache, &sectors) {
            for (sector, old) in (request.sector..).zip(sectors.as_chunks().0) {
                cache.write(sector, old);
            }
        }
        let written = sectors.map(|sectors| sectors.copy_from_slice(&request.data));
        self.cache = cache;
        written
    }

    fn range(&mut self, sector: u64, length: usize) -> Option<&mut [u8]> {
        let start = usize::try_from(sector).ok()?.checked_mul(SECTOR)?;
        self.bytes.get_mut(start..start.checked_add(length)?)
    }
}
