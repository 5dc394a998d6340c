//! Keyboards, mice and tablets, whatever drives them.
//!
//! This floor knows no virtio: a driver implements [`InputDevice`] on top of a [`Source`] and calls
//! [`register`]; a job finds the devices here and reads their events.
//!
//! Events are those of Linux's evdev: a type, a code and a value ([`Event`]), whose numbers have names in
//! [`codes`]. A device tells what belongs together in a group, which ends with `EV_SYN SYN_REPORT`.
//!
//! ```text
//!   driver, in interrupt context            task
//!   Source::deliver ----> bounded queue ----> Reader::next ----> Keyboard, Pointer
//! ```
//!
//! Each [`Reader`] has a queue of its own and gets all events from its opening on, of one device or of many.
//! When its queue is full, what follows is missing, and the reader is told so by `EV_SYN SYN_DROPPED`: it forgets
//! which keys are pressed, and ignores the rest of the group that is incomplete. [`Keyboard`] and [`Pointer`]
//! do that.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod codes;
mod error;
mod event;
mod info;
mod keyboard;
mod pointer;
mod queue;
mod registry;
mod source;

#[cfg(ktest)]
mod tests;

use alloc::sync::Arc;

pub use self::{
    error::Error,
    event::Event,
    info::{Axis, Codes, DeviceInfo, Ids},
    keyboard::{Keyboard, Stroke},
    pointer::Pointer,
    queue::{Arrived, EventQueue, Reader},
    registry::{all, register},
    source::{Source, Statistics},
};

/// An input device.
///
/// Every method may be called from several tasks at once; none of them in interrupt context.
pub trait InputDevice: Send + Sync {
    /// All that the device says about itself. It does not change.
    fn info(&self) -> &DeviceInfo;

    /// Gives the events that come from now on to a queue too, as those of device number `number`. A [`Reader`]
    /// does that.
    fn attach(&self, queue: &Arc<EventQueue>, number: usize);

    /// The events so far.
    fn statistics(&self) -> Statistics;

    /// Switches one of the device's lights, such as [`LED_CAPSL`](codes::LED_CAPSL), and waits until the
    /// device knows.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing is known about the light then.
    fn set_led(&self, led: u16, on: bool) -> Result<(), Error> {
        let _ = on;
        Err(Error::NoLed(led))
    }
}
