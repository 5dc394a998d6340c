//! The PCI bus, for kernels on OSTD, in safe Rust.
//!
//! ```text
//!   bridge       the host bridge: what a machine says of its bus
//!   walk         buses and bridges -> functions, each once
//!   windows      the addresses that a bridge lets through
//!   place        bus addresses: sizes of BARs, and where they are put
//!   function     one function: identity, BARs, pin, the command register
//!   capability   the list of capabilities
//!   msix         interrupts by message
//!   config       configuration space, however a machine reaches it
//! ```
//!
//! # The part of the machine
//!
//! Three things depend on it, and nothing else in this crate does:
//!
//! 1. *Access to configuration space*: [`ConfigAccess`]. [`Ecam`] is the one by memory (PCI Express); the
//!    one by the ports 0xCF8 and 0xCFC belongs to x86 and implements the same trait.
//! 2. *Addresses*: [`Resources`] says if the firmware has placed the BARs, or which addresses the host
//!    bridge lets through so that they are placed here.
//! 3. *Interrupts*: a function has a pin ([`Function::pin`], told as the pin of a slot on the first bus, where
//!    a device tree's `interrupt-map` is about it), or takes messages ([`Message`]), whose address and
//!    data are the machine's.
//!
//! A machine that gives a [`HostBridge`] and one of the two ways of an interrupt has everything.
//!
//! # Trust
//!
//! Configuration space is what a device says, so nothing in it is trusted: numbers of buses that repeat or
//! run in a circle, BARs whose size is none, that overlap or do not fit, lists of capabilities without end.
//! Each is a typed error, and the other functions are found all the same. The walk visits at most 256 buses
//! and [`MAX_FUNCTIONS`] functions.
//!
//! "PCI" in this crate's comments means the PCI Local Bus Specification 3.0, "bridge specification" the
//! PCI-to-PCI Bridge Architecture Specification 1.2.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod address;
mod bar;
mod bridge;
mod capability;
mod config;
mod ecam;
mod fault;
mod function;
mod msix;
mod place;
mod walk;
mod windows;

#[cfg(ktest)]
pub mod testing;

pub use self::{
    address::Address,
    bar::{Bar, BarFault, Space},
    bridge::{HostBridge, Resources, Window, Windows},
    capability::{Capability, CapabilityFault, id},
    config::{ConfigAccess, Width},
    ecam::Ecam,
    fault::{BridgeFault, Fault},
    function::{Function, Identity, Pin},
    msix::{Message, Msix, MsixFault, MsixTable},
    walk::{Found, MAX_FUNCTIONS},
};
