//! The walk over the buses: every function once, bridges before what is behind them.

use alloc::vec::Vec;

use ostd::sync::SpinLock;

use super::{
    Address, Bar, BarFault, BridgeFault, ConfigAccess, Fault, Function, HostBridge, Identity, Pin,
    Resources, Width,
    config::register,
    function::{BARS, Command},
    place::{Pools, Sized, Taken, sizes},
    windows::{self, Start},
};

/// The most functions that are kept. Real machines have some dozens.
pub const MAX_FUNCTIONS: usize = 1024;

/// Everything that a walk has found.
#[derive(Debug, Default)]
pub struct Found {
    /// The functions that are no bridges, in the order of the walk.
    pub functions: Vec<Function>,
    /// The bridges, by address and identity.
    pub bridges: Vec<(Address, Identity)>,
    /// All that was refused. The rest is sound.
    pub faults: Vec<Fault>,
}

/// Bits of the header type register.
mod header {
    pub const KIND: u32 = 0x7f;
    pub const MULTIFUNCTION: u32 = 0x80;
    pub const FUNCTION: u8 = 0;
    pub const BRIDGE: u8 = 1;
}

/// The class of a host bridge, and of an old one without a class. Their BARs are the machine's memory.
const HOST_BRIDGE: u32 = 0x0600;

/// A bridge has so many BARs.
const BRIDGE_BARS: usize = 2;

/// A bus that is being walked.
struct Level {
    bus: u8,
    /// Device and function to look at next; 256 at the end.
    next: u16,
    /// The last bus that may be behind it.
    last: u8,
    /// The bridge that leads to it; the host bridge if `None`.
    bridge: Option<Open>,
    /// Prefetchable memory above 4 GiB reaches it.
    high: bool,
}

/// A bridge whose other side is being walked.
struct Open {
    at: Address,
    /// The state of the pools when it was opened; `None` if the firmware has set its windows.
    starts: Option<[Start; 3]>,
}

struct Walk<'a> {
    access: &'a dyn ConfigAccess,
    host: &'a HostBridge,
    place: Place,
    seen: [bool; 256],
    /// The next bus to give away; beyond the host bridge's last one there is none.
    next_bus: u16,
    levels: Vec<Level>,
    found: Found,
}

/// The source of addresses.
enum Place {
    Keep(Taken),
    Assign(Pools),
}

pub(crate) fn find(host: &HostBridge) -> Found {
    let mut walk = Walk {
        access: &*host.access,
        host,
        place: match &host.resources {
            Resources::AsFound => Place::Keep(Taken::default()),
            Resources::Assign(windows) => Place::Assign(Pools::new(windows)),
        },
        seen: [false; 256],
        next_bus: u16::from(*host.buses.start()) + 1,
        levels: Vec::new(),
        found: Found::default(),
    };
    walk.enter(*host.buses.start(), *host.buses.end(), None, true);
    // Each turn looks at a function, or leaves a bus; each bus is entered once.
    while let Some(level) = walk.levels.last_mut() {
        if level.next > 0xff {
            walk.leave();
            continue;
        }
        let at = Address::of_slot(level.bus, level.next as u8);
        level.next += 1;
        walk.look(at);
    }
    walk.found
}

