//! A disk in memory that writes down what is done to it, fails when it is told to, and counts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sfs::Storage;
pub use sfs_reader::{
    image::{BLOCK, Image, SECTOR, SECTORS, Sector},
    log::{Event, Log},
};

/// The content of a block after it was forgotten.
const FORGOTTEN: u8 = 0xf0;

/// A failure of the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Trouble {
    /// The error that the proof asked for.
    #[error("an error made on purpose")]
    Made,
    /// The file system asks for something that is not there.
    #[error("there are no such bytes on the disk")]
    Stray,
    /// More accesses than the proof allows: a loop without end, most likely.
    #[error("more accesses than allowed")]
    TooMany,
}

/// An error that the disk makes.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The first access that fails; the next one is number 0.
    pub at: u64,
    /// The number of accesses that fail from there on.
    pub times: u64,
    /// The part of a failed write that is done nevertheless, in sectors.
    pub sectors: usize,
}

/// The disk. Copies are the same disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    image: Image,
    log: Vec<Event>,
    recording: bool,
    accesses: u64,
    limit: u64,
    fault: Option<Fault>,
    /// Errors made.
    failed: u64,
    /// A request for something that is not there.
    stray: Option<String>,
    flushes: u64,
    /// The flush that is acknowledged and not done.
    dropped: Option<u64>,
}

impl Disk {
    /// A disk with this content, which does not write down anything.
    pub fn new(image: Image) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            image,
            log: Vec::new(),
            recording: false,
            accesses: 0,
            limit: u64::MAX,
            fault: None,
            failed: 0,
            stray: None,
            flushes: 0,
            dropped: None,
        })))
    }

    /// Starts to write down.
    pub fn record(&self) -> Image {
        let mut inner = self.inner();
        inner.recording = true;
        inner.log.clear();
        inner.flushes = 0;
        inner.image.clone()
    }

    /// The number of events written down.
    pub fn position(&self) -> usize {
        self.inner().log.len()
    }

    /// Takes what was written down.
    pub fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.inner().log)
    }

    /// The content, with all that was written.
    pub fn image(&self) -> Image {
        self.inner().image.clone()
    }

    /// Reads, writes and flushes so far.
    pub fn accesses(&self) -> u64 {
        self.inner().accesses
    }

    /// Lets so many more accesses pass, and none after them.
    pub fn limit(&self, accesses: u64) {
        let mut inner = self.inner();
        inner.limit = inner.accesses + accesses;
    }

    /// Makes an error, counted from now on; `None` makes none any more.
    pub fn fail(&self, fault: Option<Fault>) {
        let mut inner = self.inner();
        let now = inner.accesses;
        inner.fault = fault.map(|fault| Fault { at: now + fault.at, ..fault });
    }

    /// The number of errors made.
    pub fn failed(&self) -> u64 {
        self.inner().failed
    }

    /// Acknowledges the flush with this number, counted from the start of the record, without doing it.
    pub fn drop_flush(&self, number: u64) {
        self.inner().dropped = Some(number);
    }

    /// Words on an access beyond the disk or across the end of a block, or on too many accesses.
    pub fn stray(&self) -> Option<String> {
        self.inner().stray.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Counts one access, and fails if it has to.
    fn access(&mut self) -> Result<(), Trouble> {
        let number = self.accesses;
        self.accesses += 1;
        if number >= self.limit {
            self.stray.get_or_insert_with(|| "more accesses than allowed".into());
            return Err(Trouble::TooMany);
        }
        match self.fault {
            Some(fault) if number >= fault.at && number - fault.at < fault.times => {
                self.failed += 1;
                Err(Trouble::Made)
            }
            _ => Ok(()),
        }
    }

    /// Checks that the bytes lie in one block of the disk.
    fn within(
        &mut self,
        what: &str,
        block: u32,
        offset: usize,
        length: usize,
    ) -> Result<(), Trouble> {
        let inside = offset.checked_add(length).is_some_and(|end| end <= BLOCK);
        if block < self.image.len() && inside {
            return Ok(());
        }
        self.stray.get_or_insert_with(|| {
            let blocks = self.image.len();
            format!("{what} of {length} bytes at {offset} of block {block}, of {blocks} blocks")
        });
        Err(Trouble::Stray)
    }

    /// Writes, and writes down every sector that changes; at most `sectors` of them.
    fn put(&mut self, block: u32, offset: usize, data: &[u8], sectors: usize) {
        let Some(old) = self.image.block(block).copied() else { return };
        let mut new = old;
        new[offset..offset + data.len()].copy_from_slice(data);
        // A disk that ends inside the block keeps what lies on it.
        let end = self.image.bytes() - u64::from(block) * BLOCK as u64;
        if let Some(behind) = new.get_mut(end as usize..) {
            behind.fill(0);
        }
        let touched = offset / SECTOR..(offset + data.len()).div_ceil(SECTOR);
        for index in touched.take(sectors) {
            let content: &Sector = &new.as_chunks().0[index];
            if content == &old.as_chunks::<SECTOR>().0[index] {
                continue;
            }
            let sector = block * SECTORS as u32 + index as u32;
            self.image.set_sector(sector, content);
            if self.recording {
                self.log.push(Event::Write(sector, Box::new(*content)));
            }
        }
    }
}

impl Storage for Disk {
    type Error = Trouble;

    fn capacity(&self) -> u64 {
        self.inner().image.bytes()
    }

    fn read(&self, block: u32, offset: usize, data: &mut [u8]) -> Result<(), Trouble> {
        let mut inner = self.inner();
        inner.access()?;
        inner.within("read", block, offset, data.len())?;
        if let Some(content) = inner.image.block(block) {
            data.copy_from_slice(&content[offset..offset + data.len()]);
        }
        Ok(())
    }

    fn write(&self, block: u32, offset: usize, data: &[u8]) -> Result<(), Trouble> {
        let mut inner = self.inner();
        let allowed = inner.access();
        inner.within("write", block, offset, data.len())?;
        let sectors = match (allowed, inner.fault) {
            (Ok(()), _) => SECTORS,
            (Err(Trouble::Made), Some(fault)) => fault.sectors,
            (Err(_), _) => 0,
        };
        inner.put(block, offset, data, sectors);
        allowed
    }

    fn view(&self, block: u32, look: &mut dyn FnMut(&[u8])) -> Result<(), Trouble> {
        let content = {
            let mut inner = self.inner();
            inner.access()?;
            inner.within("view", block, 0, BLOCK)?;
            inner.image.block(block).copied()
        };
        if let Some(content) = content {
            look(&content);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Trouble> {
        let mut inner = self.inner();
        inner.access()?;
        let number = inner.flushes;
        inner.flushes += 1;
        if inner.recording && inner.dropped != Some(number) {
            inner.log.push(Event::Flush);
        }
        Ok(())
    }

    /// Ruins the block, as a disk may: whoever forgets a block that is still needed loses it.
    fn forget(&self, block: u32) {
        let mut inner = self.inner();
        for sector in [0, SECTORS - 1] {
            if block < inner.image.len() {
                inner.put(block, sector * SECTOR, &[FORGOTTEN; SECTOR], 1);
            }
        }
    }
}
