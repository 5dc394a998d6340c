//! GPUs that tell nonsense of themselves and of their outputs.

use alloc::sync::Arc;

use display::{Error, Framebuffer, Mode, Screen};
use ostd::prelude::ktest;

use super::fake::{FakeGpu, GpuFault};
use crate::{
    device::gpu::{
        GpuFeatures,
        tests::{Picture, Rig, ring},
    },
    driver::DeviceError,
    features::Features,
    handshake::InitError,
    options::Options,
    queue::{SetupError, Violation},
    transport::{
        DeviceStatus, InterruptStatus, TransportError,
        Version::{self, Modern},
    },
};

/// The size of an output that tells none.
const FALLBACK: Result<Mode, Error> = Mode::new(1024, 768);

/// A modern device with one output, and no features of its own.
fn fake() -> Arc<FakeGpu> {
    FakeGpu::new(Modern, 0, &[(100, 60)])
}

/// The driver refuses the device for this reason, tells it so, and leaves it no memory.
fn refused(gpu: &FakeGpu, options: &Options, reason: InitError) {
    assert_eq!(gpu.driver(options).err(), Some(reason));
    let state = gpu.transport.state.lock();
    assert!(
        state.status.contains(DeviceStatus::FAILED) && state.queues.iter().all(Option::is_none)
    );
}

/// An EDID of a monitor with a name that prefers this size.
fn edid(name: &[u8; 13], (width, height): (u32, u32)) -> [u8; 128] {
    let mut block = [0; 128];
    block[..8].copy_from_slice(&[0, 255, 255, 255, 255, 255, 255, 0]);
    let high = |side: u32| (side >> 8 << 4) as u8;
    let timing = [1, 1, width as u8, 0, high(width), height as u8, 0, high(height)];
    block[54..62].copy_from_slice(&timing);
    block[75] = 0xfc;
    block[77..90].copy_from_slice(name);
    let sum = block.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    block[127] = sum.wrapping_neg();
    block
}

/// A device with an output that is switched off, whose monitor is told so.
fn with_edid(size: u32, edid: &[u8]) -> Rig {
    let gpu = FakeGpu::new(Modern, GpuFeatures::all().bits(), &[(0, 0)]);
    gpu.set_edid(size, edid);
    let driver = gpu.driver(&Options::default()).unwrap();
    assert_eq!(gpu.take_log(), [0x100, 0x10a]);
    let screen = driver.screens().remove(0);
    Rig { gpu, driver, screen }
}

#[ktest]
fn row_g1_numbers_of_outputs_that_cannot_be() {
    for value in [0u32, 17, u32::MAX] {
        let gpu = fake();
        gpu.transport.set_config(8, &value.to_le_bytes());
        let reason = InitError::BadConfig { field: "num_scanouts", value: value.into() };
        refused(&gpu, &Options::default(), reason);
    }
    let gpu = FakeGpu::new(Modern, 0, &[(8, 8); 16]);
    assert_eq!(gpu.driver(&Options::default()).unwrap().screens().len(), 16);
}

#[ktest]
fn row_g2_configuration_space_that_is_too_short() {
    for bytes in [0, 8, 11] {
        let gpu = fake();
        gpu.transport.state.lock().config.truncate(bytes);
        let reason = InitError::Config(TransportError::ConfigOutOfRange { offset: 8 });
        refused(&gpu, &Options::default(), reason);
    }
}

#[ktest]
fn row_g3_queues_that_there_are_not_or_that_are_too_small() {
    let gpu = fake();
    gpu.transport.state.lock().queues.truncate(1);
    refused(&gpu, &Options::default(), InitError::Queue(SetupError::NoSuchQueue { index: 1 }));
    // A command and its answer are two segments, for which one descriptor does only with a table of its own.
    let gpu = fake();
    gpu.transport.state.lock().queue_size_max = 1;
    let reason = InitError::QueueTooSmall { entries: 1, needed: 2 };
    refused(&gpu, &Options::default(), reason);
    let gpu = FakeGpu::new(Modern, ring().bits(), &[(100, 60)]);
    gpu.transport.state.lock().queue_size_max = 1;
    assert!(gpu.driver(&Options::default()).is_ok());
}

