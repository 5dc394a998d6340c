//! The plan of lies: the requests that are lied about, and the lies.

use std::collections::BTreeMap;

use super::{
    Diary,
    request::{Kind, Request},
};
use crate::mode::{About, Lie, Mode};

/// The requests about which lies are told.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The number of the request from which on the mode lies; the first is number 0.
    pub at: u64,
    /// The number of lies.
    pub times: u64,
    /// The number of requests that the driver keeps in flight, where it can.
    pub depth: u64,
}

/// The lies of a run.
pub(super) enum Plan {
    /// One lie, and dead silence behind those after which there is no trust in the queue.
    Mode(Mode, Schedule),
    /// Lies about single reads by their number, told to a driver that has one request in flight. The device goes
    /// on as if each were the truth.
    Script(BTreeMap<u64, Lie>),
}

/// A lie of a script that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The lie.
    pub lie: Lie,
    /// The driver has reset the device before it sent another request.
    pub reset: bool,
}

impl Plan {
    /// The lie that is due about the request of this number.
    pub(super) fn lie_about(&self, request: &Request, number: u64, diary: &Diary) -> Option<Lie> {
        let (mode, schedule) = match self {
            Self::Mode(mode, schedule) => (mode, schedule),
            Self::Script(_) if request.kind != Kind::Read => return None,
            Self::Script(lies) => return lies.get(&diary.reads).copied(),
        };
        let about = match mode.about {
            About::Any => true,
            About::Reads => request.kind == Kind::Read,
            About::Writes => request.kind == Kind::Write,
        };
        let times = schedule.times.min(mode.lie.most());
        (about && number >= schedule.at && diary.lies < times).then_some(mode.lie)
    }

    /// The number of requests that the driver keeps in flight, where it can.
    pub(super) fn depth(&self) -> u64 {
        match self {
            Self::Mode(_, schedule) => schedule.depth,
            Self::Script(_) => 1,
        }
    }
}
