//! The virtqueue against a random device, and against an oracle: a few lines from the
//! specification that look at the same shared memory and say what the queue must answer.

use alloc::{boxed::Box, collections::BTreeMap, sync::Arc, vec::Vec};
use core::sync::atomic::Ordering;

use fastrand::Rng;
use ostd::prelude::ktest;

use super::{
    super::fake::{DeviceChain, DeviceQueue, FakeTransport, Words, WordsPool},
    Outcome, STEP, run,
};
use crate::{
    features::Features,
    queue::{AddError, Chain, Queue, Violation},
    transport::{DeviceStatus, Transport, Version},
};

#[ktest]
fn fuzz_queue() {
    run("fuzz_queue", 0..240, |seed| Case::new(seed).run(2500));
}

struct Case {
    rng: Rng,
    /// The number of lies in a thousand device steps.
    malice: u32,
    transport: Arc<FakeTransport>,
    queue: Queue<Words, u32>,
    pool: WordsPool,
    /// The free slices of the pool before any chain was made.
    available: (usize, usize),
    /// Chains that are not in the queue.
    #[expect(clippy::vec_box, reason = "a chain moves into the queue and back, as one word")]
    spare: Vec<Box<Chain<Words>>>,
    chains: usize,
    oracle: Oracle,
    /// The chains that the device has taken and not returned.
    taken: Vec<DeviceChain>,
    next_tag: u32,
    outcome: Outcome,
}

/// A model of the queue, which tells what the driver must find.
struct Oracle {
    /// By the number of the first descriptor: tag, number of the chain, and how much is the device's to
    /// write.
    outstanding: BTreeMap<u32, (u32, u16, u32)>,
    size: u32,
    legacy: bool,
    next_used: u16,
    seen_used: u16,
    broken: Option<Violation>,
}

impl Oracle {
    /// Reads the used index; returns the number of chains that were returned and not taken.
    fn look(&mut self, device: &DeviceQueue) -> Result<u16, Violation> {
        let index = device.used_index();
        let (returned, known) =
            (index.wrapping_sub(self.next_used), self.seen_used.wrapping_sub(self.next_used));
        let outstanding = self.outstanding.len() as u16;
        if returned < known || returned > outstanding {
            return Err(Violation::UsedIndexJumped { returned, outstanding });
        }
        self.seen_used = index;
        Ok(returned)
    }

