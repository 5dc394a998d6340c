//! Requests as the driver sends them, VIRTIO 1.3 section 5.2.6: header and data that the device reads, room
//! for data that it writes, and one byte for the status.

use std::ops::Deref;

use lab::image::SECTOR;
use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT,
};
use virtio_queue::DescriptorChain;
use vm_memory::{Address, Bytes, GuestAddress, GuestMemory, GuestMemoryError};

/// The bytes of a request header.
const HEADER: usize = 16;
/// The most bytes that a chain may make the device read, and the most that it may make it write.
const MOST_BYTES: u64 = 16 << 20;

/// A piece of guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The address of its first byte.
    pub address: GuestAddress,
    /// Its length in bytes.
    pub length: u32,
}

/// The type of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads sectors.
    Read,
    /// Writes sectors.
    Write,
    /// Makes writes durable.
    Flush,
    /// Reads the serial number.
    GetId,
    /// A type that this device does not know.
    Other(u32),
}

/// A request taken from the queue. What the device reads has been copied: the driver, and the device's own
/// lies, can do to the memory what they like.
#[derive(Clone, Debug)]
pub struct Request {
    /// The first descriptor of the chain, which names it in the used ring.
    pub head: u16,
    /// The type.
    pub kind: Kind,
    /// The first sector.
    pub sector: u64,
    /// The data of a write.
    pub data: Vec<u8>,
    /// The table of descriptors that the chain lies in, if not in the queue's own.
    pub table: Option<Span>,
    /// The driver's memory that the device may only read, header first.
    pub readable: Vec<Span>,
    /// The driver's memory that the device may write; its last byte is for the status.
    pub writable: Vec<Span>,
}

/// A defect of a chain that no correct driver sends. The first number is the chain's.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Memory for the device to read stands behind memory for it to write, section 2.7.4.2.
    #[error("chain {0}: readable memory behind writable memory")]
    Order(u16),
    /// A descriptor points beyond the guest's memory.
    #[error("chain {0}: {1}")]
    Memory(u16, #[source] GuestMemoryError),
    /// There is more than the device is ready to copy.
    #[error("chain {0}: more than {MOST_BYTES} bytes to read or to write")]
    Long(u16),
    /// There is less than a header.
    #[error("chain {0}: {1} bytes are no request header")]
    Header(u16, usize),
    /// The device has nowhere to say how it went.
    #[error("chain {0}: no room for the status")]
    Status(u16),
    /// A read or write of nothing, or of a part of a sector.
    #[error("chain {0}: {1} bytes of data are no whole sectors")]
    Data(u16, usize),
}

impl Request {
    /// Reads a chain.
    ///
    /// # Errors
    ///
    /// The defect of the chain; no correct driver sends such a chain.
    pub fn read<M>(chain: DescriptorChain<M>) -> Result<Self, RequestError>
    where
        M: Clone + Deref,
        M::Target: GuestMemory,
    {
        let head = chain.head_index();
        let (mut readable, mut writable) = (Vec::new(), Vec::new());
        let mut bytes = Vec::new();
        let (mut to_read, mut to_write) = (0, 0);
        for descriptor in chain.clone() {
            let span = Span { address: descriptor.addr(), length: descriptor.len() };
            let total = if descriptor.is_write_only() { &mut to_write } else { &mut to_read };
            *total += u64::from(span.length);
            if *total > MOST_BYTES {
                return Err(RequestError::Long(head));
            }
            if descriptor.is_write_only() {
                writable.push(span);
                continue;
            }
            if !writable.is_empty() {
                return Err(RequestError::Order(head));
            }
            let start = bytes.len();
            bytes.resize(start + span.length as usize, 0);
            chain
                .memory()
                .read_slice(&mut bytes[start..], span.address)
                .map_err(|error| RequestError::Memory(head, error))?;
            readable.push(span);
        }
        Self::from_parts(head, &bytes, readable, writable)
    }

