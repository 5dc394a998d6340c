//! `job=churn seed=S threads=T count=N [keep=K] [sync_every=E] [one_dir=on]`: T threads that make, write, rename,
//! link and remove files all at once, each N steps, and say up to where the file system has promised to keep them.
//!
//! It is made for having the power cut in the midst of it. First it makes the directories durable, and prints
//! `churn: begun`. The steps are those of [`plan::churn`]. Every E-th or so makes everything durable, and when that is
//! done the thread prints
//!
//! ```text
//! churn: THREAD synced COUNT COUNT ...
//! ```
//!
//! with the number of steps that each thread had done when it began, its own among them. From then on these must
//! survive; and the thread takes no other step before it has printed the line. So the host, which knows the plan, can
//! tell for every thread which steps are on the disk for certain, and which may be. The first error ends the job.

use alloc::{
    format,
    string::{String, ToString},
    sync::Arc,
    vec,
    vec::Vec,
};
use core::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use plan::churn::{Action, Load, Name, Step};

use super::super::{Failure, Files, Run, failure};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
    fs::{Error, FileSystem, Inode},
    progress, task,
};

/// The most threads.
const MOST_THREADS: u64 = 64;
/// The most names that a thread has at a time.
const MOST_NAMES: u64 = 1024;

pub struct Churn {
    load: Load,
    /// The steps of each thread.
    count: u32,
}

impl Run for Churn {
    const NAME: &'static str = "churn";
    const PARAMETERS: &'static [&'static str] =
        &["seed=S", "threads=T", "count=N", "keep=K", "sync_every=E", "one_dir=on|off"];
    type Needs = Files;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let threads = line.number_in("threads", 1..=MOST_THREADS)?;
        let count = line.number_in("count", 1..=u64::from(u32::MAX))?;
        Ok(Self {
            load: Load {
                seed: line.number("seed")?.ok_or(CmdlineError::missing("seed=S"))?,
                threads: threads.ok_or(CmdlineError::missing("threads=T"))?,
                keep: line.number_in("keep", 1..=MOST_NAMES)?.unwrap_or(12),
                sync_every: line.number_in("sync_every", 1..=u64::from(u32::MAX))?.unwrap_or(20),
                one_dir: line.switch("one_dir")?.unwrap_or(false),
            },
            count: count.ok_or(CmdlineError::missing("count=N"))?,
        })
    }

    fn run(&self, files: &Files) -> Result<String, Failure> {
        let threads = self.load.threads;
        let shared = Shared {
            load: self.load,
            files: files.clone(),
            directories: make_directories(&self.load, files)?,
            done: (0..threads).map(|_| AtomicU32::new(0)).collect(),
            failed: AtomicBool::new(false),
        };
        println!("churn: begun");
        let (shared, count) = (Arc::new(shared), self.count);
        let work = move |thread: usize| shared.work(thread, count);
        let results = task::run_in_tasks("churn", threads as usize, work)?;
        results.into_iter().collect::<Result<(), Failure>>()?;
        files.sync().map_err(failure::file("/"))?;
        Ok(format!(
            "{} steps in {threads} threads, all on the disk",
            u64::from(count) * u64::from(threads)
        ))
    }
}

/// Makes the directories, and makes them durable.
fn make_directories(load: &Load, files: &Files) -> Result<Vec<Inode>, Failure> {
    let make = |name: String| match files.root().mkdir(&name) {
        Err(Error::Exists) => Err(Failure::Other(format!(
            "/{name} is there already, from an earlier run; give another seed="
        ))),
        made => made.map_err(failure::file(&name)),
    };
    let made = load.directories().map(|name| make(name.to_string())).collect::<Result<_, _>>()?;
    files.sync().map_err(failure::file("/"))?;
    Ok(made)
}

/// Shared by the threads.
struct Shared {
    load: Load,
    files: FileSystem,
    directories: Vec<Inode>,
    /// The steps that each thread has done.
    done: Vec<AtomicU32>,
    /// A thread has failed: the others need not go on.
    failed: AtomicBool,
}

impl Shared {
    fn counts(&self) -> Vec<u32> {
        self.done.iter().map(|done| done.load(Ordering::Acquire)).collect()
    }

    /// The steps of one thread.
    fn work(&self, thread: usize, count: u32) -> Result<(), Failure> {
        for step in self.load.steps(thread as u32).take(count as usize) {
            if self.failed.load(Ordering::Relaxed) {
                break;
            }
            let before = self.counts();
            self.take(thread as u32, step).map_err(|error| {
                self.failed.store(true, Ordering::Relaxed);
                let Step { index, action } = step;
                failure::file(&format!("thread {thread}, step {index}, {action:?}"))(error)
            })?;
            if step.action.syncs() {
                println!("churn: {thread} synced {}", Numbers(&before));
            }
            if let Some(done) = self.done.get(thread) {
                done.store(step.index + 1, Ordering::Release);
            }
            progress::made();
            task::checkpoint()?;
        }
        Ok(())
    }

    fn take(&self, thread: u32, step: Step) -> Result<(), Error> {
        match step.action {
            Action::Create(name) => self.directory(name)?.create(&name.to_string()).map(|_| ()),
            Action::Write { name, offset, count } => {
                let mut data = vec![0; count as usize];
                self.load.fill(thread, step.index, &mut data);
                let file = self.find(name)?;
                // What is written in part is gone on with: then the error comes.
                let mut written = 0;
                while let Some(rest) = data.get(written..).filter(|rest| !rest.is_empty()) {
                    written += file.write_at(u64::from(offset) + written as u64, rest)?;
                }
                Ok(())
            }
            Action::Rename { from, to } => {
                let (old, new) = (from.to_string(), to.to_string());
                self.directory(from)?.rename(&old, self.directory(to)?, &new)
            }
            Action::Link { old, new } => {
                self.directory(new)?.link(&new.to_string(), &self.find(old)?)
            }
            Action::Remove(name) => self.directory(name)?.unlink(&name.to_string()),
            Action::Fsync(name) => self.find(name)?.fsync(),
            Action::Sync => self.files.sync(),
        }
    }

    fn directory(&self, name: Name) -> Result<&Inode, Error> {
        self.directories.get(name.directory).ok_or(Error::NotFound)
    }

    fn find(&self, name: Name) -> Result<Inode, Error> {
        self.directory(name)?.lookup(&name.to_string())
    }
}

/// Numbers with blanks between them.
struct Numbers<'a>(&'a [u32]);

impl fmt::Display for Numbers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, number) in self.0.iter().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            write!(f, "{blank}{number}")?;
        }
        Ok(())
    }
}
