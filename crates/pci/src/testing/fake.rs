//! Configuration space in a table.

use alloc::{sync::Arc, vec::Vec};
use core::ops::RangeInclusive;

use ostd::sync::{LocalIrqDisabled, SpinLock};

use crate::{
    Address, ConfigAccess, Found, HostBridge, Resources, Width, Window, Windows, config::register,
    function::Command,
};

/// A bus with functions on it, as a machine reaches it.
#[derive(Debug)]
pub struct FakeBus {
    first: u8,
    inner: SpinLock<Inner, LocalIrqDisabled>,
}

#[derive(Debug)]
struct Inner {
    functions: Vec<(u8, FakeFunction)>,
    /// Registers read and written so far.
    accesses: usize,
    /// Times that a BAR was written while its function answered to addresses.
    decoding: usize,
    opened: Vec<u8>,
}

/// A function: 256 bytes, and the bits of them that can be written.
#[derive(Clone, Debug)]
pub struct FakeFunction {
    /// The registers.
    pub space: [u8; 256],
    /// The bits of each that writing changes.
    pub writable: [u8; 256],
    /// The functions behind it, by device and function, if it is a bridge.
    pub behind: Option<Vec<(u8, FakeFunction)>>,
    /// The first byte that is free for a capability.
    next_capability: u8,
    /// The offset where the next capability's offset is to be.
    link: u8,
}

impl FakeBus {
    /// A bus with these functions, by device (bits 7 to 3) and function.
    pub fn new(functions: impl IntoIterator<Item = (u8, FakeFunction)>) -> Arc<Self> {
        let functions = functions.into_iter().collect();
        let inner = Inner { functions, accesses: 0, decoding: 0, opened: Vec::new() };
        Arc::new(Self { first: 0, inner: SpinLock::new(inner) })
    }

    /// A bus with one function, at 00:01.0.
    pub fn with(function: FakeFunction) -> Arc<Self> {
        Self::new([(1 << 3, function)])
    }

    /// The windows of QEMU's machine `virt`, those for memory 16 times smaller.
    pub fn windows() -> Windows {
        let window = |bus, cpu, size| Some(Window { bus, cpu, size });
        Windows {
            io: window(0, 0x300_0000, 0x1_0000),
            memory: window(0x4000_0000, 0x4000_0000, 0x400_0000),
            high: window(4 << 32, 5 << 32, 1 << 30),
        }
    }

    /// Finds everything, with these resources and buses.
    pub fn find_as(self: &Arc<Self>, resources: Resources, buses: RangeInclusive<u8>) -> Found {
        HostBridge { access: self.clone(), buses, resources }.find()
    }

    /// Finds everything, and places it in [`Self::windows`].
    pub fn find(self: &Arc<Self>) -> Found {
        self.find_as(Resources::Assign(Self::windows()), 0..=255)
    }

    /// Finds everything, as the firmware has left it.
    pub fn find_as_found(self: &Arc<Self>) -> Found {
        self.find_as(Resources::AsFound, 0..=255)
    }

    /// Registers read and written so far.
    pub fn accesses(&self) -> usize {
        self.inner.lock().accesses
    }

    /// The buses that have been opened, in order.
    pub fn opened(&self) -> Vec<u8> {
        self.inner.lock().opened.clone()
    }

    /// Checks that no BAR was written while its function answered to addresses.
    ///
    /// # Panics
    ///
    /// One was.
    pub fn assert_quiet(&self) {
        assert_eq!(
            self.inner.lock().decoding,
            0,
            "BARs were written under a function that decodes"
        );
    }

    /// Does something with a function's registers, if an access reaches it.
    pub fn with_function<T>(
        &self,
        at: Address,
        action: impl FnOnce(&mut FakeFunction) -> T,
    ) -> Option<T> {
        let mut inner = self.inner.lock();
        route(&mut inner.functions, self.first, at).map(action)
    }
}

/// Passes an access on to the function that answers to it.
fn route(functions: &mut [(u8, FakeFunction)], bus: u8, at: Address) -> Option<&mut FakeFunction> {
    if at.bus() == bus {
        let slot = (at.bits() & 0xff) as u8;
        return functions.iter_mut().find(|(found, _)| *found == slot).map(|(_, found)| found);
    }
    functions.iter_mut().find_map(|(_, function)| {
        let [_, secondary, subordinate, _] = function.word(register::BUSES).to_le_bytes();
        let behind = function.behind.as_mut()?;
        let leads = secondary > bus && (secondary..=subordinate).contains(&at.bus());
        if leads { route(behind, secondary, at) } else { None }
    })
}

impl ConfigAccess for FakeBus {
    fn open_bus(&self, bus: u8) -> Result<(), ostd::Error> {
        self.inner.lock().opened.push(bus);
        Ok(())
    }

    fn read(&self, at: Address, offset: u8, width: Width) -> u32 {
        let mut inner = self.inner.lock();
        inner.accesses += 1;
        let Some(function) = route(&mut inner.functions, self.first, at) else {
            return width.all_ones();
        };
        let bytes = function.bytes(offset, width);
        bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
    }

