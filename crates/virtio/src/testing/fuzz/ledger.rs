//! A record of the work of the random device, for comparison with the driver's answers.
//!
//! Every request in flight has a *place* of its own: 64 sectors that no other request touches. So
//! the sector in a request header tells which request it is.

use alloc::vec::Vec;

use block::SECTOR_SIZE;

use super::super::fake::DeviceChain;

/// The sectors of one place.
pub const PLACE: u64 = 64;

/// The types of requests, VIRTIO 1.3 section 5.2.6.
pub mod kind {
    pub const IN: u32 = 0;
    pub const OUT: u32 = 1;
    pub const FLUSH: u32 = 4;
    pub const GET_ID: u32 = 8;
    pub const DISCARD: u32 = 11;
    pub const WRITE_ZEROES: u32 = 13;
}

/// The mark at the start of each sector that the submitter leaves in a buffer.
pub fn mark(tag: u64, sector: u64) -> u64 {
    (tag << 20 | sector).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// One request, as far as the device has got with it.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// The request's mark.
    pub tag: u64,
    /// The mark at the start of each sector of its memory, first sector of the place first.
    pub marks: Vec<u64>,
    /// The sectors that were delivered, a bit each.
    pub delivered: u64,
}

/// A chain that the device has taken.
#[derive(Clone, Debug)]
pub struct Job {
    pub chain: DeviceChain,
    pub kind: u32,
    pub sector: u64,
    pub sectors: u64,
    /// The mark of its request.
    pub tag: u64,
    /// The last status byte that was written to it.
    pub status: Option<u8>,
}

impl Job {
    /// Reads from a chain what the device has to do, and checks what must be true of it.
    ///
    /// # Panics
    ///
    /// The chain breaks a rule or names memory that is not for devices.
    pub fn new(chain: DeviceChain) -> Self {
        assert!(chain.is_in_memory(), "memory that is not for devices");
        let mut header = [0; 16];
        chain.read_at(0, &mut header);
        let number = |range: core::ops::Range<usize>| {
            header[range].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        let (kind, mut sector) = (number(0..4) as u32, number(8..16));
        let readable = u64::from(chain.readable_length()) - 16;
        let writable = u64::from(chain.writable_length()) - 1;
        let sectors = match kind {
            kind::IN => {
                assert_eq!((readable, writable % 512), (0, 0));
                writable / 512
            }
            kind::OUT => {
                assert_eq!((readable % 512, writable), (0, 0));
                readable / 512
            }
            kind::FLUSH => {
                assert_eq!((readable, writable, sector), (0, 0, 0));
                0
            }
            kind::GET_ID => {
                assert_eq!((readable, writable, sector), (0, 20, 0));
                0
            }
            kind::DISCARD | kind::WRITE_ZEROES => {
                assert_eq!((readable, writable, sector), (16, 0, 0));
                let mut range = [0; 16];
                chain.read_at(16, &mut range);
                sector = u64::from_le_bytes(range[..8].try_into().unwrap());
                u32::from_le_bytes(range[8..12].try_into().unwrap()).into()
            }
            _ => panic!("no such request: {kind}"),
        };
        assert!(kind == kind::FLUSH || kind == kind::GET_ID || sectors > 0, "{kind}");
        let mut poison = [0];
        chain.read_written(chain.writable_length() - 1, &mut poison);
        assert_eq!(poison, [0xff], "the answer looks given already");
        Self { chain, kind, sector, sectors, tag: 0, status: None }
    }

    /// The number of bytes that the device must have written for a complete answer.
    pub fn complete(&self) -> u32 {
        self.chain.writable_length()
    }

    /// The offsets of its sectors in its data.
    pub fn offsets(&self) -> impl Iterator<Item = (u64, usize)> {
        (self.sector..self.sector + self.sectors).zip((0..).step_by(SECTOR_SIZE))
    }

    pub fn write_status(&mut self, status: u8) {
        self.chain.write(self.complete() as usize - 1, &[status]);
        self.status = Some(status);
    }
}

/// All that the device has done.
#[derive(Debug)]
pub struct Ledger {
    pub entries: Vec<Entry>,
    /// Flushes that were delivered.
    pub flushes: u64,
    legacy: bool,
}

impl Ledger {
    pub fn new(places: usize, legacy: bool) -> Self {
        Self { entries: (0..places).map(|_| Entry::default()).collect(), flushes: 0, legacy }
    }

    /// A new request begins at a place.
    pub fn begin(&mut self, place: usize, tag: u64, sectors: u64) {
        let first = place as u64 * PLACE;
        let entry = &mut self.entries[place];
        (entry.tag, entry.delivered) = (tag, 0);
        entry.marks.clear();
        entry.marks.extend((first..first + sectors).map(|sector| mark(tag, sector)));
    }

    fn entry(&mut self, sector: u64) -> &mut Entry {
        &mut self.entries[(sector / PLACE) as usize]
    }

    /// The mark of the request that is at the place of a sector.
    pub fn tag(&mut self, sector: u64) -> u64 {
        self.entry(sector).tag
    }

    /// The mark that the submitter, or the device, left at the start of a sector.
    pub fn mark(&mut self, sector: u64) -> u64 {
        self.entry(sector).marks[(sector % PLACE) as usize]
    }

    /// The device writes the start of a sector of data.
    pub fn write(&mut self, job: &Job, sector: u64, offset: usize, mark: u64) {
        job.chain.write(offset, &mark.to_le_bytes());
        self.entry(sector).marks[(sector % PLACE) as usize] = mark;
    }

    /// The device has put the chain into the used ring with this length.
    pub fn returned(&mut self, job: &Job, length: u32) {
        if job.status != Some(0) || length < job.complete() && !self.legacy {
            return;
        }
        match job.kind {
            kind::FLUSH => self.flushes += 1,
            kind::GET_ID => {}
            _ => {
                // A chain of an earlier request at this place delivers nothing to the present one.
                for sector in job.sector..job.sector + job.sectors {
                    let entry = self.entry(sector);
                    if entry.tag == job.tag {
                        entry.delivered |= 1 << (sector % PLACE);
                    }
                }
            }
        }
    }
}
