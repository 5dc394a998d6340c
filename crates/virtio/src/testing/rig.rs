//! The fixture of the row tests: a disk that does wrong, its driver, and the checks afterwards.
//!
//! Nothing here looks inside the driver. That no chain, descriptor or slice is missing shows in
//! what the disk can take: as many requests as ever, see [`Rig::assert_idle`].

use alloc::{boxed::Box, sync::Arc, vec, vec::Vec};

use block::{
    BlockDevice, Buffer, CompletionQueue, Error, IfFull, Operation, Patience, Reaper, Request,
    SECTOR_SIZE,
};
use ostd::task::{Task, TaskOptions};

use super::fake::{DeviceQueue, FakeDisk, Fault, all_disk_features, pattern};
use crate::{
    device::blk::VirtioBlk,
    features::Features,
    options::Options,
    transport::{
        DeviceStatus, InterruptStatus,
        Version::{self, Legacy, Modern},
    },
};

/// The errors of the requests in flight, one for each rule that the device can break.
pub const INDEX_JUMPED: Error = Error::Violation("its used index jumped");
pub const UNKNOWN_ID: Error = Error::Violation("it returned a descriptor that does not exist");
pub const NOT_OUTSTANDING: Error = Error::Violation("it returned what it did not have");
pub const TOO_LONG: Error =
    Error::Violation("it claims to have written more than there was room for");

/// The sectors of the disk.
pub const SECTORS: u64 = 64;

/// The entries of the queue.
pub const ENTRIES: u16 = 16;

/// For so many turns the device of [`Mode::Interrupt`] does nothing while nobody sleeps, so that those who
/// wait do sleep. It does not wait for them for ever.
const MOST_PATIENCE: usize = 10_000;

/// The way in which completions reach the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The device acts within the notification, and the driver looks for itself.
    Polled,
    /// The device is a task of its own, and the driver sleeps until it interrupts.
    Interrupt,
}

/// A disk and its driver.
pub struct Rig {
    pub disk: Arc<FakeDisk>,
    pub driver: Arc<VirtioBlk>,
    pub mode: Mode,
    ring: Features,
}

/// Runs `test` with every combination of interface, ring features and mode. All is idle at the end.
pub fn everywhere(test: impl Fn(&Rig)) {
    for version in [Legacy, Modern] {
        everywhere_of(version, &test);
    }
}

/// As [`everywhere`], for one interface.
pub fn everywhere_of(version: Version, test: impl Fn(&Rig)) {
    for ring in [Features::empty(), Features::all() - Features::VERSION_1] {
        for mode in [Mode::Polled, Mode::Interrupt] {
            let rig = Rig::new(version, ring, mode, 30_000);
            test(&rig);
            rig.assert_idle();
        }
    }
}

impl Rig {
    pub fn new(version: Version, ring: Features, mode: Mode, timeout_ms: u64) -> Self {
        let disk = FakeDisk::new(version, all_disk_features() | ring.bits(), SECTORS);
        let options = Options { queue_size: ENTRIES, timeout_ms, ..Options::default() };
        let driver = disk.driver(&options).unwrap();
        if mode == Mode::Interrupt {
            disk.connect(&driver);
            disk.transport.on_notify(|| ());
            let weak = (Arc::downgrade(&disk), Arc::downgrade(&driver));
            let device = move || {
                let mut idle = 0;
                while let (Some(disk), Some(driver)) = (weak.0.upgrade(), weak.1.upgrade()) {
                    // It is slower than those who wait look for it.
                    idle += 1;
                    if driver.waiting().asleep() > 0 || idle > MOST_PATIENCE {
                        disk.work();
                        idle = 0;
                    }
                    driver.device().tick();
                    drop((disk, driver));
                    Task::yield_now();
                }
            };
            TaskOptions::new(device).spawn().unwrap();
        }
        Self { disk, driver, mode, ring }
    }

    /// A modern disk with all ring features.
    pub fn modern(mode: Mode) -> Self {
        Self::new(Modern, Features::all() - Features::VERSION_1, mode, 30_000)
    }

    /// Reads sector 1, which the device answers with this fault; checks that nobody sees data of a
    /// read that fails.
    pub fn read_with(&self, fault: Fault) -> Result<(), Error> {
        self.disk.plan_faults([Some(fault)]);
        let mut data = [0x5a; SECTOR_SIZE];
        let result = self.driver.read_block(1, &mut data);
        match result {
            Ok(()) => assert_eq!(data[..], self.disk.sectors(1, 1)),
            Err(_) => assert_eq!(data, [0x5a; SECTOR_SIZE], "data of a failed read"),
        }
        result
    }

    /// Puts so many reads in flight.
    pub fn send(&self, count: u64) -> Arc<CompletionQueue> {
        let done = CompletionQueue::new(count as usize);
        for tag in 0..count {
            let mut request = read_request(tag % SECTORS);
            request.tag = tag;
            self.driver.submit(request, &done, IfFull::Fail).unwrap();
        }
        done
    }

    /// Puts so many reads in flight, which the device takes and keeps; also gives their heads.
    pub fn held(&self, count: u64) -> (Arc<CompletionQueue>, Vec<u16>) {
        self.disk.plan_faults(vec![Some(Fault::Lose); count as usize]);
        let done = self.send(count);
        self.disk.work();
        let heads: Vec<_> = self.disk.lost().iter().map(|chain| chain.head).collect();
        assert_eq!(heads.len(), count as usize);
        (done, heads)
    }

