//! The block device against random devices.

use alloc::sync::Arc;

use block::{BlockDevice, Error};
use fastrand::Rng;
use ostd::{
    arch::{read_tsc, tsc_freq},
    prelude::ktest,
    sync::Waiter,
};

use super::{
    super::fake::DeviceMemory,
    Outcome,
    device::{Device, Plan},
    ledger::PLACE,
    run,
    user::{PLACES, User},
};
use crate::{
    device::blk::{BlkFeatures, VirtioBlk},
    features::Features,
    options::Options,
    transport::{DeviceStatus, Version},
};

/// Random devices that let themselves be reset.
#[ktest]
fn fuzz_disk() {
    run("fuzz_disk", 1000..1300, |seed| match Case::new(seed, None, 30_000) {
        Ok(case) => case.run(2500),
        Err(outcome) => outcome,
    });
}

/// Deadlines pass: the device loses requests, and nothing else tells.
#[ktest]
fn fuzz_deadlines() {
    run("fuzz_deadlines", 2000..2020, |seed| match Case::new(seed, Some(40), 1) {
        Ok(case) => case.run_late(300),
        Err(outcome) => outcome,
    });
}

/// In the end the device ignores the reset, and goes on using what it was given.
#[ktest]
fn fuzz_reset_ignored() {
    run("fuzz_reset_ignored", 3000..3040, |seed| match Case::new(seed, Some(20), 30_000) {
        Ok(case) => case.run_to_the_ignored_reset(200),
        Err(outcome) => outcome,
    });
}

struct Case {
    rng: Rng,
    user: User,
    device: Arc<Device>,
    interrupts: bool,
    /// The time that a request may take is so short that it may pass on a slow host, also if nothing is lost.
    hasty: bool,
    /// The number of reads of one sector that the queue takes.
    capacity: usize,
    /// Turns since something was answered.
    idle: u32,
    /// Set while the driver will wake somebody.
    sleeps: bool,
}

impl Case {
    /// A device with a temper from the seed, or this one, and its driver; `Err` if it is refused.
    fn new(seed: u64, malice: Option<u32>, timeout_ms: u64) -> Result<Self, Outcome> {
        let mut rng = Rng::with_seed(seed);
        let mut features = BlkFeatures::all() - BlkFeatures::BLK_RO;
        for feature in [BlkFeatures::BLK_SIZE_MAX, BlkFeatures::BLK_FLUSH] {
            features.set(feature, rng.bool());
        }
        let mut ring = Features::empty();
        ring.set(Features::RING_INDIRECT_DESC, rng.bool());
        ring.set(Features::RING_EVENT_IDX, rng.bool());
        let plan = Plan {
            version: if rng.u8(0..4) == 0 { Version::Legacy } else { Version::Modern },
            features: features.bits() | ring.bits(),
            places: PLACES,
            seg_max: [1, 2, 4, 126][rng.usize(0..4)],
            size_max: [512, 1024, 1 << 20][rng.usize(0..3)],
            malice: malice.unwrap_or([0, 3, 10, 30, 60, 100, 200, 500][rng.usize(0..8)]),
        };
        let queue_size: u16 = 1 << rng.u16(2..7);
        let capacity = match ring.contains(Features::RING_INDIRECT_DESC) {
            true => usize::from(queue_size),
            false => usize::from(queue_size) / 3,
        };
        let device = Device::new(rng.fork(), &plan);
        // Some devices lie from the start on.
        let early = rng.u8(0..8) == 0;
        if !early {
            device.inner.lock().malice = 0;
        }
        let timeout_ms = if early { 1 } else { timeout_ms };
        let options = Options { queue_size, timeout_ms, ..Options::default() };
        let driver = match VirtioBlk::new(device.clone(), &options) {
            Ok(driver) => Arc::new(driver),
            Err(error) => {
                let device = device.inner.lock();
                assert!(early && device.malice > 0, "{error}");
                return Err(Outcome { steps: device.steps, died: true, ..Outcome::default() });
            }
        };
        {
            let mut device = device.inner.lock();
            (device.malice, device.setup) = (plan.malice, false);
        }
        let interrupts = rng.bool();
        if interrupts {
            device.connect(&driver);
        }
        let has_flush = features.contains(BlkFeatures::BLK_FLUSH);
        let user = User::new(rng.fork(), device.clone(), driver, has_flush);
        let capacity = capacity.min(PLACES);
        let hasty = timeout_ms < 1000;
        Ok(Self { rng, user, device, interrupts, hasty, capacity, idle: 0, sleeps: false })
    }

    /// Uses the disk until the device has made so many steps, or is dead.
    fn run(mut self, steps: u64) -> Outcome {
        self.use_disk(steps);
        self.settle()
    }

