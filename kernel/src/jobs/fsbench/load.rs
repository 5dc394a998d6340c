//! The work on files, by one thread or by several at once.

use alloc::{format, string::String, vec, vec::Vec};
use core::{hint::black_box, ops::ControlFlow};

use fastrand::Rng;

use super::super::{Failure, failure};
use crate::{
    fs::{Error, FileSystem, Inode},
    progress, task,
};

/// Kinds of work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Reads a file from its start to its end.
    SequentialRead,
    /// Reads the blocks of a file in random order, each of them once.
    RandomRead,
    /// Makes files in a directory, and makes each durable before the next one.
    Create,
    /// Lists a directory, which has been listed before.
    List,
}

/// The load to put on a file system.
#[derive(Clone)]
pub struct Load {
    pub mode: Mode,
    /// The file to read, or the directory.
    pub path: String,
    pub threads: usize,
    /// Bytes that are read or written at once.
    pub block: usize,
    /// The reads, files or listings of each thread; without it, the whole file, or 1.
    pub count: Option<u64>,
}

impl Load {
    /// Finds what the load is for on a mounted file system, and does all that is not to be measured.
    ///
    /// # Errors
    ///
    /// There is nothing at the path.
    pub fn prepare(&self, fs: &FileSystem) -> Result<Ready, Failure> {
        let inode = fs.resolve(&fs.root(), &self.path).map_err(failure::file(&self.path))?;
        let ready = Ready { load: self.clone(), inode, fs: fs.clone() };
        match self.mode {
            // An earlier run may have left something behind.
            Mode::Create => ready.remove_all()?,
            Mode::List => ready.list().map(|_| ())?,
            Mode::SequentialRead | Mode::RandomRead => {}
        }
        Ok(ready)
    }

    /// The reads, files or listings where the command line does not say.
    fn count(&self) -> u64 {
        self.count.unwrap_or(1)
    }
}

/// A load with what it is for.
#[derive(Clone)]
pub struct Ready {
    load: Load,
    inode: Inode,
    fs: FileSystem,
}

impl Ready {
    /// Does the work. Returns the number of reads, of files made, or of entries listed.
    ///
    /// # Errors
    ///
    /// The first error of any thread.
    pub fn run(&self) -> Result<u64, Failure> {
        if self.load.threads == 1 {
            return self.work(0);
        }
        let ready = self.clone();
        let results = task::run_in_tasks("fsbench", self.load.threads, move |thread| {
            ready.work(thread as u64)
        })?;
        results.into_iter().sum()
    }

    /// Takes away what the work has made.
    ///
    /// # Errors
    ///
    /// It cannot be removed.
    pub fn clean_up(&self) -> Result<(), Failure> {
        if self.load.mode == Mode::Create { self.remove_all() } else { Ok(()) }
    }

    /// The share of one thread.
    fn work(&self, thread: u64) -> Result<u64, Failure> {
        match self.load.mode {
            Mode::SequentialRead => self.read(self.share(thread)),
            Mode::RandomRead => {
                let mut places: Vec<u64> = self.share(thread).collect();
                Rng::with_seed(thread).shuffle(&mut places);
                self.read(places.into_iter())
            }
            Mode::Create => self.create(thread),
            Mode::List => (0..self.load.count()).map(|_| self.list()).sum(),
        }
    }

    /// The blocks of the file that a thread reads.
    fn share(&self, thread: u64) -> impl Iterator<Item = u64> + use<> {
        let blocks = u64::from(self.inode.stat().size) / self.load.block.max(1) as u64;
        let each = blocks / self.load.threads.max(1) as u64;
        let wanted = self.load.count.unwrap_or(each).min(each);
        thread * each..thread * each + wanted
    }

    fn read(&self, places: impl Iterator<Item = u64>) -> Result<u64, Failure> {
        let mut data = vec![0; self.load.block];
        let mut count = 0;
        for place in places {
            let read = self.inode.read_at(place * data.len() as u64, &mut data);
            read.map_err(self.failed())?;
            progress::made();
            count += 1;
        }
        Ok(count)
    }

    fn create(&self, thread: u64) -> Result<u64, Failure> {
        let data = vec![b'x'; self.load.block];
        for number in 0..self.load.count() {
            let made = || {
                let file = self.inode.create(&name(thread, number))?;
                file.write_at(0, &data)?;
                file.fsync()
            };
            made().map_err(self.failed())?;
            progress::made();
        }
        Ok(self.load.count())
    }

    fn list(&self) -> Result<u64, Failure> {
        let mut count = 0;
        let listed = self.inode.visit(&mut |entry| {
            black_box(entry);
            count += 1;
            ControlFlow::Continue(())
        });
        listed.map_err(self.failed())?;
        Ok(count)
    }

    fn remove_all(&self) -> Result<(), Failure> {
        for thread in 0..self.load.threads as u64 {
            for number in 0..self.load.count() {
                match self.inode.unlink(&name(thread, number)) {
                    Ok(()) | Err(Error::NotFound) => progress::made(),
                    Err(error) => return Err(self.failed()(error)),
                }
            }
        }
        self.fs.sync().map_err(self.failed())
    }

    fn failed(&self) -> impl FnOnce(Error) -> Failure {
        failure::file(&self.load.path)
    }
}

/// The name of the file that a thread makes.
fn name(thread: u64, number: u64) -> String {
    format!("{thread}-{number}")
}
