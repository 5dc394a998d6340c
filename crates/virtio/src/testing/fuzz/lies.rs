//! The choice of the random disk's next step: its work, or one of many ways to do wrong.

use core::sync::atomic::Ordering;

use super::{
    super::fake::DeviceMemory,
    STEP,
    device::{Inner, Registers},
    ledger::{Job, PLACE, kind},
};
use crate::{
    device::blk::BlkFeatures,
    transport::{DeviceStatus, InterruptStatus},
};

impl Inner {
    /// One step.
    pub fn step(&mut self) {
        if self.frozen {
            return;
        }
        STEP.store(self.steps, Ordering::Relaxed);
        if self.rng.u32(0..1000) < self.malice {
            self.steps += 1;
            return self.lie();
        }
        if self.rng.bool() && self.take() {
            self.steps += 1;
        } else if let Some(mut job) = self.any_taken() {
            self.steps += 1;
            self.execute(&mut job);
            let length = job.complete();
            self.give_back(job, length);
            self.interrupt_if_wanted();
        } else if self.take() {
            self.steps += 1;
        }
    }

    fn interrupt_if_wanted(&mut self) {
        if self.queue.as_mut().is_some_and(|queue| queue.should_interrupt()) {
            self.interrupt(InterruptStatus::USED_BUFFER, 1);
        }
    }

    fn lie(&mut self) {
        match self.rng.u32(0..64) {
            0..16 => self.lie_in_the_answer(),
            16..28 => self.lie_in_the_used_ring(),
            28..36 => self.scribble(),
            36..44 => {
                // It loses a chain for good, or returns several in one go.
                let several = self.rng.u32(0..4);
                _ = self.any_taken();
                for _ in 0..several {
                    self.answer(0);
                }
            }
            44..50 => {
                let causes = InterruptStatus::from_bits_retain(self.rng.u32(..));
                self.interrupt(causes, 1);
            }
            50 => {
                let times = self.rng.u32(1..40);
                self.steps += u64::from(times) - 1;
                self.interrupt(InterruptStatus::all(), times);
            }
            51..58 => self.change_config(),
            58 => {
                self.registers.status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
                if self.rng.bool() {
                    self.interrupt(InterruptStatus::CONFIGURATION_CHANGE, 1);
                }
            }
            _ => {
                // Bits that mean nothing.
                let bits = self.rng.u32(..) & 0xffff_ff30;
                self.registers.status.insert(DeviceStatus::from_bits_retain(bits));
            }
        }
    }

    /// Answers some chain with this status, all the rest being right.
    fn answer(&mut self, status: u8) {
        if let Some(mut job) = self.any_taken() {
            self.execute(&mut job);
            job.write_status(status);
            let length = job.complete();
            self.give_back(job, length);
        }
    }

    /// The chain is the right one, and something about its answer is wrong.
    fn lie_in_the_answer(&mut self) {
        let Some(mut job) = self.any_taken() else { return };
        let complete = job.complete();
        let status = self.rng.u8(..);
        let (short, junk) = (self.rng.u32(0..complete), self.rng.u32(..));
        match self.rng.u32(0..8) {
            // A status that is none, or a failure.
            0 | 1 => {
                self.execute(&mut job);
                job.write_status([status, 1, 2, 0xff][usize::from(status % 4)]);
                self.give_back(job, complete);
            }
            // Not a word.
            2 => self.give_back(job, complete),
            // Less than it should be, in what it says or also in what it does.
            3 => {
                self.execute(&mut job);
                self.give_back(job, short);
            }
            4 => {
                self.write_some(&job);
                job.write_status(0);
                self.give_back(job, short);
            }
            // It says to have done what it has not done: nobody can know.
            5 => {
                self.write_some(&job);
                job.write_status(0);
                self.give_back(job, complete);
            }
            6 => {
                self.execute(&mut job);
                self.give_back(job, junk);
            }
            // Data in part, and then nothing: the chain stays where it is.
            _ => {
                self.write_some(&job);
                self.taken.push(job);
            }
        }
        if self.rng.bool() {
            self.interrupt_if_wanted();
        }
    }

    /// Writes wrong data over a part of what a read asks for.
    fn write_some(&mut self, job: &Job) {
        if job.kind == kind::IN {
            for (sector, offset) in job.offsets() {
                if self.rng.bool() {
                    let mark = self.rng.u64(..);
                    self.ledger.write(job, sector, offset, mark);
                }
            }
        }
    }

    /// Puts something into the used ring that is not the return of a chain.
    fn lie_in_the_used_ring(&mut self) {
        let Some(next) = self.queue.as_ref().map(|queue| queue.next_used) else { return };
        let (near, far) = (self.rng.u16(0..6), self.rng.u16(..));
        match self.rng.u32(0..10) {
            // An entry, announced or not.
            0 => {
                let (id, length) = (self.any_id(), self.any_length());
                self.write_used(far, id, length);
            }
            1 | 2 => {
                let (id, length) = (self.any_id(), self.any_length());
                self.write_used(next, id, length);
                if let Some(queue) = &mut self.queue {
                    queue.next_used = next.wrapping_add(1);
                }
                self.write_index(next.wrapping_add(1));
            }
            // The last one becomes another one.
            3 => {
                let again = self.returned.back().map(|job| job.chain.head.into());
                let id = again.filter(|_| near < 4).unwrap_or_else(|| self.any_id());
                let length = self.any_length();
                self.write_used(next.wrapping_sub(1), id, length);
            }
            4 | 5 => self.write_index(next.wrapping_add(near)),
            6 => self.write_index(next.wrapping_sub(near)),
            7 => self.write_index(far),
            8 => self.queue.iter_mut().for_each(|queue| queue.set_avail_event(far)),
            _ => self.queue.iter_mut().for_each(|queue| queue.set_no_notify(near % 2 == 0)),
        }
    }

