//! One function: identity, capabilities, messages, and its command register.

use alloc::{vec, vec::Vec};

use ostd::prelude::ktest;

use super::{FakeBus, FakeFunction};
use crate::{
    Address, BarFault, Capability, CapabilityFault, Function, Message, MsixFault, MsixTable,
    Resources, config::register, id,
};

/// The only function that is found.
fn only(function: FakeFunction) -> (alloc::sync::Arc<FakeBus>, Function) {
    let bus = FakeBus::with(function);
    let mut found = bus.find();
    assert_eq!(found.functions.len(), 1);
    (bus, found.functions.remove(0))
}

fn plain() -> FakeFunction {
    FakeFunction::new(0x1af4, 0x1042)
}

#[ktest]
fn a_function_says_what_it_is() {
    let mut function = plain();
    function.set(register::REVISION, &[7, 1, 2, 3]);
    function.set(register::SUBSYSTEM_VENDOR_ID, &[0x34, 0x12, 0x78, 0x56]);
    let (_, function) = only(function);
    let identity = function.identity();
    assert_eq!((identity.vendor, identity.device), (0x1af4, 0x1042));
    assert_eq!((identity.class, identity.revision), (0x03_0201, 7));
    assert_eq!((identity.subsystem_vendor, identity.subsystem), (0x1234, 0x5678));
    assert_eq!(function.address(), Address::new(0, 1, 0).unwrap());
    let word = function.read_u32(register::SUBSYSTEM_VENDOR_ID);
    assert_eq!((word, function.read_u8(register::REVISION)), (0x5678_1234, 7));
}

#[ktest]
fn a_function_does_what_its_driver_lets_it_do() {
    let mut started = plain().bar(0, 0x1000);
    // As firmware may have left it.
    started.set(register::COMMAND, &[0b111, 0]);
    let (bus, function) = only(started.clone());
    let command = |bus: &FakeBus| {
        bus.with_function(Address::new(0, 1, 0).unwrap(), |found| found.word(register::COMMAND))
            .unwrap()
            & 0xffff
    };
    const NO_PIN: u32 = 1 << 10;
    assert_eq!(command(&bus), NO_PIN);
    function.set_memory(true);
    assert_eq!(command(&bus), NO_PIN | 0b10);
    function.set_bus_master(true);
    function.set_pin(true);
    assert_eq!(command(&bus), 0b110);
    function.set_memory(false);
    function.set_bus_master(false);
    function.set_pin(false);
    assert_eq!(command(&bus), NO_PIN);
    bus.assert_quiet();

    // What the firmware has placed goes on answering, and moves no data.
    let bus = FakeBus::with(started.clone().at(0, 0x8000_0000));
    assert_eq!(bus.find_as(Resources::AsFound, 0..=0).functions.len(), 1);
    assert_eq!(command(&bus), NO_PIN | 0b11);
    bus.assert_quiet();

    // A host bridge is left as it is.
    let mut host = started;
    host.set(register::REVISION, &[0, 0, 0, 6]);
    let (bus, host) = only(host);
    assert_eq!(command(&bus), 0b111);
    assert_eq!(host.bar(0), Err(BarFault::Absent));
}

#[ktest]
fn capabilities_are_listed_in_their_order() {
    let (_, none) = only(plain());
    assert_eq!(none.capabilities(), Ok(vec![]));
    let (_, three) =
        only(plain().capability(9, &[1; 14]).capability(0x11, &[0; 10]).capability(5, &[]));
    let found = three.capabilities().unwrap();
    let expected = [(9, 0x40), (0x11, 0x50), (5, 0x5c)];
    assert_eq!(found, expected.map(|(id, offset)| Capability { id, offset }));
    // Without the status bit there is no list.
    let mut hidden = plain().capability(9, &[]);
    hidden.set(register::STATUS, &[0]);
    assert_eq!(only(hidden).1.capabilities(), Ok(vec![]));
}

#[ktest]
fn row_1_capabilities_in_a_circle() {
    for (links, end) in
        [(&[(0x40u8, 0x40u8)][..], 0x40), (&[(0x40, 0x80), (0x80, 0xfc), (0xfc, 0x80)], 0x80)]
    {
        let mut function = plain().capability(9, &[]);
        for (from, to) in links {
            function.set(*from, &[9, *to]);
        }
        let (bus, function) = only(function);
        let before = bus.accesses();
        assert_eq!(function.capabilities(), Err(CapabilityFault::Loop { offset: end }));
        assert!(bus.accesses() - before < 10, "no offset is visited twice");
    }
    // The longest list that is none.
    let mut long = plain().capability(9, &[]);
    (0x40..0xfc).step_by(4).for_each(|offset: u8| long.set(offset, &[9, offset + 4]));
    long.set(0xfc, &[9, 0]);
    assert_eq!(only(long).1.capabilities().map(|list| list.len()), Ok(48));
}