impl Walk<'_> {
    fn enter(&mut self, bus: u8, last: u8, bridge: Option<Open>, high: bool) {
        self.seen[usize::from(bus)] = true;
        let mut next = 0;
        if let Err(error) = self.access.open_bus(bus) {
            self.found.faults.push(Fault::Bus { bus, error });
            next = 0x100;
        }
        self.levels.push(Level { bus, next, last, bridge, high });
    }

    /// Leaves the present bus, and tells its bridge what is behind it.
    fn leave(&mut self) {
        let Some(Level { bridge: Some(bridge), .. }) = self.levels.pop() else { return };
        let (Place::Assign(pools), Some(starts)) = (&mut self.place, bridge.starts) else { return };
        // Cannot truncate: the bus given away last.
        let last = (self.next_bus - 1) as u8;
        self.access.write(bridge.at, register::BUSES + 2, Width::U8, last.into());
        windows::close(self.access, bridge.at, pools, starts);
    }

    fn look(&mut self, at: Address) {
        let id = self.access.read(at, register::VENDOR_ID, Width::U32);
        // Old machines answer so where there is nothing, with one half or both.
        let is_absent = [0xffff, 0x0000].contains(&(id & 0xffff));
        let header = match is_absent {
            true => 0,
            false => self.access.read(at, register::HEADER_TYPE, Width::U8),
        };
        if at.function() == 0 && header & header::MULTIFUNCTION == 0 {
            // No other function of the device is there, or is to be looked at.
            if let Some(level) = self.levels.last_mut() {
                level.next += 7;
            }
        }
        if is_absent {
            return;
        }
        if self.found.functions.len() + self.found.bridges.len() >= MAX_FUNCTIONS {
            self.found.faults.push(Fault::TooMany { at });
            self.levels.iter_mut().for_each(|level| level.next = 0x100);
            return;
        }
        match (header & header::KIND) as u8 {
            header::FUNCTION => self.function(at),
            header::BRIDGE => self.bridge(at),
            kind => self.found.faults.push(Fault::Header { at, kind }),
        }
    }

    fn function(&mut self, at: Address) {
        let identity = self.identity(at);
        let is_host_bridge = identity.class >> 8 == HOST_BRIDGE;
        let (command, bars) = match is_host_bridge {
            true => (self.command(at), [const { Err(BarFault::Absent) }; BARS]),
            false => (self.quiet(at), self.bars(at, BARS)),
        };
        self.found.functions.push(Function {
            access: self.host.access.clone(),
            address: at,
            identity,
            bars,
            pin: self.pin(at),
            command: SpinLock::new(command),
        });
    }

    fn identity(&self, at: Address) -> Identity {
        let read = |offset| self.access.read(at, offset, Width::U16) as u16;
        let class = self.access.read(at, register::REVISION, Width::U32);
        Identity {
            vendor: read(register::VENDOR_ID),
            device: read(register::DEVICE_ID),
            class: class >> 8,
            revision: class as u8,
            subsystem_vendor: read(register::SUBSYSTEM_VENDOR_ID),
            subsystem: read(register::SUBSYSTEM_ID),
        }
    }

    fn command(&self, at: Address) -> Command {
        let command = self.access.read(at, register::COMMAND, Width::U16);
        Command::from_bits_retain(command as u16)
    }

    /// Takes from a function what only its driver should give it; gives its command register.
    fn quiet(&self, at: Address) -> Command {
        let mut command = self.command(at);
        command.remove(Command::BUS_MASTER);
        command.insert(Command::NO_PIN);
        if matches!(self.place, Place::Assign(_)) {
            command.remove(Command::IO | Command::MEMORY);
        }
        self.access.write(at, register::COMMAND, Width::U16, command.bits().into());
        command
    }

    fn bars(&mut self, at: Address, count: usize) -> [Result<Bar, BarFault>; BARS] {
        let sizes = sizes(self.access, at, count);
        let mut bars = [const { Err(BarFault::Absent) }; BARS];
        for ((index, sized), bar) in (0u8..).zip(&sizes).zip(&mut bars) {
            *bar = sized.and_then(|sized| self.place(at, index, &sized));
            match bar {
                Ok(_) | Err(BarFault::Absent | BarFault::UpperHalf) => {}
                Err(fault) => self.found.faults.push(Fault::Bar { at, index, fault: *fault }),
            }
        }
        bars
    }

    fn place(&mut self, at: Address, index: u8, sized: &Sized) -> Result<Bar, BarFault> {
        match &mut self.place {
            Place::Keep(taken) => taken.keep(sized),
            Place::Assign(pools) => {
                let high = self.levels.last().is_some_and(|level| level.high);
                pools.assign(self.access, at, index, sized, high)
            }
        }
    }

    /// Follows the pin of a function to the first bus.
    fn pin(&self, at: Address) -> Option<Pin> {
        let mut number = self.access.read(at, register::INTERRUPT_PIN, Width::U8) as u8;
        if !(1..=4).contains(&number) {
            return None;
        }
        let mut root = at;
        for bridge in self.levels.iter().rev().filter_map(|level| level.bridge.as_ref()) {
            number = (number - 1 + root.device()) % 4 + 1;
            root = bridge.at;
        }
        Some(Pin { root, number })
    }

    fn bridge(&mut self, at: Address) {
        let identity = self.identity(at);
        self.found.bridges.push((at, identity));
        let entered = match self.place {
            Place::Keep(_) => self.numbered(at),
            Place::Assign(_) => self.number(at),
        };
        match entered {
            Ok((bus, last, starts, high)) => {
                self.enter(bus, last, Some(Open { at, starts }), high);
            }
            Err(fault) => self.found.faults.push(Fault::Bridge { at, fault }),
        }
    }

    /// Takes the bus that the firmware has given to a bridge.
    fn numbered(&mut self, at: Address) -> Result<Entered, BridgeFault> {
        let buses = self.access.read(at, register::BUSES, Width::U32).to_le_bytes();
        let [_, secondary, subordinate, _] = buses;
        if secondary == 0 {
            return Err(BridgeFault::NotNumbered);
        }
        let last = self.levels.last().map_or(0, |level| level.last);
        let above = secondary <= at.bus() || secondary > subordinate || subordinate > last;
        if above || self.seen[usize::from(secondary)] {
            return Err(BridgeFault::BadBus { secondary, subordinate });
        }
        // Nobody drives a bridge: its BARs only have to be out of the way of others.
        let _ = self.bars(at, BRIDGE_BARS);
        Ok((secondary, subordinate, None, false))
    }

    /// Gives the next bus to a bridge, and opens its windows.
    fn number(&mut self, at: Address) -> Result<Entered, BridgeFault> {
        self.quiet(at);
        // Nobody drives a bridge: its BARs only have to be out of the way of others.
        let _ = self.bars(at, BRIDGE_BARS);
        let last = *self.host.buses.end();
        let bus = u8::try_from(self.next_bus).ok().filter(|bus| *bus <= last);
        let bus = bus.ok_or(BridgeFault::NoBusLeft)?;
        let timer = self.access.read(at, register::BUSES, Width::U32) & 0xff00_0000;
        // Until it is known what is behind it, it leads to every bus that is left.
        let buses = u32::from_le_bytes([at.bus(), bus, last, 0]) | timer;
        self.access.write(at, register::BUSES, Width::U32, buses);
        let found = self.access.read(at, register::BUSES + 1, Width::U8) as u8;
        if found != bus {
            self.access.write(at, register::BUSES, Width::U32, timer);
            return Err(BridgeFault::NotKept { written: bus, found });
        }
        self.next_bus += 1;
        let Place::Assign(pools) = &mut self.place else { return Err(BridgeFault::NotNumbered) };
        let starts = windows::open(pools);
        let window = self.access.read(at, register::PREFETCHABLE_WINDOW, Width::U16);
        let high = self.levels.last().is_some_and(|level| level.high) && window & 0xf == 1;
        Ok((bus, last, Some(starts), high))
    }
}

/// The bus behind a bridge, the last one that may be there, the pools' state, and if prefetchable memory above
/// 4 GiB is reached.
type Entered = (u8, u8, Option<[Start; 3]>, bool);
