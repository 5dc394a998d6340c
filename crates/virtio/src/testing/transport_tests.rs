//! Unit tests of the MMIO transport, the handshake and the configuration reads.

use alloc::{boxed::Box, sync::Arc, vec, vec::Vec};

use ostd::{
    mm::{HasSize, PodOnce, VmIoOnce},
    prelude::ktest,
    sync::SpinLock,
};

use super::fake::FakeTransport;
use crate::{
    features::Features,
    handshake::{Handshake, InitError, read_config},
    queue::Queue,
    reset::{ResetError, reset},
    transport::{
        DeviceStatus, InterruptStatus, Transport, TransportError, Version,
        mmio::{MmioTransport, Registers, SlotError},
        sealed::Sealed,
    },
};

/// A table of registers that follows a script and remembers every access.
#[derive(Clone, Debug)]
struct Script(Arc<SpinLock<Inner>>);

#[derive(Debug)]
struct Inner {
    bytes: usize,
    /// Registers with the values that they read as; those not listed read as 0.
    values: Vec<(usize, u32)>,
    /// (offset, value written); reads are not listed.
    writes: Vec<(usize, u32)>,
}

impl Script {
    fn new(values: &[(usize, u32)]) -> Self {
        Self::with_size(0x200, values)
    }

    fn with_size(bytes: usize, values: &[(usize, u32)]) -> Self {
        let slot = [(0x000, 0x7472_6976), (0x004, 2), (0x008, 2)];
        let values = values.iter().copied().chain(slot).collect();
        Self(Arc::new(SpinLock::new(Inner { bytes, values, writes: Vec::new() })))
    }

    fn writes(&self) -> Vec<(usize, u32)> {
        core::mem::take(&mut self.0.lock().writes)
    }

    fn transport(&self) -> MmioTransport<Self> {
        MmioTransport::new(self.clone()).unwrap()
    }
}

impl Sealed for Script {}
impl Registers for Script {}

impl HasSize for Script {
    fn size(&self) -> usize {
        self.0.lock().bytes
    }
}

impl VmIoOnce for Script {
    fn read_once<T: PodOnce>(&self, offset: usize) -> Result<T, ostd::Error> {
        let inner = self.0.lock();
        if offset + size_of::<T>() > inner.bytes {
            return Err(ostd::Error::InvalidArgs);
        }
        let found = inner.values.iter().find(|(register, _)| *register == offset & !3);
        let word = found.map_or(0, |(_, value)| *value).to_le_bytes();
        Ok(T::from_bytes(&word[offset % 4..][..size_of::<T>()]))
    }

    fn write_once<T: PodOnce>(&self, offset: usize, value: &T) -> Result<(), ostd::Error> {
        let mut word = [0; 4];
        word[..size_of::<T>()].copy_from_slice(value.as_bytes());
        let mut inner = self.0.lock();
        if offset + size_of::<T>() > inner.bytes {
            return Err(ostd::Error::InvalidArgs);
        }
        inner.writes.push((offset, u32::from_le_bytes(word)));
        Ok(())
    }
}

#[ktest]
fn slots_are_told_apart() {
    let open = |values: &[(usize, u32)]| MmioTransport::new(Script::new(values)).map(|_| ());
    assert_eq!(open(&[]), Ok(()));
    assert_eq!(open(&[(8, 0)]), Err(SlotError::Empty));
    assert_eq!(open(&[(0, 0x1234)]), Err(SlotError::BadMagic { found: 0x1234 }));
    assert_eq!(open(&[(4, 0)]), Err(SlotError::BadVersion { found: 0 }));
    assert_eq!(open(&[(4, 3)]), Err(SlotError::BadVersion { found: 3 }));
    let small = MmioTransport::new(Script::with_size(0xff, &[]));
    assert_eq!(small.err(), Some(SlotError::TooSmall { bytes: 0xff }));
}

#[ktest]
fn features_are_read_in_two_words_where_there_are_two() {
    let script = Script::new(&[(0x010, 0x8000_0001)]);
    assert_eq!(script.transport().device_features(), 0x8000_0001_8000_0001);
    assert_eq!(script.writes(), [(0x014, 0), (0x014, 1)]);
    script.transport().set_driver_features(0x0000_0001_2000_0000);
    assert_eq!(script.writes(), [(0x024, 0), (0x020, 0x2000_0000), (0x024, 1), (0x020, 1)]);

    let legacy = Script::new(&[(4, 1), (0x010, 0x8000_0001)]);
    assert_eq!(legacy.transport().device_features(), 0x8000_0001);
    legacy.transport().set_driver_features(0x2000_0000);
    assert_eq!(legacy.writes(), [(0x014, 0), (0x024, 0), (0x020, 0x2000_0000)]);
}