    /// Does something as the device with its queue, and lets the driver look.
    pub fn tell(&self, action: impl FnOnce(&mut DeviceQueue)) {
        self.disk.transport.with_queue(action);
        self.look();
    }

    /// Lets the driver look at the device, as interrupt or by polling.
    pub fn look(&self) {
        match self.mode {
            Mode::Polled => _ = self.driver.poll(),
            Mode::Interrupt => self.disk.transport.interrupt(InterruptStatus::USED_BUFFER),
        }
    }

    /// Takes completions, and sleeps where there are interrupts.
    pub fn reaper<'a>(&'a self, done: &'a CompletionQueue) -> Reaper<'a, VirtioBlk> {
        Reaper::new(done, &*self.driver).with_patience(Patience::Sleep)
    }

    /// Waits for all answers; gives the results in the order of the requests. All buffers are back.
    pub fn answers(&self, done: &CompletionQueue) -> Vec<Result<(), Error>> {
        let reaper = self.reaper(done);
        let mut answers: Vec<_> = core::iter::from_fn(|| reaper.next()).collect();
        answers.sort_by_key(|answer| answer.tag);
        for (answer, tag) in answers.iter().zip(0..) {
            let request = answer.request.as_ref().expect("the device has let go of it");
            assert_eq!((answer.tag, request.tag, request.buffers.len()), (tag, tag, 1));
        }
        assert_eq!(done.open(), 0);
        answers.into_iter().map(|answer| answer.result).collect()
    }

    /// The answers to so many reads that the device serves as well as it can.
    pub fn answers_of(&self, count: u64) -> Vec<Result<(), Error>> {
        let done = self.send(count);
        self.disk.work();
        self.answers(&done)
    }

    /// The number of times that the driver has brought the device into use.
    pub fn starts(&self) -> usize {
        self.disk.transport.starts()
    }

    pub fn status(&self) -> DeviceStatus {
        self.disk.transport.state.lock().status
    }

    /// The device was restarted once since it had been started `before` times, and works.
    pub fn assert_restarted(&self, before: usize) {
        assert_eq!(self.starts(), before + 1);
        assert!(self.status().contains(DeviceStatus::DRIVER_OK), "{:?}", self.status());
        self.disk.forget_lost();
        self.assert_works();
    }

    /// Data can be written, read and flushed.
    pub fn assert_works(&self) {
        let mut data = vec![0; 3 * SECTOR_SIZE];
        self.driver.write_block(7, &pattern(3, 7)).unwrap();
        assert_eq!(self.disk.sectors(7, 3), pattern(3, 7));
        self.driver.read_block(7, &mut data).unwrap();
        assert_eq!(data, pattern(3, 7));
        self.driver.flush().unwrap();
    }

    /// Nothing is in flight, nothing is missing, and nobody sleeps: the queue takes as many
    /// requests as it has room for, of every kind, and answers them. The device has been given the
    /// notifications that it was owed, and no others.
    pub fn assert_idle(&self) {
        let discard = || Request::new(Operation::Discard { sectors: 1 }, 3, Vec::new());
        self.fill(3, || read_request(3));
        self.fill(3, discard);
        if self.mode == Mode::Interrupt {
            // An interrupt while nobody sleeps turns interrupts off.
            self.look();
            let before = self.disk.interrupts();
            let done = self.send(1);
            self.disk.work();
            assert_eq!(self.disk.interrupts(), before, "the driver thinks that somebody sleeps");
            assert_eq!(self.answers(&done), [Ok(())]);
        }
        self.disk.transport.assert_notified();
    }

    fn fill(&self, segments: u16, request: impl Fn() -> Box<Request>) {
        let capacity = match self.ring.contains(Features::RING_INDIRECT_DESC) {
            true => ENTRIES,
            false => ENTRIES / segments,
        };
        let done = CompletionQueue::new(usize::from(capacity) + 1);
        self.disk.plan_faults(vec![Some(Fault::Lose); capacity.into()]);
        for _ in 0..capacity {
            self.driver.submit(request(), &done, IfFull::Fail).unwrap();
        }
        let full = self.driver.submit(request(), &done, IfFull::Fail).unwrap_err();
        assert_eq!(full.error, Error::WouldBlock);
        self.disk.work();
        self.disk.finish_lost();
        let reaper = self.reaper(&done);
        for _ in 0..capacity {
            assert_eq!(reaper.next().unwrap().result, Ok(()));
        }
        assert!(reaper.next().is_none());
    }

    /// Every request fails at once, and the device has been told.
    pub fn assert_dead(&self) {
        assert_eq!(self.status(), DeviceStatus::FAILED);
        assert_eq!(self.driver.read_block(0, &mut [0; SECTOR_SIZE]), Err(Error::Dead));
        assert_eq!(self.driver.write_block(0, &[0; SECTOR_SIZE]), Err(Error::Dead));
        assert_eq!(self.driver.flush(), Err(Error::Dead));
        let done = CompletionQueue::new(1);
        let refused = self.driver.submit(read_request(0), &done, IfFull::Wait).unwrap_err();
        assert_eq!((refused.error, refused.request.buffers.len()), (Error::Dead, 1));
        assert_eq!((done.open(), self.driver.poll()), (0, 0));
    }
}

/// A read of one sector.
pub fn read_request(sector: u64) -> Box<Request> {
    Request::new(Operation::Read, sector, vec![Buffer::alloc(SECTOR_SIZE).unwrap()])
}
