//! The lies, one arm each. The numbers are the rows of the table of misbehaviour.

use std::{
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use vhost_user_backend::VringRwLock;
use vm_memory::{Bytes, GuestAddress, GuestMemoryError};

use super::{
    Device, Memory, Told,
    config::SECTORS,
    disk::{Answer, IO_ERROR, OK},
    interrupt, lock,
    plan::Plan,
    request::Request,
};
use crate::mode::Lie;

type Result<T> = std::result::Result<T, GuestMemoryError>;

/// An id that no queue has: the largest has 32,768 entries in the specification, 1024 in QEMU.
const ID_BEYOND: u32 = 9999;

/// The duration of an interrupt storm.
const STORM: Duration = Duration::from_secs(1);

impl Device {
    /// Lies about a request.
    pub(super) fn tell(
        &mut self,
        lie: Lie,
        request: Request,
        vring: &VringRwLock,
        memory: &Memory,
    ) -> Result<()> {
        // With everything the driver has to send in hand, nothing it does meanwhile makes a lie come true.
        self.gather(vring, memory);
        let honest = self.disk.execute(&request);
        if let Plan::Script(_) = self.plan {
            self.diary.told.push(Told { lie, reset: false });
        }
        match lie {
            Lie::None | Lie::EarlyInterrupts => self.deliver(&request, &honest, memory),

            // Rows 1 to 6: the driver can have no trust in the queue any more. The device plays dead until
            // it is reset, so that a driver that notices nothing does not come out well by luck. In a script it
            // goes on instead: there what it knows of the driver tells.
            Lie::IdBeyondQueue => {
                self.break_queue(&request, Answer { id: ID_BEYOND, ..honest }, vring, memory)
            }
            Lie::IdNotOutstanding => {
                let id = self.free_descriptor(&request);
                self.break_queue(&request, Answer { id, ..honest }, vring, memory)
            }
            Lie::IdTwice => {
                // Both at once, so that the driver has no time to send something new under the same id.
                self.write(&request, &honest, memory)?;
                if let Some(ring) = &mut self.ring {
                    ring.put(memory, honest.id, honest.written)?;
                }
                self.break_queue(&request, honest, vring, memory)
            }
            Lie::IndexOff(by) => {
                let lie = |next: u16| next.wrapping_add_signed(by);
                self.wrong_index(lie, &request, &honest, vring, memory)
            }
            Lie::IndexOneTooFar => {
                let outstanding = self.pending.len() as u16 + 1;
                let lie = |next: u16| next.wrapping_add(outstanding + 1);
                self.wrong_index(lie, &request, &honest, vring, memory)
            }
            Lie::LengthOver(by) => {
                let written = request.room().saturating_add(by);
                self.break_queue(&request, Answer { written, ..honest }, vring, memory)
            }
            Lie::LengthHuge => {
                self.break_queue(&request, Answer { written: u32::MAX, ..honest }, vring, memory)
            }

            // Rows 7 to 9: one request went wrong, the queue did not.
            Lie::LengthZero => self.deliver(&request, &Answer { written: 0, ..honest }, memory),
            Lie::LengthHalf => {
                self.deliver(&request, &Answer { written: request.room() / 2, ..honest }, memory)
            }
            Lie::NoStatus => self.deliver(&request, &Answer { status: None, ..honest }, memory),
            Lie::Status(status) => {
                self.deliver(&request, &Answer { status: Some(status), ..honest }, memory)
            }

            // Rows 10 and 11: the device works, and interrupts more often than that.
            Lie::SpuriousInterrupts => {
                for _ in 0..200 {
                    interrupt(vring);
                    thread::sleep(Duration::from_micros(200));
                }
                self.deliver(&request, &honest, memory)
            }
            Lie::InterruptStorm => {
                self.storm(vring);
                self.deliver(&request, &honest, memory)
            }

            // Row 12: what never comes.
            Lie::Lost => Ok(()),
            Lie::Silence => {
                self.mute = true;
                Ok(())
            }
            Lie::NoInterrupts => {
                self.quiet = true;
                self.deliver(&request, &honest, memory)
            }
            Lie::Vanish => {
                self.mute = true;
                self.wire.hang_up();
                Ok(())
            }

            // Row 14: garbage in all memory that the driver alone writes.
            Lie::Scribble => {
                self.scribble(&request, memory)?;
                self.deliver(&request, &honest, memory)
            }

            // Row 15: what the driver reads twice is two different things.
            Lie::Flicker => self.flicker(&request, &honest, vring, memory),

            // Rows 16 and 29: the configuration changes under the driver.
            Lie::ConfigStorm => {
                self.config_storm();
                self.deliver(&request, &honest, memory)
            }
            Lie::Shrink(sectors) => {
                self.disk.shrink(sectors);
                lock(&self.config).capacity = sectors;
                self.wire.config_changed();
                self.deliver(&request, &honest, memory)
            }

            // Row 30: buffers that are not what they were.
            Lie::FailWithGarbage => {
                let data = garbage(request.capacity());
                let answer = Answer { data, status: Some(IO_ERROR), ..honest };
                self.deliver(&request, &answer, memory)
            }
            Lie::ChangeReadable => {
                for span in &request.readable {
                    memory.write_slice(&garbage(span.length as usize), span.address)?;
                }
                self.deliver(&request, &honest, memory)
            }
        }
    }

    /// Delivers an answer with a lie in the used ring, makes sure that the driver looks, and plays dead.
    fn break_queue(
        &mut self,
        request: &Request,
        answer: Answer,
        vring: &VringRwLock,
        memory: &Memory,
    ) -> Result<()> {
        self.deliver(request, &answer, memory)?;
        self.mute = matches!(self.plan, Plan::Mode(..));
        interrupt(vring);
        Ok(())
    }

    /// Publishes a used index that has nothing to do with the entries. In a script there is an honest entry too.
    fn wrong_index(
        &mut self,
        lie: impl FnOnce(u16) -> u16,
        request: &Request,
        honest: &Answer,
        vring: &VringRwLock,
        memory: &Memory,
    ) -> Result<()> {
        let goes_on = matches!(self.plan, Plan::Script(_));
        if goes_on {
            self.write(request, honest, memory)?;
        }
        if let Some(ring) = &mut self.ring {
            let index = lie(ring.next());
            if goes_on {
                ring.put(memory, honest.id, honest.written)?;
                ring.go_on_from(index);
            }
            ring.publish_index(memory, index)?;
        }
        self.mute = !goes_on;
        interrupt(vring);
        Ok(())
    }

    /// A descriptor of the queue that heads no chain on its way.
    fn free_descriptor(&self, request: &Request) -> u32 {
        let size = self.ring.as_ref().map_or(0, |ring| ring.size());
        let taken = |number: &u16| {
            *number == request.head || self.pending.iter().any(|other| other.head == *number)
        };
        (0..size).rev().find(|number| !taken(number)).unwrap_or(size).into()
    }

    fn storm(&mut self, vring: &VringRwLock) {
        let (vring, ended) = (vring.clone(), self.ended.clone());
        self.threads.push(thread::spawn(move || {
            let begin = Instant::now();
            while begin.elapsed() < STORM && !ended.load(Ordering::Relaxed) {
                interrupt(&vring);
            }
        }));
    }

    fn config_storm(&mut self) {
        let (config, wire, ended) = (self.config.clone(), self.wire.clone(), self.ended.clone());
        self.threads.push(thread::spawn(move || {
            for round in 0..300u64 {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                // Both halves of the number change, so that one from each would be a third capacity.
                lock(&config).capacity =
                    if round % 2 == 0 { 1 << 32 | SECTORS << 1 } else { SECTORS };
                wire.config_changed();
                thread::sleep(Duration::from_micros(500));
            }
        }));
    }

    fn scribble(&mut self, request: &Request, memory: &Memory) -> Result<()> {
        let Some(ring) = &self.ring else { return Ok(()) };
        let requests = self.pending.iter().chain([request]);
        for table in requests.filter_map(|request| request.table) {
            memory.write_slice(&garbage(table.length as usize), table.address)?;
        }
        let size = usize::from(ring.size());
        memory.write_slice(&garbage(size * 16), ring.descriptors())?;
        // Flags, index, entries, and the event index behind them.
        memory.write_slice(&garbage(6 + size * 2), ring.available())?;
        let index: u16 = memory.read_obj(GuestAddress(ring.available().0 + 2))?;
        self.scribbled = Some(index);
        self.eager = true;
        Ok(())
    }

    fn flicker(
        &mut self,
        request: &Request,
        honest: &Answer,
        vring: &VringRwLock,
        memory: &Memory,
    ) -> Result<()> {
        self.write(request, honest, memory)?;
        let Some(ring) = &mut self.ring else { return Ok(()) };
        let index = ring.next();
        ring.put(memory, honest.id, honest.written)?;
        for round in 0..2000u32 {
            for status in [IO_ERROR, 0x77, OK] {
                memory.write_obj(status, request.status())?;
            }
            ring.overwrite(memory, index, round, round.wrapping_mul(0x9e37_79b9))?;
            if round == 200 {
                // A driver that looks all the time finds it in full swing.
                ring.publish(memory)?;
            }
            ring.overwrite(memory, index, honest.id, honest.written)?;
        }
        interrupt(vring);
        Ok(())
    }
}

/// Bytes that mean nothing.
fn garbage(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(length as u64);
    (0..length).map(|_| random.u8(..)).collect()
}