    fn from_parts(
        head: u16,
        bytes: &[u8],
        readable: Vec<Span>,
        writable: Vec<Span>,
    ) -> Result<Self, RequestError> {
        let Some((header, data)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(RequestError::Header(head, bytes.len()));
        };
        let (kind, sector) = header.split_at(HEADER / 2);
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte));
        // The upper half of the first word is reserved.
        let kind = match number(kind) as u32 {
            VIRTIO_BLK_T_IN => Kind::Read,
            VIRTIO_BLK_T_OUT => Kind::Write,
            VIRTIO_BLK_T_FLUSH => Kind::Flush,
            VIRTIO_BLK_T_GET_ID => Kind::GetId,
            other => Kind::Other(other),
        };
        let (data, table) = (data.to_vec(), None);
        let sector = number(sector);
        let request = Self { head, kind, sector, data, table, readable, writable };
        if request.room() == 0 {
            return Err(RequestError::Status(head));
        }
        let moved = if kind == Kind::Read { request.capacity() } else { request.data.len() };
        if matches!(kind, Kind::Read | Kind::Write) && (moved == 0 || moved % SECTOR != 0) {
            return Err(RequestError::Data(head, moved));
        }
        Ok(request)
    }

    /// The number of bytes that the device may write, the status included.
    pub fn room(&self) -> u32 {
        self.writable.iter().map(|span| span.length).sum()
    }

    /// The number of bytes of data that the device may write.
    pub fn capacity(&self) -> usize {
        self.room() as usize - 1
    }

    /// The address of the status byte.
    pub fn status(&self) -> GuestAddress {
        // `from_parts` has made sure that there is a byte.
        let last = self.writable.iter().rev().find(|span| span.length > 0);
        last.map_or(GuestAddress(0), |span| span.address.unchecked_add(u64::from(span.length) - 1))
    }

    /// The memory for data, without the status byte.
    pub fn data_room(&self) -> Vec<Span> {
        let mut left = self.capacity() as u32;
        let mut spans = self.writable.clone();
        for span in &mut spans {
            span.length = span.length.min(left);
            left -= span.length;
        }
        spans.retain(|span| span.length > 0);
        spans
    }
}

#[cfg(test)]
mod tests {
    use virtio_bindings::virtio_ring::{VRING_DESC_F_NEXT, VRING_DESC_F_WRITE};
    use virtio_queue::{Queue, QueueT};
    use vm_memory::GuestMemoryMmap;

    use super::*;

    /// Reads a chain of these lengths, first the readable ones.
    fn read(readable: &[u32], writable: &[u32]) -> Result<Request, RequestError> {
        let (available, used, data) = (0x1000u64, 0x2000, 0x10000u64);
        let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), 32 << 20)]).unwrap();
        let flags = readable.iter().map(|_| 0).chain(writable.iter().map(|_| VRING_DESC_F_WRITE));
        let lengths = readable.iter().chain(writable);
        for (number, (length, flags)) in (0..).zip(lengths.zip(flags)) {
            let next = if number as usize + 1 < readable.len() + writable.len() {
                VRING_DESC_F_NEXT
            } else {
                0
            };
            let descriptor = GuestAddress(u64::from(number) * 16);
            let flags = u64::from(flags | next) | u64::from(number + 1u16) << 16;
            memory.write_obj(data, descriptor).unwrap();
            let rest = u64::from(*length) | flags << 32;
            memory.write_obj(rest, descriptor.unchecked_add(8)).unwrap();
        }
        // One chain is available, the one that begins with descriptor 0.
        memory.write_obj(1u16, GuestAddress(available + 2)).unwrap();
        let mut queue = Queue::new(16).unwrap();
        queue.set_desc_table_address(Some(0), Some(0));
        queue.set_avail_ring_address(Some(available as u32), Some(0));
        queue.set_used_ring_address(Some(used), Some(0));
        queue.set_ready(true);
        Request::read(queue.pop_descriptor_chain(&memory).unwrap())
    }

    #[test]
    fn a_gigantic_chain_is_refused_before_it_is_copied() {
        assert!(read(&[16], &[512, 1]).is_ok());
        let gigantic: [(&[u32], &[u32]); 3] = [
            (&[16, u32::MAX - 64], &[1]),
            (&[16, 8 << 20, 8 << 20], &[1]),
            (&[16], &[u32::MAX - 64, 1]),
        ];
        for (readable, writable) in gigantic {
            let refused = read(readable, writable);
            assert!(matches!(refused, Err(RequestError::Long(0))), "{refused:?}");
        }
    }

    fn span(address: u64, length: u32) -> Span {
        Span { address: GuestAddress(address), length }
    }

    fn header(kind: u8, sector: u8) -> Vec<u8> {
        let mut header = vec![0; HEADER];
        (header[0], header[8]) = (kind, sector);
        header
    }

    #[test]
    fn a_read_is_understood() {
        let room = vec![span(0x1000, 512), span(0x3000, 513)];
        let read = Request::from_parts(3, &header(0, 9), vec![span(0, 16)], room).unwrap();
        assert_eq!((read.kind, read.sector, read.room()), (Kind::Read, 9, 1025));
        assert_eq!(read.status(), GuestAddress(0x3200));
        assert_eq!(read.data_room(), [span(0x1000, 512), span(0x3000, 512)]);
    }

    #[test]
    fn nonsense_is_refused() {
        let status = vec![span(0x1000, 1)];
        assert!(Request::from_parts(0, &[0; 15], Vec::new(), status.clone()).is_err());
        assert!(Request::from_parts(0, &header(0, 0), Vec::new(), Vec::new()).is_err());
        assert!(Request::from_parts(0, &header(0, 0), Vec::new(), status.clone()).is_err());
        let long = [header(1, 0), vec![0; 511]].concat();
        assert!(Request::from_parts(0, &long, Vec::new(), status.clone()).is_err());
        assert!(Request::from_parts(0, &header(4, 0), Vec::new(), status).is_ok());
    }
}
