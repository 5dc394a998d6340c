//! Rows 7 to 11: the registers behind the BARs.

use alloc::{sync::Arc, vec, vec::Vec};

use block::{BlockDevice, SECTOR_SIZE};
use ostd::prelude::ktest;

use super::card::{Card, STRUCTURES, Structure, function, good, kind, register};
use crate::{
    device::blk::{BlkFeatures, VirtioBlk},
    features::Features,
    handshake::{Handshake, InitError, read_config},
    options::Options,
    queue::{Queue, SetupError},
    reset::{ResetError, reset},
    transport::{DeviceStatus, InterruptStatus, Transport, TransportError, pci::PciTransport},
};

/// Data can be written and read.
fn assert_works(driver: &impl BlockDevice) {
    let mut data = [0; SECTOR_SIZE];
    driver.write_block(5, &[0x3c; SECTOR_SIZE]).unwrap();
    driver.read_block(5, &mut data).unwrap();
    assert_eq!(data, [0x3c; SECTOR_SIZE]);
}

fn queue(transport: impl Transport + 'static, index: u16) -> Result<Queue<(), ()>, SetupError> {
    Queue::new(Arc::new(transport), index, Features::empty(), 8)
}

#[ktest]
fn a_disk_works_over_pci() {
    let card = Card::new();
    let driver = card.driver().unwrap();
    assert_works(&*driver);
    let notified = card.take_notified();
    assert!(notified.len() >= 3 && notified.iter().all(|found| *found == (0, 0)), "{notified:?}");
    // With interrupts, of which reading the register takes the cause.
    driver.device().use_interrupts();
    card.interrupt(&driver, InterruptStatus::USED_BUFFER);
    assert!(card.disk.transport.state.lock().interrupt.is_empty());
    assert_works(&*driver);
    // The configuration changes, and has a number for it.
    card.disk.transport.set_config(0, &32u64.to_le_bytes());
    card.interrupt(&driver, InterruptStatus::CONFIGURATION_CHANGE);
    assert_eq!(driver.info().geometry.capacity, 32);
    card.disk.transport.assert_notified();
}

#[ktest]
fn a_queue_is_three_addresses_and_a_place_for_notifications() {
    let card = Card::new();
    let transport = Arc::new(card.open(good(), None).unwrap());
    let before = card.take_notified();
    transport.notify(0);
    assert_eq!((before, card.take_notified()), (vec![], vec![]), "it is not enabled yet");
    let mut queue = Queue::<(), ()>::new(transport.clone(), 0, Features::empty(), 8).unwrap();
    let word = |at| u64::from(card.written(at).unwrap());
    let address = |at| word(at + 4) << 32 | word(at);
    assert_eq!(word(register::QUEUE_SIZE), 8);
    let descriptors = address(register::QUEUE_DESC);
    assert_eq!(descriptors % 4096, 0);
    assert_eq!((address(0x28), address(0x30)), (descriptors + 128, descriptors + 4096));
    assert_eq!(word(register::QUEUE_ENABLE), 1);
    assert!(transport.queue_ready(0));
    transport.notify(0);
    transport.notify(1);
    assert_eq!(card.take_notified(), [(0, 0)]);
    assert!(queue.stop(|_, ()| ()).is_ok());
    queue.release();
}

#[ktest]
fn row_7_notification_multipliers() {
    let place = |multiplier, off| {
        let card = Card::new();
        let transport = Arc::new(card.open(function(&STRUCTURES, multiplier), None).unwrap());
        card.lie(register::QUEUE_NOTIFY_OFF, &[off]);
        let mut queue = Queue::<(), ()>::new(transport.clone(), 0, Features::empty(), 8)?;
        transport.notify(0);
        assert!(queue.stop(|_, ()| ()).is_ok());
        queue.release();
        Ok(card.take_notified())
    };
    // All queues at one place.
    for off in [0, 1, 0xffff] {
        assert_eq!(place(0, off), Ok(vec![(0, 0)]));
    }
    assert_eq!(place(4, 3), Ok(vec![(12, 0)]));
    assert_eq!(place(2, 0x7ff), Ok(vec![(0xffe, 0)]));
    assert_eq!(place(u32::MAX, 0), Ok(vec![(0, 0)]));
    let refused = |offset| {
        let error = TransportError::NotifyOutOfRange { index: 0, offset };
        Err(SetupError::Transport(error))
    };
    assert_eq!(place(u32::MAX, 1), refused(0xffff_ffff));
    assert_eq!(place(u32::MAX, 0xffff), refused(0xffff_ffff * 0xffff));
    assert_eq!(place(0x1000, 1), refused(0x1000));
    // Two bytes cannot be written there.
    assert_eq!(place(1, 1), refused(1));
}

#[ktest]
fn row_8_notifications_out_of_range() {
    let with = |bytes, off| {
        let card = Card::new();
        let short = |found: Structure| match found.kind {
            kind::NOTIFY => Structure { bytes, ..found },
            _ => found,
        };
        let transport = card.open(function(&STRUCTURES.map(short), 4), None).unwrap();
        card.lie(register::QUEUE_NOTIFY_OFF, &[off]);
        let refused = queue(transport, 0).map(|_| ());
        // The device has been given no memory.
        assert_eq!(card.written(register::QUEUE_DESC), None);
        refused
    };
    for (bytes, off, offset) in
        [(2, 1, 4), (5, 1, 4), (0x1000, 0x400, 0x1000), (0x1000, 0xffff, 0x3_fffc)]
    {
        let error = TransportError::NotifyOutOfRange { index: 0, offset };
        assert_eq!(with(bytes, off), Err(SetupError::Transport(error)));
    }
}