    fn any_id(&mut self) -> u32 {
        match self.rng.u32(0..4) {
            0 => self.rng.u32(..),
            1 => self.taken.last().map_or(0, |job| job.chain.head.into()),
            _ => self.rng.u32(0..68),
        }
    }

    fn any_length(&mut self) -> u32 {
        match self.rng.u32(0..4) {
            0 => self.rng.u32(..),
            1 => 0,
            _ => self.rng.u32(1..2000),
        }
    }

    /// Writes a used entry. From here on the chain that it names counts as returned.
    fn write_used(&mut self, position: u16, id: u32, length: u32) {
        let Some(queue) = &self.queue else { return };
        queue.write_used(position, id, length);
        self.named(id, length);
    }

    fn named(&mut self, id: u32, length: u32) {
        let own = |job: &Job| u32::from(job.chain.head) == id;
        if let Some(place) = self.taken.iter().position(own) {
            let job = self.taken.swap_remove(place);
            self.ledger.returned(&job, length);
            return;
        }
        if let Some(job) = self.returned.iter().rev().find(|job| own(job)) {
            self.ledger.returned(job, length);
        }
        if let Ok(head) = u16::try_from(id)
            && self.doomed.len() < 64
        {
            self.doomed.push(head);
        }
    }

    /// Writes the used index. What it announces without having been written now, it had named in
    /// an earlier round.
    fn write_index(&mut self, index: u16) {
        let Some((next, size)) = self.queue.as_ref().map(|queue| (queue.next_used, queue.size))
        else {
            return;
        };
        if index.wrapping_sub(next) <= size {
            for ahead in 0..index.wrapping_sub(next) {
                let entry =
                    self.queue.as_ref().map(|queue| queue.used_entry(next.wrapping_add(ahead)));
                if let Some((id, length)) = entry {
                    self.named(id, length);
                }
            }
        }
        self.queue.iter().for_each(|queue| queue.write_used_index(index));
    }

    /// Writes over memory that it was given, whether to read or to write.
    fn scribble(&mut self) {
        if self.rng.bool() {
            // What it wants to know of the rings it takes first, not to confuse itself.
            while self.take() {}
            self.queue.iter_mut().for_each(|queue| queue.scribble());
            return;
        }
        let byte = self.rng.u8(..);
        let Some(mut job) = self.any_taken() else { return };
        if let Some(header) = job.chain.buffers.first() {
            assert!(DeviceMemory::write(header.address, &[byte; 16]));
        }
        if job.kind == kind::OUT {
            job.chain.overwrite(byte);
        } else {
            self.write_some(&job);
        }
        job.write_status(byte);
        self.taken.push(job);
    }

    fn change_config(&mut self) {
        let right = self.ledger.entries.len() as u64 * PLACE;
        let capacity = match self.rng.u32(0..8) {
            0 => 0,
            1 => self.rng.u64(0..right),
            2 => u64::MAX,
            _ => right,
        };
        self.registers.set_capacity(capacity);
        self.registers.unsteady = [0, 0, 3, 40][self.rng.usize(0..4)];
        if self.rng.bool() {
            self.interrupt(InterruptStatus::CONFIGURATION_CHANGE, 1);
        }
    }

    /// Begins a reset: takes back the lies of the last one, and may choose what is different after
    /// this one. Returns the number of reads of the status that it takes.
    pub fn lie_about_reset(&mut self) -> u32 {
        let capacity = self.ledger.entries.len() as u64 * PLACE;
        self.registers.mend(capacity);
        if self.rng.u32(0..1000) >= self.malice * 2 {
            return 0;
        }
        self.steps += 1;
        let registers = &mut self.registers;
        match self.rng.u32(0..16) {
            0 => registers.offered ^= BlkFeatures::BLK_FLUSH.bits(),
            1 => registers.config[20..24].copy_from_slice(&4096u32.to_le_bytes()),
            2 => registers.queue_size_max = 1,
            3 => registers.always_ready = true,
            4 => registers.refuses_features = true,
            5 => registers.unsteady = 1000,
            6 => registers.set_capacity(u64::MAX),
            7 => registers.set_capacity(capacity / 2),
            _ => {}
        }
        self.rng.u32(0..40)
    }
}

impl Registers {
    fn set_capacity(&mut self, capacity: u64) {
        self.config[..8].copy_from_slice(&capacity.to_le_bytes());
        self.generation += 1;
    }

    /// Takes back all lies.
    pub fn mend(&mut self, capacity: u64) {
        self.offered = self.own_features;
        self.config[20..24].copy_from_slice(&512u32.to_le_bytes());
        self.set_capacity(capacity);
        (self.queue_size_max, self.unsteady) = (64, 0);
        (self.always_ready, self.refuses_features) = (false, false);
    }
}
