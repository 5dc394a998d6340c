//! VirtIO drivers in safe Rust on OSTD (VIRTIO 1.3; "section" in this crate means that specification's).
//!
//! ```text
//!   device/{blk,gpu,input,rng} a kind of device: configuration, commands, what an answer must look like
//!   device                     a device that is driven: its queues, its interrupts
//!   command, batch             the way of one command, and of several at once
//!   request_queue              the lock around a queue, and who is owed its answers
//!   recovery, lent             deadlines, and the restart after a lie or a hang; what devices use between commands
//!   handshake, features, reset status, features, and letting go
//!   queue                      the virtqueue: who owns the memory of a chain
//!   transport                  registers
//! ```
//!
//! Each line uses those below it. The crate knows no command line, no console and no architecture: register
//! windows come in with the transport, interrupts through [`device::VirtioDevice`], the log through the
//! `log` crate. Memory that a device may still reach is never freed, whatever a safe caller does.
//!
//! To drive a disk, make a [`transport::mmio::MmioTransport`] over its registers and give it to
//! `device::blk::VirtioBlk::new`. It polls until an interrupt has been led to it: [`device::attach`], and then
//! [`device::VirtioDevice::use_interrupts`].

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod batch;
pub mod command;
pub mod device;
pub mod driver;
pub mod features;
pub mod handshake;
pub mod lent;
pub mod options;
pub mod queue;
pub mod recovery;
pub mod request_queue;
pub mod reset;
pub mod transport;

#[cfg(ktest)]
mod testing;
