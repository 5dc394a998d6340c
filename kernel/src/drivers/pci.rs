//! The PCI bus, with virtio devices on it.

use alloc::{string::ToString, sync::Arc, vec::Vec};
use core::fmt;

use ::pci::{Address, Function, Pin};
use device_tree::Interrupt;
use ostd::irq::IrqLine;
use virtio::{
    device::{VirtioDevice, attach},
    transport::{
        Transport,
        pci::{Messages, NoMessages, PciTransport, device_id},
    },
};

use super::{
    Options, bind,
    connect::ConnectError,
    found::{self, Driver, FunctionContent},
    keep, keep_mapped,
};
use crate::{
    arch::{
        self, HostBridge, Interrupts, io_memory,
        irq::{self, MappedIrqLine},
    },
    console::println,
    unusable,
};

// ANCHOR: probe
/// Looks at every function behind every host bridge.
pub(super) fn probe(options: &Options) {
    for bridge in arch::pci::host_bridges() {
        match bridge {
            Ok(bridge) => probe_bridge(&bridge, options),
            Err(error) => log::warn!("{error}"),
        }
    }
}

fn probe_bridge(bridge: &HostBridge, options: &Options) {
    let found = bridge.bus.find();
    for fault in &found.faults {
        log::warn!("{}: {fault}", bridge.name);
    }
    for (at, identity) in found.bridges {
        let content = FunctionContent::Bridge;
        found::record_function(found::Function { at, identity, content });
    }
    let mut lines = Lines::new(&bridge.interrupts);
    for function in found.functions {
        let (at, identity) = (function.address(), function.identity());
        let content = match device_id(&identity) {
            None => FunctionContent::Other,
            Some(id) => {
                let driver = drive(&mut lines, function, id, options);
                FunctionContent::Device { id, driver }
            }
        };
        found::record_function(found::Function { at, identity, content });
    }
    lines.pins.into_iter().for_each(|(_, line)| keep_mapped(line));
}
// ANCHOR_END: probe

/// Gives the device to its driver.
fn drive(lines: &mut Lines<'_>, function: Function, id: u32, options: &Options) -> Driver {
    let place = Place(function.address());
    let identity = function.identity();
    println!(
        "Virtio PCI device found at {} with number {:04x}:{:04x}, device id {id}",
        function.address(),
        identity.vendor,
        identity.device
    );
    let name = bind::device_name(id);
    let Some(driver) = bind::driver(id) else {
        println!("{place}: {name} device, no driver, skipped");
        return Driver::None;
    };
    let pin = function.pin();
    let senders = if options.polling { None } else { lines.senders() };
    let messages = senders.as_ref().map(|senders| senders.messages);
    let transport = match PciTransport::new(function, messages.as_ref(), io_memory::acquire) {
        Ok(transport) => Arc::new(transport),
        Err(error) => {
            unusable::record(name, place, error);
            return Driver::Failed(error.to_string());
        }
    };
    println!(
        "{place}: {name} device, modern, vendor {:#x}, {}",
        transport.vendor_id(),
        lines.describe(&transport, pin)
    );
    let device = match driver(&place, transport.clone(), &options.virtio) {
        Ok(device) => device,
        Err(error) => {
            unusable::record(name, place, error);
            return Driver::Failed(error.to_string());
        }
    };
    if options.polling {
        keep(device, Vec::new());
        return Driver::Polling("virtio.polling=on".to_string());
    }
    match lines.connect(&transport, &device, pin, senders) {
        Ok(lines) => {
            device.use_interrupts();
            keep(device, lines);
            Driver::Bound
        }
        Err(error) => {
            log::warn!("{place}: no interrupt, polling instead: {error}");
            keep(device, Vec::new());
            Driver::Polling(error.to_string())
        }
    }
}

/// The interrupts of the functions behind a host bridge.
struct Lines<'a> {
    interrupts: &'a Interrupts,
    /// The pins of the interrupt controller that are in use. Several functions may share one.
    pins: Vec<(Interrupt, MappedIrqLine)>,
}

/// The lines of a function that interrupts by messages.
struct Senders {
    config: IrqLine,
    queues: IrqLine,
    messages: Messages,
}

impl<'a> Lines<'a> {
    fn new(interrupts: &'a Interrupts) -> Self {
        Self { interrupts, pins: Vec::new() }
    }

    /// New lines and their messages, where functions interrupt by those; `None` also where there are none left.
    fn senders(&self) -> Option<Senders> {
        let Interrupts::Messages = self.interrupts else { return None };
        let [config, queues] = [IrqLine::alloc().ok()?, IrqLine::alloc().ok()?];
        let messages = Messages { config: irq::message(&config)?, queues: irq::message(&queues)? };
        Some(Senders { config, queues, messages })
    }

