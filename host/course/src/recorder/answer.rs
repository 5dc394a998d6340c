//! Carrying requests out, and choosing the moment of an answer.

use std::{
    sync::PoisonError,
    thread,
    time::{Duration, Instant},
};

use hostile::{
    device::{
        config::SERIAL_BYTES,
        disk::{IO_ERROR, OK, UNSUPPORTED},
    },
    session::Served as _,
    wire::Wire,
};
use lab::image::SECTOR;
use vhost_user_backend::{VringRwLock, VringT};
use vm_memory::{Address, Bytes, GuestMemoryError, GuestMemoryMmap};

use super::{Recorder, Unwished, Waiting};
use crate::request::Kind;

/// The most bytes of data that a request may make the device write.
const MOST_WRITTEN: usize = 16 << 20;

impl Recorder {
    /// Carries a request out, writes the answer, and interrupts if the driver wishes that.
    pub(super) fn answer(
        &mut self,
        request: &Waiting,
        vring: &VringRwLock,
        memory: &GuestMemoryMmap,
    ) -> Result<(), GuestMemoryError> {
        let room: usize = request.room.iter().map(|span| span.length as usize).sum();
        // Without room for a status there is none for anything.
        if let Some(capacity) = room.checked_sub(1) {
            let fits = capacity <= MOST_WRITTEN;
            let (status, mut bytes) = match fits {
                true => self.execute(request, capacity),
                false => {
                    let head = request.head;
                    self.complain(&format!(
                        "chain {head} has room for more than {MOST_WRITTEN} bytes of data"
                    ));
                    (IO_ERROR, Vec::new())
                }
            };
            if status == OK || fits && self.manner.nameless {
                bytes.resize(capacity, 0);
                bytes.push(status);
                let mut rest = &bytes[..];
                for span in &request.room {
                    let (piece, behind) = rest.split_at(rest.len().min(span.length as usize));
                    rest = behind;
                    memory.write_slice(piece, span.address)?;
                }
            } else if let Some(span) = request.room.iter().rfind(|span| span.length > 0)
                && let Some(last) = span.address.checked_add(u64::from(span.length) - 1)
            {
                // Of a request that failed, only the status is written.
                memory.write_obj(status, last)?;
            }
            if let Some(place) = request.place {
                self.recording.requests[place].status = Some(status);
            }
        }
        if matches!(request.kind, Kind::In | Kind::Out) {
            if self.manner.grows.is_some_and(|(moves, _)| self.moves == moves) {
                self.grow();
            }
            if self.manner.until_wished && self.recording.unwished.is_none() {
                self.wait_for_wish(memory)?;
            }
        }
        let Some(ring) = &mut self.ring else { return Ok(()) };
        ring.put(memory, request.head.into(), room as u32)?;
        ring.publish(memory)?;
        if ring.wants_interrupt(memory)? {
            self.recording.interrupts += 1;
            if let Some(place) = request.place {
                self.recording.requests[place].interrupts = true;
            }
            // Without a queue there is no one to interrupt.
            let _ = vring.signal_used_queue();
        }
        Ok(())
    }

    /// Waits until the driver has asked for an interrupt for this answer.
    fn wait_for_wish(&mut self, memory: &GuestMemoryMmap) -> Result<(), GuestMemoryError> {
        let Some(ring) = &self.ring else { return Ok(()) };
        let begin = Instant::now();
        while !ring.is_interrupt_wished(memory)? {
            if begin.elapsed() > self.manner.patience {
                let entry = ring.wished_entry(memory)?;
                self.recording.unwished = Some(Unwished { entry });
                return Ok(());
            }
            thread::sleep(Duration::from_micros(50));
        }
        // Whoever has asked looks once more and goes to sleep.
        thread::sleep(Duration::from_millis(1));
        Ok(())
    }

    /// Takes its later capacity on, and waits until QEMU knows, which is the host's affair alone.
    fn grow(&mut self) {
        let Some((_, capacity)) = self.manner.grows else { return };
        let asked = |wire: &Wire| wire.log().iter().filter(|name| *name == "GET_CONFIG").count();
        let before = asked(&self.wire);
        self.config.lock().unwrap_or_else(PoisonError::into_inner).capacity = capacity;
        self.wire.config_changed();
        let begin = Instant::now();
        while asked(&self.wire) == before {
            if begin.elapsed() > self.manner.patience {
                self.recording.untold = true;
                return;
            }
            thread::sleep(Duration::from_micros(200));
        }
    }

