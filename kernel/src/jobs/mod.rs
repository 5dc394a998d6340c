//! What the kernel can be asked to do: `job=NAME` and its parameters on the command line.
//!
//! Each job is a file with three things: the parameters it takes, a `parse` that reads them, and a
//! `run` that does it on one disk. The last line on the console is always `job NAME: ok ...` or
//! `job NAME: failed: ...`, and the exit status of QEMU agrees with it.

mod bench;
mod demo;
mod flush;
mod info;
mod ledger;
mod read;
mod text;
mod verify;
mod write;

#[cfg(ktest)]
mod tests;

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::fmt::{self, Display};

use crate::{
    block::{self, BlockDevice, Error},
    cmdline::{CmdlineError, CommandLine},
    console::println,
    drivers::virtio::options::{self, Options},
    power::{self, Verdict},
};

/// A job with its parameters read.
trait Run: Send {
    /// Does the job on `disk` and returns what to say behind "ok".
    ///
    /// # Errors
    ///
    /// [`Failure`] with the reason.
    fn run(&self, disk: &Arc<dyn BlockDevice>) -> Result<String, Failure>;
}

/// A kind of job.
struct Kind {
    name: &'static str,
    /// The parameters it takes, with hints at their values.
    parameters: &'static [&'static str],
    parse: fn(&CommandLine) -> Result<Box<dyn Run>, CmdlineError>,
}

/// All jobs; the first one is done when none is named.
const KINDS: &[Kind] = &[
    demo::KIND,
    info::KIND,
    read::KIND,
    write::KIND,
    flush::KIND,
    verify::KIND,
    ledger::KIND,
    bench::KIND,
];

/// The parameters that every job takes.
const COMMON: &[&str] = &["job=NAME", "disk=SERIAL|INDEX"];

/// Stands for the name of a job where it cannot be told.
const NOT_KNOWN: &str = "?";

/// What the command line asks for.
pub struct Job {
    name: &'static str,
    what: Box<dyn Run>,
    disk: Option<String>,
    options: Options,
}

impl Job {
    /// Reads the whole command line, as bytes that may come from anywhere.
    ///
    /// # Errors
    ///
    /// [`Mistake`], in words that say what can be typed instead.
    pub fn parse(command_line: &[u8]) -> Result<Self, Mistake> {
        let mistake =
            |job: &'static str| move |error: CmdlineError| Mistake { job, text: error.to_string() };
        let line = CommandLine::from_bytes(command_line).map_err(mistake(NOT_KNOWN))?;
        let names: Vec<_> = KINDS.iter().map(|kind| (kind.name, kind)).collect();
        let kind = match line.one_of("job", &names).map_err(mistake(NOT_KNOWN))? {
            Some(kind) => kind,
            None => &demo::KIND,
        };
        let mistake = mistake(kind.name);
        let known = [kind.parameters, COMMON, options::KEYS].concat();
        line.reject_unknown(&format!("job {}", kind.name), &known).map_err(mistake)?;
        Ok(Self {
            name: kind.name,
            what: (kind.parse)(&line).map_err(mistake)?,
            disk: line.get("disk").map(String::from),
            options: Options::parse(&line).map_err(mistake)?,
        })
    }

    /// How the drivers are to be set up for it.
    pub fn driver_options(&self) -> &Options {
        &self.options
    }

    /// Does the job, says how it went, and ends the machine.
    pub fn run_and_exit(self) -> ! {
        match self.run() {
            Ok(details) => {
                let blank = if details.is_empty() { "" } else { " " };
                println!("job {}: ok{blank}{details}", self.name);
                power::exit(Verdict::Success)
            }
            Err(failure) => fail(self.name, failure),
        }
    }

    fn run(&self) -> Result<String, Failure> {
        self.what.run(&find_disk(self.disk.as_deref())?)
    }
}

/// The disk that a person calls by its serial number or index, or the first one.
fn find_disk(wanted: Option<&str>) -> Result<Arc<dyn BlockDevice>, Failure> {
    let disks = block::all();
    let found = match wanted {
        None => disks.first(),
        Some(name) => disks
            .iter()
            .find(|disk| disk.info().serial == name)
            .or_else(|| disks.get(name.parse::<usize>().ok()?)),
    };
    match (found, wanted) {
        (Some(disk), _) => Ok(disk.clone()),
        (None, Some(wanted)) if !disks.is_empty() => {
            let serials = disks.iter().map(|disk| disk.info().serial).collect();
            Err(Failure::NoSuchDisk { wanted: wanted.into(), serials })
        }
        (None, _) => Err(Failure::NoDisk),
    }
}

fn fail(name: &str, reason: impl Display) -> ! {
    println!("job {name}: failed: {reason}");
    power::exit(Verdict::Failure)
}

/// Says why no job can be done, and ends the machine.
pub fn refuse(reason: impl Into<Mistake>) -> ! {
    let mistake = reason.into();
    fail(mistake.job, mistake.text)
}

/// Why no job was started.
#[derive(Debug)]
pub struct Mistake {
    /// The job that was meant, as far as that is known.
    job: &'static str,
    text: String,
}

impl From<String> for Mistake {
    fn from(text: String) -> Self {
        Self { job: NOT_KNOWN, text }
    }
}

/// Why a job failed.
#[derive(Debug, PartialEq)]
enum Failure {
    NoDisk,
    NoSuchDisk {
        wanted: String,
        serials: Vec<String>,
    },
    Disk {
        doing: String,
        error: Error,
    },
    /// The job's own words.
    Other(String),
}

impl Failure {
    /// For [`Result::map_err`]: a disk error while `doing` something.
    fn disk(doing: impl Into<String>) -> impl FnOnce(Error) -> Self {
        let doing = doing.into();
        move |error| Self::Disk { doing, error }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDisk => f.write_str(
                "no disk found; give QEMU one with -drive if=none,id=d0,format=raw,file=IMAGE \
                 -device virtio-blk-device,drive=d0",
            ),
            Self::NoSuchDisk { wanted, serials } => {
                write!(f, "there is no disk \"{wanted}\"; disk= takes one of:")?;
                for (index, serial) in serials.iter().enumerate() {
                    write!(f, " {index}")?;
                    if !serial.is_empty() {
                        write!(f, " ({serial})")?;
                    }
                }
                Ok(())
            }
            Self::Disk { doing, error } => write!(f, "{doing}: {error}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}