    /// Takes the next of the chains that were seen: its tag, its number, and the written length.
    fn pop(&mut self, device: &DeviceQueue) -> Result<Option<(u32, u16, u32)>, Violation> {
        if self.next_used == self.seen_used {
            return Ok(None);
        }
        let (id, written) = device.used_entry(self.next_used);
        if id >= self.size {
            return Err(Violation::UnknownId { id });
        }
        let Some(&(tag, place, writable)) = self.outstanding.get(&id) else {
            return Err(Violation::NotOutstanding { id });
        };
        if written > writable && !self.legacy {
            return Err(Violation::LengthTooLong { written, writable });
        }
        self.outstanding.remove(&id);
        self.next_used = self.next_used.wrapping_add(1);
        Ok(Some((tag, place, if self.legacy { writable } else { written })))
    }
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut features = Features::empty();
        features.set(Features::RING_INDIRECT_DESC, rng.bool());
        features.set(Features::RING_EVENT_IDX, rng.bool());
        let version = if rng.bool() { Version::Modern } else { Version::Legacy };
        let transport = FakeTransport::new(version, features.bits());
        transport.state.lock().driver_features = features.bits();
        let wanted = 1 << rng.u16(0..6);
        let queue = Queue::new(transport.clone(), 0, features, wanted).unwrap();
        let chains = usize::from(queue.size()) + 4;
        let tables = features.contains(Features::RING_INDIRECT_DESC).then_some(chains);
        let pool = WordsPool::new(1024, tables);
        let available = pool.available();
        let spare: Vec<_> =
            (0..chains).map(|_| pool.chain(rng.usize(0..=3), rng.usize(0..=3))).collect();
        Self {
            malice: [0, 5, 30, 100, 300, 700][rng.usize(0..6)],
            rng,
            oracle: Oracle {
                outstanding: BTreeMap::new(),
                size: queue.size().into(),
                legacy: version == Version::Legacy,
                next_used: 0,
                seen_used: 0,
                broken: None,
            },
            transport,
            queue,
            pool,
            available,
            chains,
            spare,
            taken: Vec::new(),
            next_tag: 0,
            outcome: Outcome::default(),
        }
    }

    fn run(mut self, steps: u64) -> Outcome {
        while self.outcome.steps < steps {
            match self.rng.u32(0..100) {
                0..30 => self.add(),
                30..45 => self.look(),
                45..60 => self.pop(),
                60..64 => self.arm(),
                64..66 => _ = self.queue.should_notify(),
                66 => self.restart(),
                _ if self.rng.u32(0..1000) < self.malice => self.lie(),
                _ => self.serve(),
            }
            self.check();
        }
        self.restart();
        let Self { mut queue, pool, available, spare, .. } = self;
        assert_eq!(spare.len(), self.chains, "chains are missing");
        drop(spare);
        assert_eq!(pool.available(), available, "slices are missing");
        queue.stop(|_, _| unreachable!("nothing is outstanding")).unwrap();
        queue.release();
        self.outcome
    }

    /// Checks what must hold at all times.
    fn check(&self) {
        let outstanding = self.oracle.outstanding.len();
        assert_eq!(self.queue.outstanding(), outstanding);
        assert_eq!(self.queue.outstanding_since().count(), outstanding);
        assert_eq!(self.spare.len() + outstanding, self.chains);
        assert_eq!(self.queue.violation(), self.oracle.broken);
        let room = self.queue.free_segments();
        match self.oracle.broken {
            Some(_) => assert_eq!(room, 0),
            None if outstanding == 0 => assert_eq!(room, self.queue.max_segments()),
            None => {}
        }
    }

    fn add(&mut self) {
        let Some(mut chain) = self.spare.pop() else { return };
        match self.rng.u32(0..8) {
            // What it consists of may change in between, or what the device left of it be given up.
            0 => {
                let mut other = self.pool.chain(self.rng.usize(0..=2), self.rng.usize(0..=2));
                core::mem::swap(chain.memory_mut(), other.memory_mut());
                _ = Words::link(&mut chain);
            }
            // Not linked for this time, though it may have been for the last.
            1 => _ = chain.memory_mut(),
            _ => _ = Words::link(&mut chain),
        }
        let linked = chain.is_linked();
        let (segments, place) = (chain.memory().count(), chain.place);
        let writable = chain.memory().writable();
        let (room, most) = (self.queue.free_segments(), self.queue.max_segments());
        self.next_tag += 1;
        match self.queue.add(chain, self.next_tag) {
            Ok(()) => {
                assert!(linked && segments <= room && self.oracle.broken.is_none());
                let head = self.transport.with_queue(|device| device.newest()).into();
                let chain = (self.next_tag, place, writable);
                assert!(self.oracle.outstanding.insert(head, chain).is_none(), "{head} is in use");
                self.outcome.requests += 1;
            }
            Err((error, chain, tag)) => {
                assert_eq!((chain.place, tag), (place, self.next_tag));
                self.spare.insert(0, chain);
                match error {
                    AddError::Full => assert!(segments > room && segments <= most),
                    AddError::Broken(violation) => {
                        assert_eq!(Some(violation), self.oracle.broken);
                    }
                    AddError::Chain(_) => assert!(!linked || segments > most),
                    AddError::Stopped => panic!("it was not stopped"),
                }
            }
        }
    }

    /// The oracle's answer about the device, or the violation if the queue is broken already.
    fn ask<R>(
        &mut self,
        ask: impl FnOnce(&mut Oracle, &DeviceQueue) -> Result<R, Violation>,
    ) -> Result<R, Violation> {
        let answer = match self.oracle.broken {
            Some(violation) => Err(violation),
            None => self.transport.with_queue(|device| ask(&mut self.oracle, device)),
        };
        self.oracle.broken = answer.as_ref().err().copied();
        answer
    }

    fn look(&mut self) {
        let expected = self.ask(Oracle::look);
        assert_eq!(self.queue.look(), expected);
    }

    fn pop(&mut self) {
        let expected = self.ask(Oracle::pop);
        let popped = self.queue.pop().map(|used| {
            used.map(|used| {
                let answer = (used.tag, used.chain.place, used.written);
                self.spare.push(used.chain);
                answer
            })
        });
        assert_eq!(popped, expected);
        self.outcome.succeeded += u64::from(matches!(popped, Ok(Some(_))));
    }

    /// Asks for an interrupt, or for none.
    fn arm(&mut self) {
        if self.rng.bool() {
            return self.queue.disable_interrupts();
        }
        let expected = self.ask(Oracle::look) != Ok(0);
        assert_eq!(self.queue.enable_interrupts(), expected);
    }

    /// Resets the device, takes everything back, and starts again.
    fn restart(&mut self) {
        let mut tags = Vec::new();
        let spare = &mut self.spare;
        let stopped = self.queue.stop(|chain, tag| {
            spare.push(chain.expect("the device was reset"));
            tags.push(tag);
        });
        assert_eq!(stopped, Ok(()));
        tags.sort_unstable();
        let mut expected: Vec<_> = self.oracle.outstanding.values().map(|chain| chain.0).collect();
        expected.sort_unstable();
        assert_eq!(tags, expected, "all that was outstanding, and each once");
        assert_eq!(self.queue.look(), Ok(0));
        assert_eq!(self.queue.pop().map(|used| used.is_some()), Ok(false));
        assert!(!self.queue.enable_interrupts());
        self.transport.set_status(DeviceStatus::DRIVER_OK);
        self.queue.restart().unwrap();
        self.queue.start();
        self.oracle.outstanding.clear();
        (self.oracle.next_used, self.oracle.seen_used, self.oracle.broken) = (0, 0, None);
        self.taken.clear();
        self.outcome.restarts += 1;
    }

    fn count_step(&mut self) {
        self.outcome.steps += 1;
        STEP.store(self.outcome.steps, Ordering::Relaxed);
    }

    /// The device does its work.
    fn serve(&mut self) {
        self.count_step();
        let give_back = !self.taken.is_empty() && self.rng.bool();
        self.transport.with_queue(|device| match give_back {
            true => {
                let chain = self.taken.swap_remove(self.rng.usize(0..self.taken.len()));
                device.give_back(chain.head, self.rng.u32(0..=chain.writable_length()));
            }
            false => self.taken.extend(device.take()),
        });
    }

    /// The device does something that no device does, or need not do.
    fn lie(&mut self) {
        self.count_step();
        let Self { rng, transport, taken, .. } = self;
        let number = |rng: &mut Rng| match rng.u32(0..3) {
            0 => rng.u32(0..64),
            1 => u32::MAX - rng.u32(0..2),
            _ => rng.u32(..),
        };
        transport.with_queue(|device| match rng.u32(0..10) {
            0 => device.write_used(rng.u16(..), number(rng), number(rng)),
            1 => {
                // The right place, and perhaps a number that is outstanding.
                device.write_used(device.next_used, rng.u32(0..device.size.into()), rng.u32(0..32));
                device.next_used = device.next_used.wrapping_add(1);
                device.write_used_index(device.next_used);
            }
            2 => device.write_used_index(rng.u16(..)),
            3 => device.write_used_index(device.next_used.wrapping_add(rng.u16(0..8))),
            4 => device.write_used_index(device.next_used.wrapping_sub(rng.u16(0..8))),
            5 => device.set_avail_event(rng.u16(..)),
            6 => device.set_no_notify(rng.bool()),
            7 => {
                // Whatever it wants to know it takes first, not to confuse itself.
                taken.extend(core::iter::from_fn(|| device.take()));
                device.scribble();
            }
            8 => {
                if let Some(chain) = taken.pop() {
                    device.give_back(chain.head, number(rng));
                }
            }
            _ => _ = taken.pop(),
        });
    }
}