/// The register writes that set up queue 0 with at most 8 entries.
fn queue_setup(version: u32) -> (Vec<(usize, u32)>, Queue<(), ()>) {
    let script = Script::new(&[(4, version), (0x034, 64)]);
    let transport = Arc::new(script.transport());
    let queue = Queue::new(transport, 0, Features::empty(), 8).unwrap();
    // The device takes the reset at once, so that nothing is leaked: its status reads as 0.
    (script.writes(), queue)
}

#[ktest]
fn a_queue_knows_its_number() {
    for index in [0, 1, 7] {
        let script = Script::new(&[(4, 2), (0x034, 64)]);
        let transport = Arc::new(script.transport());
        let queue = Queue::<(), ()>::new(transport, index, Features::empty(), 8).unwrap();
        assert_eq!(queue.index(), index);
        assert!(script.writes().contains(&(0x030, index.into())));
    }
}

#[ktest]
fn a_modern_queue_is_three_addresses_and_ready() {
    let (writes, mut queue) = queue_setup(2);
    let value = |offset| writes.iter().rev().find(|(at, _)| *at == offset).unwrap().1;
    assert_eq!((value(0x030), value(0x038)), (0, 8));
    let address = |low| u64::from(value(low + 4)) << 32 | u64::from(value(low));
    let descriptors = address(0x080);
    assert_eq!(descriptors % 4096, 0);
    assert_eq!(address(0x090), descriptors + 128);
    assert_eq!(address(0x0a0), descriptors + 4096);
    assert_eq!(*writes.last().unwrap(), (0x044, 1));
    assert!(queue.stop(|_, ()| ()).is_ok());
    queue.release();
}

#[ktest]
fn a_legacy_queue_is_a_page_number() {
    let (writes, mut queue) = queue_setup(1);
    let tail = &writes[writes.len() - 5..];
    assert_eq!(tail[..4], [(0x030, 0), (0x038, 8), (0x028, 4096), (0x03c, 4096)]);
    let (register, page) = tail[4];
    assert_eq!(register, 0x040);
    // RAM starts at 2 GiB on this machine.
    assert!(page >= 0x8000_0000u32 / 4096);
    assert!(queue.stop(|_, ()| ()).is_ok());
    queue.release();
}

#[ktest]
fn queue_state_is_read_from_the_right_register() {
    for (version, register) in [(1, 0x040), (2, 0x044)] {
        let script = Script::new(&[(4, version), (0x034, 64), (register, 1)]);
        assert!(script.transport().queue_ready(0));
        assert_eq!(script.transport().queue_size_max(3), 64);
        assert_eq!(script.writes(), [(0x030, 0), (0x030, 3)]);
        assert!(!Script::new(&[(4, version)]).transport().queue_ready(0));
    }
}

#[ktest]
fn configuration_is_read_with_the_field_s_own_width() {
    let script = Script::new(&[(0x100, 0x4433_2211), (0x104, 0x8877_6655)]);
    let transport = script.transport();
    assert_eq!(transport.config_u8(1), Ok(0x22));
    assert_eq!(transport.config_u16(6), Ok(0x8877));
    assert_eq!(transport.config_u32(4), Ok(0x8877_6655));
    assert_eq!(
        (transport.set_config_u8(0x21, 0x77), script.writes()),
        (Ok(()), vec![(0x121, 0x77)])
    );
    assert_eq!(
        (transport.set_config_u32(0x24, 0x4433_2211), script.writes()),
        (Ok(()), vec![(0x124, 0x4433_2211)])
    );
    for offset in [0x100, usize::MAX] {
        let error = TransportError::ConfigOutOfRange { offset };
        assert_eq!(transport.config_u32(offset), Err(error));
        assert_eq!((transport.set_config_u8(offset, 0), script.writes()), (Err(error), vec![]));
        assert_eq!((transport.set_config_u32(offset, 0), script.writes()), (Err(error), vec![]));
    }
}

#[ktest]
fn notification_interrupt_and_status_have_their_registers() {
    let script = Script::new(&[(0x060, 0xff), (0x070, 0x4f), (0x0fc, 7), (0x00c, 0x554d_4551)]);
    let transport = script.transport();
    assert_eq!(transport.status().bits(), 0x4f);
    assert_eq!(transport.config_generation(), Some(7));
    assert_eq!(transport.vendor_id(), 0x554d_4551);
    transport.notify(1);
    // All causes that were read are acknowledged, those without a name too.
    assert_eq!(transport.acknowledge_interrupt(), InterruptStatus::all());
    transport.set_status(DeviceStatus::FAILED);
    assert_eq!(script.writes(), [(0x050, 1), (0x064, 0xff), (0x070, 128)]);
    assert_eq!(Script::new(&[(4, 1)]).transport().config_generation(), None);
}

