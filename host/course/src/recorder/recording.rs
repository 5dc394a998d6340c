//! The record that the disk keeps.

use std::time::Duration;

use crate::request::Request;

/// Everything that the disk has seen.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The number of times that the driver set the queue up.
    pub starts: u64,
    /// The notifications that arrived; two that come close together may count as one.
    pub notifications: u64,
    /// The requests, in the order in which they were taken.
    pub requests: Vec<Request>,
    /// The chains that the driver made available and the disk never looked at, for want of a notification.
    pub unseen: u16,
    /// The answers for which the driver had asked to be interrupted.
    pub interrupts: u64,
    /// An answer for which the disk has waited in vain for that.
    pub unwished: Option<Unwished>,
    /// QEMU has not seen in time that the capacity has changed, for which no driver is to blame.
    pub untold: bool,
    /// At the end, with nothing on its way, the driver asks for an interrupt for the next answer.
    pub still_wished: bool,
    /// The features that the driver acknowledged, as far as QEMU passes them on.
    pub acknowledged: u64,
    /// The most requests that waited at the same time.
    pub most_waiting: usize,
    /// The time from the last request to the end.
    pub idle: Duration,
    /// Chains that are broken, in words.
    pub complaints: Vec<String>,
}

/// The driver did not ask for an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwished {
    /// The entry of the used ring that it asked for instead, counted from the next one, as far as it names one.
    pub entry: Option<i16>,
}