    fn execute(&mut self, request: &Waiting, capacity: usize) -> (u8, Vec<u8>) {
        if matches!(request.kind, Kind::In | Kind::Out) {
            self.moves += 1;
            if self.manner.fails == Some(self.moves - 1) {
                return (IO_ERROR, Vec::new());
            }
        }
        let serial = self.manner.config.serial;
        let bytes = &mut self.bytes;
        let range = |length: usize| {
            let start = usize::try_from(request.sector).ok()?.checked_mul(SECTOR)?;
            let whole = length > 0 && length.is_multiple_of(SECTOR);
            whole.then_some(start..start.checked_add(length)?)
        };
        match request.kind {
            Kind::In => match range(capacity).and_then(|range| bytes.get(range)) {
                Some(sectors) => (OK, sectors.to_vec()),
                None => (IO_ERROR, Vec::new()),
            },
            Kind::Out => match range(request.data.len()).and_then(|range| bytes.get_mut(range)) {
                Some(sectors) => {
                    sectors.copy_from_slice(&request.data);
                    (OK, Vec::new())
                }
                None => (IO_ERROR, Vec::new()),
            },
            Kind::Flush => (OK, Vec::new()),
            Kind::GetId if self.manner.nameless => (UNSUPPORTED, vec![b'?'; capacity]),
            Kind::GetId => (OK, serial[..capacity.min(SERIAL_BYTES)].to_vec()),
            Kind::Other(_) => (UNSUPPORTED, Vec::new()),
            Kind::None => (IO_ERROR, Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use hostile::device::{config::Config, request::Span};
    use vm_memory::{GuestAddress, GuestAddressSpace, GuestMemoryAtomic};

    use super::*;
    use crate::recorder::Manner;

    const STATUS: GuestAddress = GuestAddress(0x2000);

    fn memory() -> GuestMemoryAtomic<GuestMemoryMmap> {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x10000)]).unwrap();
        memory.write_obj(0xffu8, STATUS).unwrap();
        GuestMemoryAtomic::new(memory)
    }

    /// A disk that has met no QEMU.
    fn alone(manner: Manner, memory: &GuestMemoryAtomic<GuestMemoryMmap>) -> Recorder {
        Recorder::new(manner, vec![7; 4 * SECTOR], memory.clone(), Wire::default())
    }

    #[test]
    fn gigantic_room_gets_no_more_than_a_status() {
        for kind in [Kind::In, Kind::Flush, Kind::GetId] {
            for nameless in [false, true] {
                let memory = memory();
                let manner = Manner { nameless, ..Manner::prompt(Config::honest()) };
                let mut disk = alone(manner, &memory);
                let vring = VringRwLock::new(memory.clone(), 16).unwrap();
                let room = [(0x1000, u32::MAX), (0x2000, 1), (0x3000, 0)]
                    .map(|(address, length)| Span { address: GuestAddress(address), length });
                let waiting = Waiting {
                    head: 0,
                    place: None,
                    kind,
                    sector: 0,
                    data: Vec::new(),
                    room: room.into(),
                };
                disk.answer(&waiting, &vring, &memory.memory()).unwrap();
                let memory = memory.memory();
                assert_eq!(memory.read_obj::<u8>(STATUS).unwrap(), IO_ERROR);
                assert_eq!(memory.read_obj::<u8>(GuestAddress(0x1000)).unwrap(), 0);
                assert_eq!(disk.recording.complaints.len(), 1);
            }
        }
    }

    #[test]
    fn a_change_that_qemu_does_not_see_is_told() {
        let manner = Manner {
            grows: Some((0, 8)),
            patience: Duration::ZERO,
            ..Manner::prompt(Config::honest())
        };
        let mut disk = alone(manner, &memory());
        disk.grow();
        assert!(disk.recording.untold);
    }
}
