//! The manners of a disk that records.

use std::time::Duration;

use hostile::device::config::Config;

/// The manner in which the disk answers.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Its description of itself.
    pub config: Config,
    /// It takes so long for each answer.
    pub delay: Duration,
    /// It looks into the queue only so long after it was notified.
    pub late: Duration,
    /// It answers only when so many requests wait, or when no more have come for a while.
    pub gather: usize,
    /// It answers the request that came last first.
    pub reverse: bool,
    /// It fails this request that moves data, counted from 0.
    pub fails: Option<u64>,
    /// It does not tell its serial number, and leaves garbage where that should stand.
    pub nameless: bool,
    /// It moves data only for a driver that has asked for an interrupt, unless that takes too long.
    pub until_wished: bool,
    /// It waits so long for that, and for QEMU to see a change of the capacity.
    pub patience: Duration,
    /// It looks for requests itself, without a notification, and so may answer before it is notified.
    pub eager: bool,
    /// It has this capacity, in sectors, as soon as so many requests have moved data, and tells the driver.
    pub grows: Option<(u64, u64)>,
}

impl Manner {
    /// At once and in order.
    pub fn prompt(config: Config) -> Self {
        Self {
            config,
            delay: Duration::ZERO,
            late: Duration::ZERO,
            gather: 1,
            reverse: false,
            fails: None,
            nameless: false,
            until_wished: false,
            patience: Duration::from_secs(2),
            eager: false,
            grows: None,
        }
    }
}
