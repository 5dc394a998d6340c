//! The input device against random devices: no event is made up, none comes twice, and those of a correct device
//! come all, in order.

use alloc::{collections::BTreeSet, sync::Arc, vec::Vec};
use core::sync::atomic::Ordering;

use fastrand::Rng;
use input::{Error, Event, InputDevice, codes::*};
use ostd::prelude::ktest;

use super::{
    super::fake::{DeviceChain, DeviceQueue, Driven, FakeInput, STATUSQ},
    Outcome, STEP, run,
};
use crate::{
    features::Features,
    options::Options,
    transport::{DeviceStatus, InterruptStatus, Version},
};

#[ktest]
fn fuzz_input() {
    run("fuzz_input", 5000..5100, |seed| Case::new(seed).run(2500));
}

struct Case {
    rng: Rng,
    /// The number of lies in a thousand steps.
    malice: u32,
    rig: Driven,
    /// Chains that the device has taken and not returned.
    taken: Vec<DeviceChain>,
    /// Events that stand in some buffer, as bits. No two are the same.
    written: BTreeSet<u64>,
    /// The events written so far, and the events of a correct device that the reader has not read yet.
    count: u32,
    sent: Vec<Event>,
    /// The number of starts when it was last looked at.
    starts: usize,
    outcome: Outcome,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let version = if rng.bool() { Version::Modern } else { Version::Legacy };
        let ring = if rng.bool() { Features::RING_EVENT_IDX } else { Features::empty() };
        let options = Options { queue_size: 1 << rng.u16(1..8), ..Options::default() };
        let rig = FakeInput::new(version, ring).start(&options);
        let device = Arc::downgrade(&rig.fake.transport);
        rig.fake.transport.on_notify(move || {
            let Some(device) = device.upgrade() else { return };
            device.try_with_queue_of(STATUSQ, |queue| {
                while let Some(chain) = queue.take() {
                    queue.give_back(chain.head, 0);
                }
            });
        });
        Self {
            malice: [0, 3, 10, 30, 100, 300][rng.usize(0..6)],
            rng,
            rig,
            taken: Vec::new(),
            written: BTreeSet::new(),
            count: 0,
            sent: Vec::new(),
            starts: 1,
            outcome: Outcome::default(),
        }
    }

    fn run(mut self, steps: u64) -> Outcome {
        while self.outcome.steps < steps && !self.is_dead() {
            self.outcome.steps += 1;
            STEP.store(self.outcome.steps, Ordering::Relaxed);
            match self.rng.u32(0..1000) < self.malice {
                true => self.lie(),
                false => self.serve(),
            }
            match self.rng.u32(0..16) {
                0 => self.rig.input.device().tick(),
                1 => self.switch_light(),
                _ => {}
            }
            self.read();
        }
        self.settle()
    }

    fn is_dead(&self) -> bool {
        self.rig.fake.transport.state.lock().status.contains(DeviceStatus::FAILED)
    }

    fn queue<R>(
        &mut self,
        action: impl FnOnce(&mut DeviceQueue, &mut Vec<DeviceChain>) -> R,
    ) -> Option<R> {
        let starts = self.rig.starts();
        if starts != self.starts {
            // Nothing is its own any more.
            self.starts = starts;
            self.taken.clear();
        }
        self.rig.fake.transport.try_with_queue(|queue| action(queue, &mut self.taken))
    }

    fn new_event(&mut self) -> Event {
        self.count += 1;
        let event = Event::new(EV_REL, self.rng.u16(..), self.count.cast_signed());
        self.written.insert(event.to_bits());
        event
    }

    fn interrupt(&mut self) {
        self.rig.fake.transport.interrupt(InterruptStatus::USED_BUFFER);
    }

    /// The device does its work: some events, and an interrupt if the driver wants one.
    fn serve(&mut self) {
        for _ in 0..self.rng.u32(1..4) {
            let event = self.new_event();
            let done = self.queue(|queue, _| {
                let Some(chain) = queue.take() else { return false };
                chain.write(0, &event.to_bits().to_le_bytes());
                queue.give_back(chain.head, 8);
                true
            });
            if done == Some(true) {
                self.sent.push(event);
            }
        }
        if self.queue(|queue, _| queue.should_interrupt()) == Some(true) {
            self.interrupt();
        }
    }

    /// It does something that no device does, or need not do.
    fn lie(&mut self) {
        let number = match self.rng.u32(0..3) {
            0 => self.rng.u32(0..70),
            1 => u32::MAX - self.rng.u32(0..2),
            _ => self.rng.u32(..),
        };
        let (near, choice) = (self.rng.u16(0..4), self.rng.u32(0..14));
        let event = self.new_event();
        let bits = event.to_bits().to_le_bytes();
        self.queue(|queue, taken| match choice {
            // It takes a buffer, and may write to it.
            0 => taken.extend(queue.take()),
            1 => taken.last().into_iter().for_each(|chain| chain.write(0, &bits)),
            2 => _ = taken.pop(),
            // It returns one, with a word about its length that may be wrong.
            3 | 4 => {
                if let Some(chain) = taken.pop() {
                    let written = if choice == 3 { number % 9 } else { number };
                    queue.give_back(chain.head, written);
                }
            }
            5 => queue.write_used(number as u16, number, 8),
            6 => {
                queue.write_used(queue.next_used, number, 8);
                queue.next_used = queue.next_used.wrapping_add(1);
                queue.write_used_index(queue.next_used);
            }
            7 => queue.write_used_index(number as u16),
            8 => queue.write_used_index(queue.next_used.wrapping_add(near)),
            9 => queue.write_used_index(queue.next_used.wrapping_sub(near)),
            10 => {
                taken.extend(core::iter::from_fn(|| queue.take()));
                queue.scribble();
            }
            _ => {}
        });
        let transport = self.rig.fake.transport.clone();
        match choice {
            11 => transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET),
            12 => transport.state.lock().generation += 1,
            _ => {}
        }
        match self.rng.u32(0..4) {
            0 => (0..self.rng.u32(0..20)).for_each(|_| transport.interrupt(InterruptStatus::all())),
            1 | 2 => self.interrupt(),
            _ => {}
        }
    }

    fn switch_light(&mut self) {
        self.outcome.requests += 1;
        match self.rig.input.set_led(LED_CAPSL, self.rng.bool()) {
            Ok(()) => self.outcome.succeeded += 1,
            Err(error) => assert!(self.malice > 0 && error != Error::NoLed(LED_CAPSL), "{error}"),
        }
    }

    /// Whoever reads gets what the device has written, each event once.
    fn read(&mut self) {
        while let Some(arrived) = self.rig.reader.take() {
            let event = arrived.event;
            if event.is_dropped() {
                assert!(self.malice > 0, "something is missing");
                continue;
            }
            assert!(
                self.written.remove(&event.to_bits()),
                "{event} was not written, or comes twice"
            );
            if self.malice == 0 {
                assert_eq!(event, self.sent.remove(0));
            }
        }
    }

    /// The device comes to its senses: all buffers are with it, and events come.
    fn settle(mut self) -> Outcome {
        let transport = self.rig.fake.transport.clone();
        self.interrupt();
        self.read();
        assert!(self.malice > 0 || self.sent.is_empty(), "events are missing");
        transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
        transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
        while self.rig.reader.take().is_some() {}
        self.outcome.died = self.is_dead();
        self.outcome.restarts = self.rig.starts() as u64 - 1;
        match self.outcome.died {
            true => {
                assert!(self.malice > 0 && self.rig.reader.next().is_none());
                assert_eq!(self.rig.input.set_led(LED_CAPSL, true), Err(Error::Dead));
            }
            false => {
                let event = self.new_event();
                assert!(self.rig.event(event));
                assert_eq!(self.rig.interrupt(), [event]);
            }
        }
        self.outcome
    }
}
