//! The host bridge: what a machine says of its bus.

use alloc::sync::Arc;
use core::ops::RangeInclusive;

use super::{ConfigAccess, Found, walk};

/// The way from the processor to a bus, and all that is known of it without looking.
#[derive(Clone, Debug)]
pub struct HostBridge {
    /// Configuration space.
    pub access: Arc<dyn ConfigAccess>,
    /// The buses behind the bridge; the first is the one that it is on.
    pub buses: RangeInclusive<u8>,
    /// Who places the BARs, and where.
    pub resources: Resources,
}

/// The one who places the BARs and numbers the buses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resources {
    /// The firmware has done it. What it says is checked and kept; addresses on the bus are the processor's.
    AsFound,
    /// Nobody has, or it does not matter: it is all done here.
    Assign(Windows),
}

/// The addresses that the host bridge lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// I/O space.
    pub io: Option<Window>,
    /// Memory that a BAR of 32 bits can be in.
    pub memory: Option<Window>,
    /// Memory above that, for BARs of 64 bits that are prefetchable.
    pub high: Option<Window>,
}

/// A range of addresses on the bus, and where the processor sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first address on the bus.
    pub bus: u64,
    /// The same address as the processor's.
    pub cpu: u64,
    /// The length in bytes.
    pub size: u64,
}

impl HostBridge {
    /// Finds all functions: walks over the buses, sizes the BARs and sees to their addresses.
    ///
    /// No function decodes addresses while its BARs are sized. Afterwards no function moves data or raises
    /// its pin, until its driver lets it ([`Function::set_bus_master`], [`Function::set_pin`]); where
    /// [`Resources::Assign`] says so it decodes no address either ([`Function::set_memory`]). Host bridges are
    /// left as they are.
    ///
    /// [`Function::set_bus_master`]: super::Function::set_bus_master
    /// [`Function::set_pin`]: super::Function::set_pin
    /// [`Function::set_memory`]: super::Function::set_memory
    ///
    /// To be called once for each bridge, in a task or in the bootstrap context, with IRQs enabled.
    pub fn find(&self) -> Found {
        walk::find(self)
    }
}
