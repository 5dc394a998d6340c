//! The random disk: its state, and what it can do.

use alloc::{
    collections::VecDeque,
    sync::{Arc, Weak},
    vec::Vec,
};
use core::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;
use ostd::sync::{LocalIrqDisabled, SpinLock};

use super::{
    super::fake::DeviceQueue,
    ledger::{Job, Ledger, PLACE, kind},
};
use crate::{
    device::{VirtioDevice, blk::VirtioBlk},
    features::Features,
    transport::{DeviceStatus, InterruptStatus, Version},
};

/// The most registers that one call of the driver may touch, where the reset is not ignored.
const MOST_ACCESSES: u64 = 5_000;

/// A device that at random does its work or lies.
pub struct Device {
    pub(super) version: Version,
    pub inner: SpinLock<Inner, LocalIrqDisabled>,
    /// The driver to interrupt.
    driver: SpinLock<Option<Weak<dyn VirtioDevice>>, LocalIrqDisabled>,
    /// Set while it raises interrupts, so that only one caller does so at a time.
    raising: AtomicBool,
}

/// The state of a device.
pub struct Inner {
    pub rng: Rng,
    /// The number of lies in a thousand steps.
    pub malice: u32,
    /// Set until the driver is up: the first request is waited for, with nobody to let the device
    /// act meanwhile, so it acts at once.
    pub setup: bool,
    /// Set while it must not do anything.
    pub frozen: bool,
    pub steps: u64,
    pub accesses: u64,
    /// The number of times that a driver has brought it into use.
    pub starts: u64,
    pub ledger: Ledger,
    pub queue: Option<DeviceQueue>,
    /// Chains that it has, and those that it had last.
    pub taken: Vec<Job>,
    pub(super) returned: VecDeque<Job>,
    /// Descriptors that it has named in the used ring while they were not its own. When it finds
    /// one in the available ring, that chain may have gone already, and it must not touch it.
    pub(super) doomed: Vec<u16>,
    pub registers: Registers,
    /// Interrupts to raise.
    pub(super) raise: u32,
}

/// The content of the registers, and the lies that are in force.
#[derive(Clone, Debug)]
pub struct Registers {
    pub status: DeviceStatus,
    /// The features that it offers when it does not lie.
    pub own_features: u64,
    pub offered: u64,
    pub driver_features: u64,
    pub config: [u8; 64],
    pub generation: u32,
    /// The number of reads of the generation that will still change it.
    pub unsteady: u32,
    pub queue_size_max: u32,
    pub always_ready: bool,
    pub refuses_features: bool,
    pub interrupt: InterruptStatus,
    /// The number of reads of the status until the reset that is going on ends, if there is one.
    pub resetting: Option<u32>,
    pub ignores_reset: bool,
}

/// The properties of a device that is to be made.
pub struct Plan {
    pub version: Version,
    pub features: u64,
    pub places: usize,
    pub seg_max: u32,
    pub size_max: u32,
    pub malice: u32,
}

impl Device {
    pub fn new(rng: Rng, plan: &Plan) -> Arc<Self> {
        let mut config = [0; 64];
        let mut put = |at: usize, bytes: &[u8]| config[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &(plan.places as u64 * PLACE).to_le_bytes()); // capacity
        put(8, &plan.size_max.to_le_bytes());
        put(12, &plan.seg_max.to_le_bytes());
        put(20, &512u32.to_le_bytes()); // blk_size
        put(34, &1u16.to_le_bytes()); // num_queues
        put(36, &8u32.to_le_bytes()); // max_discard_sectors
        put(48, &5u32.to_le_bytes()); // max_write_zeroes_sectors
        let offered = match plan.version {
            Version::Modern => plan.features | Features::VERSION_1.bits(),
            Version::Legacy => plan.features,
        };
        Arc::new(Self {
            version: plan.version,
            inner: SpinLock::new(Inner {
                rng,
                malice: plan.malice,
                setup: true,
                frozen: false,
                steps: 0,
                accesses: 0,
                starts: 0,
                ledger: Ledger::new(plan.places, plan.version == Version::Legacy),
                queue: None,
                taken: Vec::with_capacity(64),
                returned: VecDeque::with_capacity(16),
                doomed: Vec::with_capacity(64),
                registers: Registers {
                    status: DeviceStatus::empty(),
                    own_features: offered,
                    offered,
                    driver_features: 0,
                    config,
                    generation: 0,
                    unsteady: 0,
                    queue_size_max: 64,
                    always_ready: false,
                    refuses_features: false,
                    interrupt: InterruptStatus::empty(),
                    resetting: None,
                    ignores_reset: false,
                },
                raise: 0,
            }),
            driver: SpinLock::new(None),
            raising: AtomicBool::new(false),
        })
    }