#[ktest]
fn row_9_registers_that_change_their_mind() {
    // The place for notifications is read once, so that no other one counts than the one that was checked.
    let card = Card::new();
    let transport = Arc::new(card.open(good(), None).unwrap());
    card.lie(register::QUEUE_NOTIFY_OFF, &[5, 0xffff]);
    let mut queue = Queue::<(), ()>::new(transport.clone(), 0, Features::empty(), 8).unwrap();
    transport.notify(0);
    transport.notify(0);
    assert_eq!(card.take_notified(), [(20, 0), (20, 0)]);
    assert!(queue.stop(|_, ()| ()).is_ok());
    queue.release();

    // So is the number of queues.
    let card = Card::new();
    card.lie(register::NUM_QUEUES, &[1, 0xffff]);
    let transport = card.open(good(), None).unwrap();
    card.lie(register::QUEUE_SIZE, &[64]);
    assert_eq!((transport.queue_size_max(0), transport.queue_size_max(1)), (64, 0));

    // A queue is as large as it was said to be when it was made.
    let card = Card::new();
    card.lie(register::QUEUE_SIZE, &[16, 3, 0, 0xffff]);
    let driver = card.driver().unwrap();
    assert_eq!((driver.info().queue_size, card.written(register::QUEUE_SIZE)), (16, Some(16)));
    assert_works(&*driver);

    // Features that are offered in one word and not in the other.
    let card = Card::new();
    card.lie(register::DEVICE_FEATURE, &[u32::MAX, 0]);
    assert_eq!(card.driver().err(), Some(InitError::NoVersion1));
    let card = Card::new();
    card.lie(register::DEVICE_FEATURE, &[u32::MAX]);
    card.disk.transport.set_config(8, &4096u32.to_le_bytes());
    card.driver().unwrap();
    let known = BlkFeatures::all().bits() | Features::all().bits();
    assert_eq!(card.disk.transport.state.lock().driver_features & !known, 0);

    // The configuration, and its number with it.
    let card = Card::new();
    card.disk.transport.state.lock().unsteady = usize::MAX;
    let transport = card.open(good(), None).unwrap();
    let read = |transport: &dyn Transport| transport.config_u32(0);
    assert_eq!(read_config(&transport, read), Err(InitError::ConfigUnstable));
    assert_eq!(card.driver().err(), Some(InitError::ConfigUnstable));

    // A queue that says to be in use even after a reset.
    let card = Card::new();
    card.lie(register::QUEUE_ENABLE, &[1]);
    assert_eq!(card.driver().err(), Some(InitError::Queue(SetupError::InUse { index: 0 })));
}

#[ktest]
fn row_10_numbers_of_queues() {
    let card = Card::new();
    card.lie(register::NUM_QUEUES, &[0]);
    let none = InitError::Queue(SetupError::NoSuchQueue { index: 0 });
    assert_eq!(card.driver().err(), Some(none));
    // No more than are used by anybody.
    card.lie(register::NUM_QUEUES, &[0xffff]);
    let transport = card.open(good(), None).unwrap();
    card.lie(register::QUEUE_SIZE, &[8]);
    assert_eq!((transport.queue_size_max(1023), transport.queue_size_max(1024)), (8, 0));
    assert_eq!(transport.queue_size_max(u16::MAX), 0);
    transport.notify(u16::MAX);
    assert_eq!(card.take_notified(), []);
    assert_works(&*card.driver().unwrap());
}

#[ktest]
fn row_11_a_function_that_is_gone() {
    let gone = DeviceStatus::from_bits_retain(0xff);
    let card = Card::new();
    let transport = card.open(good(), None).unwrap();
    card.vanish();
    assert_eq!(transport.status(), gone);
    assert_eq!(reset(&transport), Err(ResetError { status: gone }));
    assert_eq!(transport.acknowledge_interrupt(), InterruptStatus::all());
    let error = Handshake::begin(Arc::new(transport)).err().unwrap();
    assert_eq!(error, InitError::Reset(ResetError { status: gone }));
    // While it is in use: no request is left without an answer.
    let card = Card::new();
    let driver = card.driver().unwrap();
    card.disk.transport.on_notify(|| ());
    card.vanish();
    let mut data = [0; SECTOR_SIZE];
    driver.device().use_interrupts();
    driver.device().handle_interrupt();
    assert!(driver.read_block(1, &mut data).is_err());
    // Gone before it was opened: the registers say so, and the walk did not.
    let card = Card::new();
    card.vanish();
    assert!(card.driver().is_err());
}

#[ktest]
fn configuration_is_read_and_written_with_the_field_s_own_width() {
    let card = Card::new();
    card.disk.transport.set_config(0, &[0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
    let transport: PciTransport<_> = card.open(good(), None).unwrap();
    assert_eq!(transport.config_u8(1), Ok(0x22));
    assert_eq!(transport.config_u16(6), Ok(0x8877));
    assert_eq!(transport.config_u32(4), Ok(0x8877_6655));
    transport.set_config_u8(0x21, 0x5a).unwrap();
    assert_eq!(transport.config_u8(0x21), Ok(0x5a));
    for offset in [0x1000, usize::MAX, 1] {
        let error = TransportError::ConfigOutOfRange { offset };
        assert_eq!(transport.config_u32(offset), Err(error));
        assert_eq!(transport.set_config_u32(offset, 0), Err(error));
    }
    let features: Vec<u32> = {
        transport.set_driver_features(0x8000_0001_4000_0002);
        [0x08, 0x0c].map(|at| card.written(at).unwrap()).to_vec()
    };
    assert_eq!(features, [1, 0x8000_0001]);
    assert_eq!(card.disk.transport.state.lock().driver_features, 0x8000_0001_4000_0002);
    let driver: Result<VirtioBlk, _> = VirtioBlk::new(Arc::new(transport), &Options::default());
    drop(driver);
}