#[ktest]
fn row_g4_features_that_nobody_implements() {
    for version in [Version::Legacy, Modern] {
        let gpu = FakeGpu::new(version, u64::MAX, &[(100, 60)]);
        let _driver = gpu.driver(&Options::default()).unwrap();
        let known = GpuFeatures::all().bits() | Features::all().bits();
        assert_eq!(gpu.transport.state.lock().driver_features & !known, 0);
    }
}

#[ktest]
fn row_g5_outputs_of_no_pixels_or_of_too_many() {
    let max = u32::MAX;
    for size @ (width, height) in
        [(0, 5), (5, 0), (max, max), (max, 1), (1, max), (16_385, 1), (16_384, 1025)]
    {
        let rig = Rig::modern(width, height);
        let refused = Error::BadMode { width, height };
        assert_eq!(rig.screen.mode(), Err(refused));
        assert_eq!(Framebuffer::new(rig.screen.clone()).err(), Some(refused));
        // It is a screen for who knows a size, and once it tells one for everybody.
        rig.show(&Picture::new(100, 60, 1));
        rig.gpu.resize(0, (80, 50));
        assert_eq!(rig.screen.mode(), Mode::new(80, 50));
        rig.gpu.resize(0, size);
        assert_eq!(rig.screen.mode(), Err(refused));
    }
}

#[ktest]
fn row_g6_outputs_that_it_has_not() {
    // It has one, and the answer tells of 16, all of them on.
    let gpu = FakeGpu::new(Modern, ring().bits(), &[(100, 60); 16]);
    gpu.transport.set_config(8, &1u32.to_le_bytes());
    let driver = gpu.driver(&Options::default()).unwrap();
    assert_eq!(driver.screens().len(), 1);
    assert_eq!(driver.screens()[0].mode(), Mode::new(100, 60));
    // And no answer makes another one.
    gpu.resize(0, (10, 10));
    gpu.plan_faults([Some(GpuFault::Garbage(0xff))]);
    assert!(matches!(driver.screens()[0].mode(), Err(Error::BadAnswer { .. })));
    assert_eq!(driver.screens().len(), 1);
}

#[ktest]
fn row_g7_monitors_that_make_no_sense() {
    let sound = edid(b"a monitor\n   ", (640, 480));
    let wrong = |at: usize| {
        let mut edid = sound;
        edid[at] ^= 1;
        edid
    };
    for edid in [[0xff; 128], [0; 128], wrong(0), wrong(56), wrong(127)] {
        let rig = with_edid(128, &edid);
        assert_eq!((&*rig.screen.info().name, rig.screen.mode()), ("", FALLBACK));
        rig.show(&Picture::new(100, 60, 1));
    }
    // Nothing that a terminal would obey gets through to it, and a size without pixels is none.
    let rig = with_edid(128, &edid(b"\x1b[2Jname\0\x7f\xff\n!", (0, 480)));
    assert_eq!((&*rig.screen.info().name, rig.screen.mode()), ("[2Jname", FALLBACK));
    let rig = with_edid(128, &sound);
    assert_eq!((&*rig.screen.info().name, rig.screen.mode()), ("a monitor", Mode::new(640, 480)));
}

#[ktest]
fn row_g8_monitors_with_a_length_that_lies() {
    let sound = edid(b"a monitor\n   ", (640, 480));
    for size in [0, 1, 127, 1025, 0x8000_0080, u32::MAX] {
        let rig = with_edid(size, &sound);
        assert_eq!((&*rig.screen.info().name, rig.screen.mode()), ("", FALLBACK), "{size}");
    }
    for size in [128, 256, 1024] {
        let rig = with_edid(size, &sound);
        assert_eq!(rig.screen.mode(), Mode::new(640, 480), "{size}");
    }
}

#[ktest]
fn row_g9_answers_of_which_only_the_header_is_written() {
    let rig = Rig::modern(100, 60);
    // The memory of the answer holds another one, from before.
    rig.gpu.resize(0, (640, 480));
    assert_eq!(rig.screen.mode(), Mode::new(640, 480));
    rig.gpu.resize(0, (800, 600));
    rig.gpu.plan_faults([Some(GpuFault::HeaderOnly)]);
    assert_eq!(rig.screen.mode(), FALLBACK, "what stood there is told again");
}

