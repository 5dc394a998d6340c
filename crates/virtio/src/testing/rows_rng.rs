//! The entropy device against devices that break the rules: rows 6, 7, 12, 25 and 26 for a second kind.

use alloc::{sync::Arc, vec, vec::Vec};

use ostd::{
    prelude::ktest,
    sync::{LocalIrqDisabled, SpinLock},
};

use super::fake::{DeviceChain, FakeTransport};
use crate::{
    device::{
        VirtioDevice,
        rng::{RngError, VirtioRng},
    },
    driver::DeviceError,
    features::Features,
    options::Options,
    queue::Violation,
    recovery::MAX_RESTARTS,
    transport::{
        DeviceStatus, InterruptStatus,
        Version::{self, Legacy, Modern},
    },
};

/// One answer of the device.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// So many bytes, counted on from those before.
    Bytes(usize),
    /// It says to have written this many bytes, and writes none.
    Claims(u32),
    /// It keeps the command.
    Lost,
    /// It returns what it does not have.
    Id(u32),
}

struct Rig {
    transport: Arc<FakeTransport>,
    rng: VirtioRng,
    answers: Arc<SpinLock<Vec<Answer>, LocalIrqDisabled>>,
}

impl Rig {
    /// An entropy device that gives these answers, and then whole ones.
    fn new(version: Version, ring: Features, interrupts: bool, timeout_ms: u64) -> Self {
        let transport = FakeTransport::new(version, ring.bits());
        let options = Options { queue_size: 8, timeout_ms, ..Options::default() };
        let rng = VirtioRng::new(transport.clone(), &options).unwrap();
        let answers = Arc::new(SpinLock::new(Vec::new()));
        let (device, script) = (Arc::downgrade(&transport), answers.clone());
        let next = SpinLock::<u8, LocalIrqDisabled>::new(0);
        transport.on_notify(move || {
            let Some(device) = device.upgrade() else { return };
            while let Some(chain) = device.try_with_queue(|queue| queue.take()).flatten() {
                let answer = {
                    let mut script = script.lock();
                    if script.is_empty() { Answer::Bytes(usize::MAX) } else { script.remove(0) }
                };
                execute(&device, chain, answer, &mut next.lock());
            }
            if device.try_with_queue(|queue| queue.should_interrupt()) == Some(true) {
                device.interrupt(InterruptStatus::USED_BUFFER);
            }
        });
        if interrupts {
            let line: Arc<dyn VirtioDevice> = rng.device();
            transport.connect(&line);
        }
        Self { transport, rng, answers }
    }

    fn modern() -> Self {
        Self::new(Modern, Features::all() - Features::VERSION_1, false, 30_000)
    }

    fn plan(&self, answers: &[Answer]) {
        self.answers.lock().extend(answers);
    }

    fn read(&self, bytes: usize) -> Result<Vec<u8>, RngError> {
        let mut out = vec![0xee; bytes];
        self.rng.fill(&mut out).map(|()| out)
    }

    fn starts(&self) -> usize {
        self.transport.starts()
    }
}

fn execute(device: &FakeTransport, chain: DeviceChain, answer: Answer, next: &mut u8) {
    assert_eq!((chain.readable_length(), chain.buffers.len()), (0, 1), "a command is one buffer");
    let room = chain.writable_length() as usize;
    let (id, written) = match answer {
        Answer::Bytes(count) => {
            let bytes: Vec<_> =
                (0..count.min(room)).map(|_| core::mem::replace(next, *next + 1)).collect();
            chain.write(0, &bytes);
            (chain.head.into(), bytes.len() as u32)
        }
        Answer::Claims(written) => (chain.head.into(), written),
        Answer::Id(id) => (id, 0),
        Answer::Lost => return,
    };
    device.try_with_queue(|queue| {
        queue.write_used(queue.next_used, id, written);
        queue.next_used = queue.next_used.wrapping_add(1);
        queue.write_used_index(queue.next_used);
    });
}

#[ktest]
fn random_bytes_come_as_the_device_gives_them() {
    for version in [Legacy, Modern] {
        for ring in [Features::empty(), Features::all() - Features::VERSION_1] {
            for interrupts in [false, true] {
                let rig = Rig::new(version, ring, interrupts, 30_000);
                let expected: Vec<_> = (0..64).collect();
                assert_eq!(rig.read(64).unwrap(), expected);
                assert_eq!(rig.read(3).unwrap(), [64, 65, 66]);
                assert_eq!(rig.read(0).unwrap(), []);
                rig.transport.assert_notified();
            }
        }
    }
}