    /// The interrupt that a function's pin is led to.
    fn interrupt(&self, pin: Option<Pin>) -> Result<Interrupt, ConnectError> {
        let Interrupts::Pins(map) = self.interrupts else {
            return Err(ConnectError::NoMessages(NoMessages::NotOffered));
        };
        let map = map.as_ref().map_err(|error| ConnectError::Node(*error))?;
        let pin = pin.ok_or(ConnectError::NoPin)?;
        map.interrupt(pin.root.bits(), pin.number).map_err(ConnectError::Node)
    }

    /// A function's interrupt, for people to read.
    fn describe(&self, transport: &PciTransport, pin: Option<Pin>) -> Irq {
        match transport.messages() {
            Ok(()) => Irq::Messages,
            Err(_) => self.interrupt(pin).map_or(Irq::None, |interrupt| Irq::Pin(interrupt.number)),
        }
    }

    /// Leads the function's interrupt to the device.
    fn connect(
        &mut self,
        transport: &Arc<PciTransport>,
        device: &Arc<dyn VirtioDevice>,
        pin: Option<Pin>,
        senders: Option<Senders>,
    ) -> Result<Vec<IrqLine>, ConnectError> {
        let Interrupts::Messages = self.interrupts else {
            let mut line = self.shared(self.interrupt(pin)?)?;
            attach(&mut line, device);
            transport.use_pin();
            return Ok(Vec::from([line]));
        };
        transport.messages().map_err(|reason| ConnectError::NoMessages(*reason))?;
        let Some(Senders { mut config, mut queues, .. }) = senders else {
            return Err(ConnectError::NoMessages(NoMessages::NotOffered));
        };
        attach(&mut queues, device);
        let (transport, device) = (transport.clone(), Arc::downgrade(device));
        config.on_active(move |_| {
            transport.configuration_changed();
            if let Some(device) = device.upgrade() {
                device.handle_interrupt();
            }
        });
        Ok(Vec::from([config, queues]))
    }

    /// A handle on the line of a pin, which other functions may have as well.
    fn shared(&mut self, interrupt: Interrupt) -> Result<IrqLine, ConnectError> {
        if let Some((_, line)) = self.pins.iter().find(|(found, _)| *found == interrupt) {
            return Ok(IrqLine::clone(line));
        }
        let line = IrqLine::alloc().map_err(ConnectError::Line)?;
        let line = irq::map(&interrupt, line).map_err(ConnectError::Map)?;
        let shared = IrqLine::clone(&line);
        self.pins.push((interrupt, line));
        Ok(shared)
    }
}

/// A function's bus and address, for people to read.
struct Place(Address);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "virtio-pci {}", self.0)
    }
}

/// A function's interrupt, for people to read.
enum Irq {
    Pin(u32),
    Messages,
    None,
}

impl fmt::Display for Irq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pin(number) => write!(f, "irq {number}"),
            Self::Messages => f.write_str("irq by message"),
            Self::None => f.write_str("no irq"),
        }
    }
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    #[ktest]
    fn functions_share_pins_and_have_their_own_messages() {
        let bridges = arch::pci::host_bridges();
        let [Ok(bridge)] = &bridges[..] else { return };
        let mut lines = Lines::new(&bridge.interrupts);
        match &bridge.interrupts {
            Interrupts::Pins(_) => {
                let pin =
                    |device: u8| Some(Pin { root: Address::of_slot(0, device << 3), number: 1 });
                // QEMU has four pins for all devices.
                let [first, second, fifth] =
                    [1, 2, 5].map(|device| lines.interrupt(pin(device)).unwrap());
                let [a, b, c] =
                    [first, second, fifth].map(|interrupt| lines.shared(interrupt).unwrap());
                assert_eq!((first, a.num()), (fifth, c.num()));
                assert_ne!((first, a.num()), (second, b.num()));
                assert_eq!(lines.pins.len(), 2);
                assert!(matches!(lines.interrupt(None), Err(ConnectError::NoPin)));
                assert!(lines.senders().is_none());
            }
            Interrupts::Messages => {
                let refused = lines.interrupt(None);
                assert!(matches!(refused, Err(ConnectError::NoMessages(NoMessages::NotOffered))));
                let Some(senders) = lines.senders() else { return };
                assert_ne!(senders.config.num(), senders.queues.num());
                assert_ne!(senders.messages.config, senders.messages.queues);
            }
        }
    }

    #[ktest]
    fn interrupts_have_a_text() {
        let text = |irq: Irq| irq.to_string();
        assert_eq!(
            [Irq::Pin(33), Irq::Messages, Irq::None].map(text),
            ["irq 33", "irq by message", "no irq"]
        );
        assert_eq!(Place(Address::of_slot(1, 0x1a)).to_string(), "virtio-pci 01:03.2");
    }
}