#[ktest]
fn row_g10_questions_that_have_no_answer() {
    for fault in [
        GpuFault::Refuse(0x1200),
        GpuFault::Type(0x1100),
        GpuFault::Type(0x1102),
        GpuFault::Written(100),
        GpuFault::FenceOf(1),
        GpuFault::NoAnswer,
        GpuFault::Garbage(0x11),
    ] {
        let gpu = FakeGpu::new(Modern, GpuFeatures::all().bits(), &[(100, 60)]);
        gpu.set_edid(128, &edid(b"a monitor\n   ", (640, 480)));
        gpu.plan_faults([Some(fault), Some(fault)]);
        let driver = gpu.driver(&Options::default()).unwrap();
        let screen = driver.screens().remove(0);
        assert_eq!((&*screen.info().name, screen.mode()), ("", FALLBACK), "{fault:?}");
    }
}

#[ktest]
fn row_g11_new_size_that_is_told_wrongly() {
    for fault in [GpuFault::Refuse(0x1200), GpuFault::Type(0x1100), GpuFault::Written(100)] {
        let rig = Rig::modern(100, 60);
        rig.gpu.resize(0, (640, 480));
        rig.gpu.plan_faults([Some(fault)]);
        let told = rig.screen.mode();
        assert!(
            matches!(
                told,
                Err(Error::Refused { .. } | Error::BadAnswer { .. } | Error::Short { .. })
            ),
            "{told:?}"
        );
        // It says so once only, and is asked until it has answered.
        assert_eq!(rig.screen.mode(), Mode::new(640, 480));
        rig.gpu.take_log();
        assert_eq!(rig.screen.mode(), Mode::new(640, 480));
        assert_eq!(rig.gpu.take_log(), []);
    }
}

#[ktest]
fn row_g12_flood_of_events() {
    let rig = Rig::modern(100, 60);
    rig.gpu.transport.connect(&rig.driver.device());
    rig.gpu.transport.on_config(|_, _| ());
    rig.gpu.resize(0, (640, 480));
    for _ in 0..1000 {
        rig.gpu.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    }
    // Nobody has asked it anything, and whoever wants to know the size asks once.
    assert_eq!(rig.gpu.take_log(), []);
    for _ in 0..10 {
        assert_eq!(rig.screen.mode(), Mode::new(640, 480));
        assert_eq!(rig.gpu.take_log(), [0x100]);
    }
    assert_eq!(rig.gpu.transport.starts(), 1);
}

#[ktest]
fn row_g13_events_that_nobody_knows() {
    let rig = Rig::modern(100, 60);
    rig.gpu.transport.connect(&rig.driver.device());
    for events in [2, 0x8000_0000, !1] {
        rig.gpu.transport.set_config(0, &u32::to_le_bytes(events));
        rig.gpu.transport.interrupt(InterruptStatus::all());
        assert_eq!(rig.screen.mode(), Mode::new(100, 60));
        assert_eq!(rig.gpu.take_log(), []);
        assert_eq!(rig.gpu.transport.state.lock().config[..4], u32::to_le_bytes(events));
    }
    rig.show(&Picture::new(100, 60, 1));
}

#[ktest]
fn row_g14_rule_that_is_broken_at_once() {
    let options = Options { queue_size: 16, ..Options::default() };
    let unknown = Violation::UnknownId { id: 77 };
    let too_long = Violation::LengthTooLong { written: 409, writable: 408 };
    for (fault, reason) in [(GpuFault::Id(77), unknown), (GpuFault::Written(409), too_long)] {
        let gpu = fake();
        gpu.plan_faults([Some(fault)]);
        refused(&gpu, &options, InitError::FirstRequest(DeviceError::Violation(reason)));
    }
}

#[ktest]
fn row_g15_first_question_that_is_never_answered() {
    let gpu = fake();
    gpu.plan_faults([Some(GpuFault::Lose)]);
    let options = Options { timeout_ms: 1, ..Options::default() };
    refused(&gpu, &options, InitError::FirstRequest(DeviceError::TimedOut));
}