    fn use_disk(&mut self, steps: u64) {
        let start = self.device.inner.lock().steps;
        while self.device.inner.lock().steps - start < steps && !self.is_dead() {
            self.turn();
            let answered = self.user.reap();
            self.sleeps &= answered == 0;
            self.idle = if answered == 0 { self.idle + 1 } else { 0 };
            if self.idle > 300 {
                // All that is left was lost.
                self.force_reset();
            }
        }
    }

    fn turn(&mut self) {
        let driver = &self.user.driver;
        match self.rng.u32(0..100) {
            0..30 => self.user.submit(),
            30..35 => self.user.submit_batch(),
            35..80 => self.device.act(self.rng.u32(1..6)),
            80..95 => _ = self.device.bounded(|| driver.poll()),
            95..98 => self.device.bounded(|| driver.device().tick()),
            // A task is about to sleep, until something is answered.
            _ if self.interrupts && !self.sleeps => {
                let waker = Waiter::new_pair().1;
                let done = &self.user.done;
                self.sleeps = self.device.bounded(|| driver.before_sleep(done, waker));
            }
            _ => {}
        }
    }

    fn is_dead(&self) -> bool {
        self.device.inner.lock().registers.status.contains(DeviceStatus::FAILED)
    }

    /// Makes the driver reset the device, which ends all that is in flight.
    fn force_reset(&mut self) {
        {
            let mut device = self.device.inner.lock();
            device.force_reset();
            device.frozen = true;
        }
        self.device.raise();
        // One look takes what was returned, another one sees the lie.
        for _ in 0..3 {
            let driver = &self.user.driver;
            self.device.bounded(|| driver.poll());
        }
        self.user.reap();
        assert_eq!(self.user.in_flight(), 0, "requests without an answer");
        self.device.inner.lock().frozen = false;
        (self.idle, self.sleeps) = (0, false);
    }

    /// The device comes to its senses: every request has an answer, and nothing is missing.
    fn settle(mut self) -> Outcome {
        {
            let mut device = self.device.inner.lock();
            device.malice = 0;
            device.registers.mend(PLACES as u64 * PLACE);
        }
        self.force_reset();
        let died = self.is_dead();
        if died {
            assert_eq!(self.user.driver.flush(), Err(Error::Dead));
        } else {
            assert_eq!(self.user.fill(), self.capacity, "the queue takes less than before");
            let mut turns = 0;
            while self.user.in_flight() > 0 {
                turns += 1;
                assert!(turns < 1000, "a correct device is not understood");
                self.device.act(4);
                self.user.driver.poll();
                let before = self.user.succeeded + self.user.late;
                let answers = self.user.reap() as u64;
                assert_eq!(answers, self.user.succeeded + self.user.late - before);
            }
        }
        assert!(self.hasty || self.user.late == 0, "there was time enough");
        self.outcome(died)
    }

    fn outcome(&self, died: bool) -> Outcome {
        let device = self.device.inner.lock();
        Outcome {
            steps: device.steps,
            requests: self.user.requests,
            succeeded: self.user.succeeded,
            restarts: device.starts - 1,
            died,
            leaked_pages: 0,
        }
    }

    /// As [`Self::run`], but what is lost is not told: only time tells.
    fn run_late(mut self, steps: u64) -> Outcome {
        self.use_disk(steps);
        self.device.inner.lock().taken.clear();
        let until = read_tsc() + 20 * tsc_freq();
        while self.user.in_flight() > 0 {
            self.user.driver.device().tick();
            self.user.reap();
            assert!(read_tsc() < until, "a deadline that does not pass");
        }
        self.settle()
    }

    /// As [`Self::run`], then the device ignores a reset and uses all that it ever had.
    fn run_to_the_ignored_reset(mut self, steps: u64) -> Outcome {
        self.use_disk(steps);
        (0..8).for_each(|_| self.user.submit());
        self.user.reap();
        self.device.inner.lock().registers.ignores_reset = true;
        self.device.inner.lock().malice = 0;
        self.force_reset();
        assert!(self.is_dead());
        assert_eq!(self.user.driver.flush(), Err(Error::Dead));
        let mut outcome = self.outcome(true);
        outcome.leaked_pages = self.user.leaked.pages(&self.device.inner.lock());
        let Self { user, device, .. } = self;
        drop(user);
        // Nobody is there any more; the memory is.
        let mut device = device.inner.lock();
        while device.take() {}
        for _ in 0..100 {
            device.step();
        }
        if let Some(queue) = &device.queue {
            for area in [queue.descriptors, queue.driver_area, queue.device_area] {
                assert!(DeviceMemory::read(area, &mut [0]));
            }
        }
        outcome
    }
}