    /// Leads interrupts to the driver.
    pub fn connect(&self, driver: &VirtioBlk) {
        let driver = driver.device();
        *self.driver.lock() = Some(Arc::downgrade(&driver));
        driver.use_interrupts();
    }

    /// Does so many things, then raises the interrupts that came of it.
    pub fn act(&self, steps: u32) {
        for _ in 0..steps {
            self.inner.lock().step();
        }
        self.raise();
    }

    /// Raises the interrupts that are due, unless it does so already.
    pub fn raise(&self) {
        if self.raising.swap(true, Ordering::Relaxed) {
            return;
        }
        let driver = self.driver.lock().as_ref().and_then(Weak::upgrade);
        loop {
            let mut inner = self.inner.lock();
            if inner.raise == 0 {
                break;
            }
            inner.raise -= 1;
            drop(inner);
            if let Some(driver) = &driver {
                self.bounded(|| driver.handle_interrupt());
            }
        }
        self.raising.store(false, Ordering::Relaxed);
    }

    /// Does something that may touch registers, and checks that it does not do so without end.
    pub fn bounded<R>(&self, action: impl FnOnce() -> R) -> R {
        let before = self.inner.lock().accesses;
        let result = action();
        let inner = self.inner.lock();
        let (accesses, ignores) = (inner.accesses - before, inner.registers.ignores_reset);
        assert!(ignores || accesses <= MOST_ACCESSES, "{accesses} register accesses in one call");
        result
    }

    pub(super) fn access<R>(&self, action: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.inner.lock();
        inner.accesses += 1;
        // It goes on while the driver is busy with its registers.
        if !inner.setup && inner.rng.u32(0..16) == 0 {
            inner.step();
        }
        action(&mut inner)
    }
}

impl Inner {
    /// Takes the chain that was made available first; returns true if there was one.
    pub fn take(&mut self) -> bool {
        let Some(queue) = &mut self.queue else { return false };
        let Some(head) = queue.waiting().next() else { return false };
        if let Some(place) = self.doomed.iter().position(|doomed| *doomed == head) {
            self.doomed.swap_remove(place);
            queue.skip();
            return true;
        }
        let Some(chain) = queue.take() else { return false };
        let mut job = Job::new(chain);
        job.tag = self.ledger.tag(job.sector);
        if job.kind == kind::OUT {
            for (sector, offset) in job.offsets() {
                let mut found = [0; 8];
                job.chain.read_at(16 + offset as u32, &mut found);
                assert_eq!(u64::from_le_bytes(found), self.ledger.mark(sector), "data to write");
            }
        }
        self.taken.push(job);
        true
    }

    /// Does what a chain asks for: writes the data and the status.
    pub fn execute(&mut self, job: &mut Job) {
        if job.kind == kind::IN {
            for (sector, offset) in job.offsets() {
                let mark = self.rng.u64(..);
                self.ledger.write(job, sector, offset, mark);
            }
        } else if job.kind == kind::GET_ID {
            job.chain.write(0, b"random\0");
        }
        job.write_status(0);
    }

    /// Returns a chain with this length.
    pub fn give_back(&mut self, job: Job, length: u32) {
        let Some(queue) = &mut self.queue else { return };
        queue.give_back(job.chain.head, length);
        self.ledger.returned(&job, length);
        if self.returned.len() == 16 {
            self.returned.pop_front();
        }
        self.returned.push_back(job);
    }

    /// Takes a chain of its own out of the list, whichever.
    pub fn any_taken(&mut self) -> Option<Job> {
        match self.taken.len() {
            0 => None,
            count => Some(self.taken.swap_remove(self.rng.usize(0..count))),
        }
    }

    /// Raises an interrupt `times` times.
    pub fn interrupt(&mut self, causes: InterruptStatus, times: u32) {
        self.registers.interrupt.insert(causes);
        self.raise += times;
    }

    /// Makes the driver reset it, whatever that takes.
    pub fn force_reset(&mut self) {
        self.steps += 1;
        self.registers.status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
        self.interrupt(InterruptStatus::all(), 1);
        if let Some(queue) = &self.queue {
            queue.write_used_index(queue.next_used.wrapping_add(0x8000));
        }
    }

    pub(super) fn finish_reset(&mut self) {
        self.registers.resetting = None;
        self.registers.status = DeviceStatus::empty();
        self.registers.interrupt = InterruptStatus::empty();
        self.queue = None;
        self.taken.clear();
        self.returned.clear();
        self.doomed.clear();
    }
}