#[ktest]
fn a_reset_waits_for_the_status_and_not_for_ever() {
    let done = Script::new(&[]);
    assert_eq!(reset(&done.transport()), Ok(()));
    assert_eq!(done.writes(), [(0x070, 0)]);
    let stuck = Script::new(&[(0x070, 4)]);
    let error = Err(ResetError { status: DeviceStatus::DRIVER_OK });
    assert_eq!(reset(&stuck.transport()), error);
    // A bit without a name is not 0 either.
    assert!(reset(&Script::new(&[(0x070, 0x100)]).transport()).is_err());
}

fn status_log(transport: &FakeTransport) -> Vec<u32> {
    transport.state.lock().status_log.iter().map(DeviceStatus::bits).collect()
}

#[ktest]
fn the_handshake_goes_step_by_step() {
    let modern = FakeTransport::new(Version::Modern, 0b110);
    let mut handshake = Handshake::begin(modern.clone()).unwrap();
    assert_eq!(handshake.negotiate(0b010).unwrap(), 0b010 | 1 << 32);
    handshake.finish();
    assert_eq!(status_log(&modern), [0, 1, 3, 11, 15]);
    assert_eq!(modern.state.lock().driver_features, 0b010 | 1 << 32);

    let legacy = FakeTransport::new(Version::Legacy, 0b110);
    let mut handshake = Handshake::begin(legacy.clone()).unwrap();
    // A legacy device is never told of VERSION_1, whatever it offers.
    legacy.state.lock().offered |= 1 << 32;
    assert_eq!(handshake.negotiate(u64::MAX).unwrap(), 0b110);
    handshake.finish();
    assert_eq!(status_log(&legacy), [0, 1, 3, 7]);
}

#[ktest]
fn a_handshake_that_stops_says_failed() {
    let refusing = FakeTransport::new(Version::Modern, 0b1);
    refusing.state.lock().refuses_features = true;
    let mut handshake = Handshake::begin(refusing.clone()).unwrap();
    let features = 1 | 1 << 32;
    assert_eq!(handshake.negotiate(1), Err(InitError::FeaturesRefused { features }));
    drop(handshake);
    assert_eq!(status_log(&refusing), [0, 1, 3, 11, 11 | 128]);

    let old = FakeTransport::new(Version::Modern, 0);
    old.state.lock().offered = 0;
    let mut handshake = Handshake::begin(old.clone()).unwrap();
    assert_eq!(handshake.negotiate(0), Err(InitError::NoVersion1));
    drop(handshake);
    assert_eq!(status_log(&old), [0, 1, 3, 3 | 128]);

    let stuck = FakeTransport::new(Version::Modern, 0);
    {
        let mut state = stuck.state.lock();
        state.status = DeviceStatus::DRIVER_OK;
        state.ignores_reset = true;
    }
    let error = Handshake::begin(stuck.clone()).err().unwrap();
    assert_eq!(error, InitError::Reset(ResetError { status: DeviceStatus::DRIVER_OK }));
    assert_eq!(status_log(&stuck), [0, 128]);
}

#[ktest]
fn configuration_reads_wait_until_it_holds_still() {
    let transport = FakeTransport::new(Version::Modern, 0);
    transport.set_config(0, &[1, 0, 0, 0]);
    transport.state.lock().unsteady = 5;
    assert_eq!(read_config(&*transport, |transport| transport.config_u32(0)), Ok(1));
    assert_eq!(transport.state.lock().unsteady, 0);
    transport.state.lock().unsteady = usize::MAX;
    let error = Err(InitError::ConfigUnstable);
    assert_eq!(read_config(&*transport, |transport| transport.config_u32(0)), error);
    let short = read_config(&*transport, |transport| transport.config_u32(64));
    assert_eq!(short, Err(InitError::Config(TransportError::ConfigOutOfRange { offset: 64 })));
}

#[ktest]
fn a_legacy_configuration_is_read_until_it_agrees_with_itself() {
    let transport = FakeTransport::new(Version::Legacy, 0);
    let reads: SpinLock<_> = SpinLock::new(vec![3u32, 3, 2, 1]);
    let next = Box::new(|_: &dyn Transport| Ok(reads.lock().pop().unwrap()));
    assert_eq!(read_config(&*transport, next), Ok(3));
    let count: SpinLock<_> = SpinLock::new(0u32);
    let never = |_: &dyn Transport| {
        *count.lock() += 1;
        Ok(*count.lock())
    };
    assert_eq!(read_config(&*transport, never), Err(InitError::ConfigUnstable));
}
