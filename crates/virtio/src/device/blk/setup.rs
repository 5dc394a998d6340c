//! Bringing a block device up: from a transport to a disk with a name (section 5.2.5).

use alloc::{string::String, sync::Arc};
use core::{fmt, sync::atomic::AtomicU64};

use block::{DiskInfo, Error, Geometry};
use ostd::mm::PAGE_SIZE;
use spin::Once;

use super::{
    super::{
        super::{
            driver::DeviceError,
            features::Features,
            handshake::{Handshake, InitError},
            options::Options,
            transport::{DeviceStatus, Transport},
        },
        Device, queues_for_cpus,
    },
    Blk, BlkConfig, BlkFeatures, MIN_SEGMENTS, VirtioBlk,
    request::{RequestMemory, RequestType},
};

/// The longest serial number, in bytes (section 5.2.6).
const SERIAL_BYTES: usize = 20;

impl VirtioBlk {
    /// The features of block devices and of queues that this driver implements.
    pub fn supported_features(options: &Options) -> u64 {
        // ANCHOR: exercise-5-supported
        BlkFeatures::all().bits() | options.ring_features().bits()
        // ANCHOR_END: exercise-5-supported
    }

    /// Initialises the device. IRQs must be enabled.
    ///
    /// # Errors
    ///
    /// [`InitError`]; the device keeps no memory of this driver's, or what it may keep is leaked.
    pub fn new(transport: Arc<dyn Transport>, options: &Options) -> Result<Self, InitError> {
        let mut handshake = Handshake::begin(transport.clone())?;
        let negotiated = handshake.negotiate(Self::supported_features(options))?;
        let features = BlkFeatures::from_bits_truncate(negotiated);
        let config = BlkConfig::read(&*transport, features)?;
        let capacity = AtomicU64::new(BlkConfig::read_capacity(&*transport)?);
        let queues = queues_for_cpus(
            &transport,
            config.queues,
            Features::from_bits_truncate(negotiated),
            options,
            MIN_SEGMENTS,
            RequestMemory::make,
        )?;
        let geometry = Geometry {
            capacity: 0,
            block_size: config.block_size,
            // ANCHOR: exercise-5-read_only
            read_only: features.contains(BlkFeatures::BLK_RO),
            // ANCHOR_END: exercise-5-read_only
            discard: features.contains(BlkFeatures::BLK_DISCARD),
            write_zeroes: features.contains(BlkFeatures::BLK_WRITE_ZEROES),
        };
        let longest = PAGE_SIZE.min(config.max_segment_bytes as usize);
        let blk = Blk { config, features, geometry, longest, capacity, serial: Once::new() };
        let disk =
            Self { device: Arc::new(Device::new(transport, negotiated, queues, blk, options)) };
        handshake.finish();
        match disk.read_serial() {
            Ok(serial) => _ = disk.device.driver().serial.call_once(|| serial),
            Err(error) => {
                disk.device.shut_down();
                disk.device.transport().set_status(DeviceStatus::FAILED);
                return Err(InitError::FirstRequest(error));
            }
        }
        Ok(disk)
    }

    /// All that is known about the disk.
    pub(super) fn describe(&self) -> DiskInfo {
        let blk = self.device.driver();
        let limits = self.device.queues.iter().map(|queue| queue.limits());
        let (queue_size, segments) = limits.min().unwrap_or((0, 0));
        DiskInfo {
            serial: blk.serial.get().cloned().unwrap_or_default(),
            geometry: self.geometry(),
            physical_block_size: blk.config.physical_block_size,
            writeback: blk.config.writeback,
            max_segments: segments.saturating_sub(2).min(blk.config.max_segments as usize),
            max_segment_bytes: blk
                .features
                .contains(BlkFeatures::BLK_SIZE_MAX)
                .then_some(blk.config.max_segment_bytes),
            queue_size,
            queues: self.device.queues.len(),
        }
    }

    /// The names of the negotiated features, separated by blanks.
    pub fn feature_names(&self) -> impl fmt::Display {
        let (ring, device) = (self.device.features(), self.device.driver().features);
        fmt::from_fn(move |f| {
            let names = ring.iter_names().map(|(name, _)| name);
            let mut names = names.chain(device.iter_names().map(|(name, _)| name));
            f.write_str(names.next().unwrap_or("(none)"))?;
            names.try_for_each(|name| write!(f, " {name}"))
        })
    }

    /// Reads the disk's serial number, at most [`SERIAL_BYTES`] bytes, padded with zeros (GET_ID).
    ///
    /// # Errors
    ///
    /// [`Error`]; a disk need not have one.
    fn device_id(&self) -> Result<Result<[u8; SERIAL_BYTES], Error>, DeviceError> {
        // ANCHOR: exercise-2-device_id
        let mut request = self.device.take()?;
        let chain = request.chain()?;
        let memory = chain.memory_mut();
        memory.prepare(RequestType::GetId, 0);
        if let Err(error) = memory.data.resize(SERIAL_BYTES) {
            return Ok(Err(error.into()));
        }
        chain.link(|memory, segments| {
            segments.device_reads(&memory.header);
            segments.device_writes(&memory.data);
            segments.device_writes(&memory.response);
        })?;
        let answer = request.send()?.wait()?;
        Ok(answer.check(|memory, written| {
            memory.check_status(written, SERIAL_BYTES as u32 + 1)?;
            let mut id = [0; SERIAL_BYTES];
            memory.data.read(0, &mut id)?;
            Ok(id)
        }))
        // ANCHOR_END: exercise-2-device_id
    }

    /// The disk's name. A disk that answers and has none is a disk all the same.
    fn read_serial(&self) -> Result<String, DeviceError> {
        let Ok(id) = self.device_id()? else { return Ok(String::new()) };
        let name = id.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).collect())
    }
}
