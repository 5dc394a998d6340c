//! A request as the device saw it, and as it should have been.

use std::fmt;

/// The bytes of a request header, VIRTIO 1.3 section 5.2.6.
pub const HEADER: u32 = 16;

/// The type of a request, VIRTIO 1.3 section 5.2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads sectors.
    In,
    /// Writes sectors.
    Out,
    /// Makes writes durable.
    Flush,
    /// Reads the serial number.
    GetId,
    /// A type that the disk does not know.
    Other(u32),
    /// There is no whole header.
    None,
}

impl Kind {
    /// The type with this number.
    pub fn of(number: u32) -> Self {
        match number {
            0 => Self::In,
            1 => Self::Out,
            4 => Self::Flush,
            8 => Self::GetId,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In => f.write_str("IN (0)"),
            Self::Out => f.write_str("OUT (1)"),
            Self::Flush => f.write_str("FLUSH (4)"),
            Self::GetId => f.write_str("GET_ID (8)"),
            Self::Other(number) => write!(f, "type {number}"),
            Self::None => f.write_str("no header"),
        }
    }
}

/// One descriptor of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The device writes it; otherwise it reads it.
    pub device_writes: bool,
    /// In bytes.
    pub length: u32,
    /// In the guest's memory.
    pub address: u64,
}

impl Segment {
    /// Returns true if the two have memory in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        let end = |segment: &Self| segment.address.saturating_add(segment.length.into());
        self.address < end(other) && other.address < end(self)
    }
}

/// A request that the device has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The number of its first descriptor in the ring.
    pub head: u16,
    /// Its type.
    pub kind: Kind,
    /// Its first sector.
    pub sector: u64,
    /// Its descriptors, in order.
    pub segments: Vec<Segment>,
    /// The bytes behind the header that the device read.
    pub data: Vec<u8>,
    /// The status that the device gave, if there was room for one.
    pub status: Option<u8>,
    /// The requests that waited for an answer when it came, by their places among all.
    pub others: Vec<usize>,
    /// The driver had asked to be interrupted for the answer.
    pub interrupts: bool,
}

impl Request {
    /// The segments between the first and the last one.
    pub fn data_segments(&self) -> &[Segment] {
        match &self.segments[..] {
            [_, data @ .., _] => data,
            _ => &[],
        }
    }
}

/// A request as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its type.
    pub kind: Kind,
    /// Its first sector.
    pub sector: u64,
    /// The bytes of data, in all.
    pub length: u32,
    /// The data of a write.
    pub data: Vec<u8>,
}

impl Expected {
    /// The device writes the data; otherwise it reads them.
    pub fn device_writes(&self) -> bool {
        matches!(self.kind, Kind::In | Kind::GetId)
    }
}
