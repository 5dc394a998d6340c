//! The steps of one request.

use super::chain::{Chain, Queue};
use crate::symbols::Frame;

/// A column of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// The kernel.
    Driver,
    /// The memory that driver and device share.
    Queue,
    /// QEMU's device.
    Device,
    /// The disk behind it.
    Host,
}

/// The kind of a step, with its figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The caller calls.
    Called,
    /// The header is filled in, and the response with a status that no device gives.
    Prepared { request_type: u64, sector: u64, response: u64 },
    /// The descriptors of the chain are written.
    Linked,
    /// The descriptor in the ring that leads to them is written.
    Pointed { head: u64, table: u64, bytes: u64 },
    /// The available ring has got the head, and the index has moved.
    Published { entry: u64, head: u64, index: u64 },
    /// The driver has read when the device wants to be notified.
    Asked { event: u64 },
    /// QueueNotify is written.
    Notified { queue: u64 },
    /// The device has taken the chain, with so many segments to read and to write.
    Popped { reads: u64, writes: u64 },
    /// The device has handed the request to the disk.
    Submitted { sector: u64, sectors: u64 },
    /// The driver has found nothing new in the used ring, so many times.
    Looked { index: u64, times: u64 },
    /// The driver has said at which used index it wants an interrupt.
    Armed { event: u64 },
    /// The caller sleeps.
    Slept,
    /// The host accesses the file.
    Accessed { offset: u64, bytes: u64 },
    /// The host is done.
    Done { result: u64 },
    /// The device has written the response.
    Responded { status: u64 },
    /// The device has written an entry of the used ring.
    Filled { entry: u64, length: u64 },
    /// The device moves the used index.
    Returned { index: u64 },
    /// The device raises the interrupt.
    Raised,
    /// The kernel has asked the interrupt controller whose interrupt it is.
    Claimed { line: u64 },
    /// The driver has asked the device for the reason.
    Inquired { causes: u64 },
    /// The driver has acknowledged the interrupt.
    Acknowledged { causes: u64 },
    /// The driver has found the used index moved.
    Found { old: u64, new: u64 },
    /// The driver has read the entry of the used ring.
    Took { id: u64, length: u64 },
    /// The driver wakes the caller.
    Woke,
    /// The caller goes on.
    Resumed,
    /// The driver has read the response.
    Checked { status: u64 },
    /// The call returns.
    Ended,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Microseconds since the first step.
    pub at: u64,
    pub from: Lane,
    pub to: Lane,
    pub act: Act,
    /// The event, in QEMU's words or the plugin's.
    pub evidence: String,
    /// The place in the kernel's source and its callers, the innermost first; none for QEMU's steps.
    pub frames: Vec<Frame>,
}

/// A request and its way.
#[derive(Clone, Debug)]
pub struct Trace {
    pub writes: bool,
    pub sector: u64,
    /// The length of the data in bytes.
    pub bytes: u64,
    pub queue: Queue,
    pub chain: Chain,
    /// The available index before the request.
    pub available: u64,
    /// The used index before the request.
    pub used: u64,
    pub steps: Vec<Step>,
}

impl Step {
    /// Returns true if QEMU has told of it, and not the kernel.
    pub fn is_of_qemu(&self) -> bool {
        self.from != Lane::Driver && (self.to != Lane::Driver || self.act == Act::Raised)
    }

    /// The place in the source that says most: the innermost one in the driver, where memory or waiting is only its
    /// tool.
    pub fn main_frame(&self) -> Option<usize> {
        let of_driver = |frame: &Frame| frame.file.starts_with("crates/virtio");
        let place = self.frames.iter().position(of_driver);
        place.or_else(|| (!self.frames.is_empty()).then_some(0))
    }
}

impl Trace {
    /// The time from the first step to the last one, in microseconds.
    pub fn duration(&self) -> u64 {
        self.steps.last().map_or(0, |step| step.at)
    }
}