#[ktest]
fn row_2_capabilities_where_none_can_be() {
    for offset in [1, 4, 0x3c, 0x3f] {
        let mut function = plain().capability(9, &[]);
        function.set(register::CAPABILITIES, &[offset]);
        assert_eq!(only(function).1.capabilities(), Err(CapabilityFault::InHeader { offset }));
    }
    for offset in [0x41, 0x42, 0xff] {
        let mut function = plain().capability(9, &[]);
        function.set(0x40, &[9, offset]);
        assert_eq!(only(function).1.capabilities(), Err(CapabilityFault::Unaligned { offset }));
    }
}

/// A capability of messages: entries less one, the table's place and BAR.
fn msix(size: u16, table: u32) -> FakeFunction {
    let mut content = Vec::from(size.to_le_bytes());
    content.extend(table.to_le_bytes());
    content.extend([0; 4]);
    plain().bar(1, 0x1000).io_bar(2, 0x100).capability(id::MSI_X, &content)
}

#[ktest]
fn messages_are_switched_on_and_off() {
    let mut function = msix(2, 0x801);
    function.make_writable(0x43, &[0xc0]);
    let (bus, function) = only(function);
    let messages = function.msix().unwrap().unwrap();
    assert_eq!((messages.entries, messages.bar, messages.table.clone()), (3, 1, 0x800..0x830));
    let control = || bus.with_function(function.address(), |found| found.space[0x43]).unwrap();
    messages.enable(&function);
    assert_eq!(control(), 0x80);
    messages.disable(&function);
    assert_eq!(control(), 0x40);
    assert_eq!(only(plain()).1.msix(), Ok(None));
}

#[ktest]
fn a_message_is_written_before_it_is_let_go() {
    use ostd::mm::{PodOnce, VmIoOnce};

    /// The place of a write, and the bytes.
    type Write = (usize, Vec<u8>);

    /// Logs what is written.
    #[derive(Clone)]
    struct Table(alloc::sync::Arc<ostd::sync::SpinLock<Vec<Write>>>);

    impl VmIoOnce for Table {
        fn read_once<T: PodOnce>(&self, _: usize) -> Result<T, ostd::Error> {
            Err(ostd::Error::AccessDenied)
        }

        fn write_once<T: PodOnce>(&self, offset: usize, value: &T) -> Result<(), ostd::Error> {
            self.0.lock().push((offset, value.as_bytes().to_vec()));
            Ok(())
        }
    }

    let (_, function) = only(msix(1, 1));
    let log = Table(alloc::sync::Arc::new(ostd::sync::SpinLock::new(Vec::new())));
    let table = MsixTable::new(&function.msix().unwrap().unwrap(), log.clone()).unwrap();
    let word = |value: u32| value.to_le_bytes().to_vec();
    // All are masked at first.
    assert_eq!(core::mem::take(&mut *log.0.lock()), [(12, word(1)), (28, word(1))]);
    table.set(1, Message { address: 0x1_fee0_0000, data: 0x41 }).unwrap();
    assert_eq!(
        *log.0.lock(),
        [(28, word(1)), (16, word(0xfee0_0000)), (20, word(1)), (24, word(0x41)), (28, word(0))]
    );
    let message = Message { address: 0, data: 0 };
    assert_eq!(table.set(2, message), Err(ostd::Error::InvalidArgs));
}

#[ktest]
fn row_14_tables_of_messages_outside_of_their_bar() {
    let fault = |function| only(function).1.msix().unwrap_err();
    let outside = |bar, start, length| MsixFault::Outside { bar, start, length };
    // All of the BAR, and a little more.
    assert!(only(msix(0xff, 1)).1.msix().is_ok());
    assert_eq!(fault(msix(0xff, 9)), outside(1, 8, 0x1000));
    assert_eq!(fault(msix(0x100, 1)), outside(1, 0, 0x1010));
    assert_eq!(fault(msix(0, 0xffff_fff9)), outside(1, 0xffff_fff8, 0x10));
    // The control register's other bits are no entries.
    assert_eq!(fault(msix(0xffff, 1)), outside(1, 0, 0x8000));
    // In ports, and in no BAR.
    assert_eq!(fault(msix(0, 2)), outside(2, 0, 0x10));
    for bar in [0, 3, 6, 7] {
        assert_eq!(fault(msix(0, bar)), MsixFault::Bar { bar: bar as u8, fault: BarFault::Absent });
    }
    let mut short = plain().capability(9, &[]);
    short.set(0x40, &[9, 0xf8]);
    short.set(0xf8, &[id::MSI_X, 0]);
    assert_eq!(fault(short), MsixFault::TooShort { offset: 0xf8 });
    let mut circle = plain().capability(9, &[]);
    circle.set(0x40, &[9, 0x40]);
    assert_eq!(fault(circle), MsixFault::List(CapabilityFault::Loop { offset: 0x40 }));
}