#[ktest]
fn few_bytes_at_a_time_are_put_together() {
    let rig = Rig::modern();
    rig.plan(&[Answer::Bytes(1), Answer::Bytes(3), Answer::Bytes(63)]);
    assert_eq!(rig.read(70).unwrap(), (0..70).collect::<Vec<u8>>());
}

#[ktest]
fn row_06_more_bytes_than_there_was_room_for() {
    let rig = Rig::modern();
    for written in [65, u32::MAX] {
        let before = rig.starts();
        rig.plan(&[Answer::Claims(written)]);
        let violation = Violation::LengthTooLong { written, writable: 64 };
        assert_eq!(rig.read(8), Err(RngError::Device(DeviceError::Violation(violation))));
        assert_eq!(rig.starts(), before + 1);
        assert!(rig.read(8).is_ok());
    }
}

#[ktest]
fn row_07_no_bytes_are_an_error_and_no_loop() {
    let rig = Rig::modern();
    rig.plan(&[Answer::Claims(0)]);
    assert_eq!(rig.read(8), Err(RngError::Nothing));
    rig.plan(&[Answer::Bytes(5), Answer::Claims(0)]);
    assert_eq!(rig.read(8), Err(RngError::Nothing));
    assert_eq!((rig.starts(), rig.read(2).is_ok()), (1, true));
}

#[ktest]
fn bytes_that_were_not_written_are_not_those_of_another_command() {
    let rig = Rig::modern();
    // All commands use the same chain, as each is back before the next.
    assert_eq!(rig.read(64).unwrap()[..4], [0, 1, 2, 3]);
    rig.plan(&[Answer::Claims(64)]);
    assert_eq!(rig.read(64).unwrap(), [0; 64]);
}

#[ktest]
fn row_12_a_command_that_is_never_answered() {
    for interrupts in [false, true] {
        let rig = Rig::new(Modern, Features::empty(), interrupts, 60);
        if interrupts {
            // The timer's part, which finds the deadline for a task that sleeps.
            let device = Arc::downgrade(&rig.rng.device());
            let ticks = move || {
                while let Some(device) = device.upgrade() {
                    device.tick();
                    drop(device);
                    ostd::task::Task::yield_now();
                }
            };
            ostd::task::TaskOptions::new(ticks).spawn().unwrap();
        }
        rig.plan(&[Answer::Lost]);
        assert_eq!(rig.read(8), Err(RngError::Device(DeviceError::TimedOut)));
        assert_eq!(rig.starts(), 2);
        assert!(rig.read(8).is_ok());
    }
}

#[ktest]
fn row_26_a_device_that_needs_a_reset() {
    let rig = Rig::new(Modern, Features::empty(), true, 30_000);
    rig.transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
    rig.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    assert_eq!(rig.starts(), 2);
    assert!(rig.read(8).is_ok());
}

#[ktest]
fn a_device_that_only_lies_is_given_up() {
    let rig = Rig::modern();
    for _ in 0..=MAX_RESTARTS {
        rig.plan(&[Answer::Id(7777)]);
        let violation = Violation::UnknownId { id: 7777 };
        assert_eq!(rig.read(8), Err(RngError::Device(DeviceError::Violation(violation))));
    }
    assert_eq!(rig.transport.state.lock().status, DeviceStatus::FAILED);
    assert_eq!(rig.read(8), Err(RngError::Device(DeviceError::Dead)));
}

#[ktest]
fn row_25_memory_that_a_device_will_not_let_go_of_is_not_freed() {
    let rig = Rig::modern();
    rig.transport.state.lock().ignores_reset = true;
    rig.plan(&[Answer::Id(7777)]);
    let violation = Violation::UnknownId { id: 7777 };
    assert_eq!(rig.read(8), Err(RngError::Device(DeviceError::Violation(violation))));
    let chain = rig.transport.with_queue(|queue| queue.descriptors);
    drop(rig.rng);
    assert!(super::fake::DeviceMemory::read(chain, &mut [0]), "the rings are free");
}