    fn write(&self, at: Address, offset: u8, width: Width, value: u32) {
        let mut inner = self.inner.lock();
        inner.accesses += 1;
        let Some(function) = route(&mut inner.functions, self.first, at) else { return };
        let command = Command::from_bits_retain(function.word(register::COMMAND) as u16);
        let bars = match function.behind {
            None => register::BAR..register::BAR + 24,
            Some(_) => register::BAR..register::BAR + 8,
        };
        let decodes = command.intersects(Command::IO | Command::MEMORY);
        let start = usize::from(offset);
        for (place, new) in (start..start + bytes_of(width)).zip(value.to_le_bytes()) {
            let mask = function.writable[place];
            function.space[place] = function.space[place] & !mask | new & mask;
        }
        inner.decoding += usize::from(decodes && bars.contains(&offset));
    }
}

fn bytes_of(width: Width) -> usize {
    match width {
        Width::U8 => 1,
        Width::U16 => 2,
        Width::U32 => 4,
    }
}

impl FakeFunction {
    /// A function of this vendor and device without anything, which has pin 1.
    pub fn new(vendor: u16, device: u16) -> Self {
        let mut function = Self {
            space: [0; 256],
            writable: [0; 256],
            behind: None,
            next_capability: 0x40,
            link: register::CAPABILITIES,
        };
        function.set(register::VENDOR_ID, &vendor.to_le_bytes());
        function.set(register::DEVICE_ID, &device.to_le_bytes());
        function.set(register::REVISION, &[1, 0, 0, 0xff]);
        function.set(register::INTERRUPT_PIN, &[1]);
        // The decode bits, bus master and the pin's switch.
        function.writable[usize::from(register::COMMAND)] = 0b111;
        function.writable[usize::from(register::COMMAND) + 1] = 0b100;
        function
    }

    /// A bridge to these functions.
    pub fn bridge(behind: impl IntoIterator<Item = (u8, FakeFunction)>) -> Self {
        let mut bridge = Self::new(0x1b36, 0x000c);
        bridge.set(register::REVISION, &[0, 0, 4, 6]);
        bridge.set(register::HEADER_TYPE, &[1]);
        bridge.behind = Some(behind.into_iter().collect());
        bridge.make_writable(register::BUSES, &[0xff; 4]);
        bridge.make_writable(register::IO_WINDOW, &[0xf0, 0xf0]);
        bridge.set(register::IO_WINDOW, &[1, 1]);
        bridge.make_writable(register::MEMORY_WINDOW, &[0xf0, 0xff, 0xf0, 0xff]);
        bridge.make_writable(register::PREFETCHABLE_WINDOW, &[0xf0, 0xff, 0xf0, 0xff]);
        bridge.set(register::PREFETCHABLE_WINDOW, &[1, 0, 1, 0]);
        bridge.make_writable(register::PREFETCHABLE_BASE_HIGH, &[0xff; 8]);
        bridge.make_writable(register::IO_WINDOW_HIGH, &[0xff; 4]);
        bridge
    }

    /// Which the firmware has given these buses.
    pub fn buses(mut self, primary: u8, secondary: u8, subordinate: u8) -> Self {
        self.set(register::BUSES, &[primary, secondary, subordinate]);
        self
    }

    /// With other functions in the same device.
    pub fn multifunction(mut self) -> Self {
        self.space[usize::from(register::HEADER_TYPE)] |= 0x80;
        self
    }

    /// With a memory BAR of 32 bits and this size.
    pub fn bar(self, index: u8, size: u32) -> Self {
        self.raw_bar(index, !(size - 1), 0)
    }

    /// With a memory BAR of 64 bits that is prefetchable.
    pub fn wide_bar(self, index: u8, size: u64) -> Self {
        let mask = !(size - 1);
        self.raw_bar(index, mask as u32, 0b1100).raw_bar(index + 1, (mask >> 32) as u32, 0)
    }

    /// With an I/O BAR.
    pub fn io_bar(self, index: u8, size: u32) -> Self {
        self.raw_bar(index, !(size - 1), 1)
    }

    /// With a BAR in which these bits can be written and the others are fixed.
    pub fn raw_bar(mut self, index: u8, writable: u32, fixed: u32) -> Self {
        let offset = register::BAR + 4 * index;
        self.make_writable(offset, &(writable & !fixed).to_le_bytes());
        self.set(offset, &fixed.to_le_bytes());
        self
    }

    /// With an address in a BAR, as firmware leaves it.
    pub fn at(mut self, index: u8, address: u32) -> Self {
        let offset = register::BAR + 4 * index;
        let value = self.word(offset) | address;
        self.set(offset, &value.to_le_bytes());
        self
    }

    /// With another capability at the end of the list: its number, and what is behind the next one's offset.
    pub fn capability(mut self, id: u8, content: &[u8]) -> Self {
        let offset = self.next_capability;
        self.set(register::STATUS, &[1 << 4]);
        self.set(self.link, &[offset]);
        self.set(offset, &[id, 0]);
        self.set(offset + 2, content);
        self.link = offset + 1;
        let length = (2 + content.len()).next_multiple_of(4) as u8;
        self.next_capability = offset.saturating_add(length).min(0xfc);
        self
    }

    /// Sets registers.
    pub fn set(&mut self, offset: u8, bytes: &[u8]) {
        let start = usize::from(offset);
        self.space[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// Lets these bits be written.
    pub fn make_writable(&mut self, offset: u8, bits: &[u8]) {
        let start = usize::from(offset);
        self.writable[start..start + bits.len()].copy_from_slice(bits);
    }

    /// Four bytes of the registers.
    pub fn word(&self, offset: u8) -> u32 {
        let bytes = self.bytes(offset, Width::U32);
        bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
    }

    fn bytes(&self, offset: u8, width: Width) -> &[u8] {
        &self.space[usize::from(offset)..][..bytes_of(width)]
    }
}
