//! Interrupts by message (MSI-X): one message for all queues, another one for the configuration.

use core::sync::atomic::AtomicBool;

use pci::{Function, Message, Msix, MsixTable};

use super::{NoMessages, Registers, window::Window};

/// The two messages of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    /// For changes of the configuration. Its handler calls [`super::PciTransport::configuration_changed`] first.
    pub config: Message,
    /// For chains that the device returns.
    pub queues: Message,
}

/// Places in the table of messages.
pub(super) mod vector {
    pub const CONFIG: u16 = 0;
    pub const QUEUES: u16 = 1;
    /// The number of them.
    pub const COUNT: u16 = 2;
}

/// The state of a device that interrupts by messages.
#[derive(Debug)]
pub(super) struct Sender<R> {
    _table: MsixTable<Window<R>>,
    /// Set if a change of the configuration has been told and not acknowledged.
    pub config_changed: AtomicBool,
}

/// The function's means of interrupting by messages.
pub(super) fn find_msix(function: &Function) -> Result<Msix, NoMessages> {
    match function.msix() {
        Ok(Some(msix)) if msix.entries < vector::COUNT => {
            Err(NoMessages::TooFew { entries: msix.entries })
        }
        Ok(Some(msix)) => Ok(msix),
        Ok(None) => Err(NoMessages::None),
        Err(fault) => Err(NoMessages::Fault(fault)),
    }
}

/// Fills the table of messages and switches it on.
pub(super) fn send<R: Registers>(
    function: &Function,
    msix: &Msix,
    messages: &Messages,
    window: Window<R>,
) -> Result<Sender<R>, ostd::Error> {
    let table = MsixTable::new(msix, window)?;
    table.set(vector::CONFIG, messages.config)?;
    table.set(vector::QUEUES, messages.queues)?;
    msix.enable(function);
    Ok(Sender { _table: table, config_changed: AtomicBool::new(false) })
}
