//! The jobs of the kernel: `job=NAME` and its parameters on the command line.
//!
//! Each job is a file with one type that implements `Run`: the job's name and parameters, what it
//! needs, and how it is done. The last line on the console is always `job NAME: ok ...` or
//! `job NAME: failed: ...`, and the exit status of QEMU agrees with it. Those in `proof` are for tests and grades.

mod bench;
mod caption;
mod cat;
mod complaints;
mod copy;
mod demo;
mod devices;
mod events;
mod failure;
mod flush;
mod follow;
mod frames;
mod fs;
mod fsbench;
mod info;
mod ls;
mod needs;
mod output;
mod paint;
mod path;
mod picture;
mod plot;
mod proof;
mod random;
mod read;
mod screen;
mod shell;
mod stat;
mod text;
mod tree;
mod verify;
mod write;

#[cfg(ktest)]
mod tests;

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{error, fmt, time::Duration};

use ostd::power::ExitCode;

use self::{
    failure::{Failure, step},
    needs::{
        Disk, DiskAndScreen, Files, FilesAndScreen, FilesDisk, InputDevices, Needs, Screen, Studio,
    },
    output::Output,
};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
    drivers::{OPTION_KEYS, Options},
    power, progress, task,
};

/// A job with its parameters read.
trait Run: Sized + Send + 'static {
    /// The NAME of `job=NAME`.
    const NAME: &'static str;

    /// The parameters it takes, with hints at their values, beside those of all jobs and of its needs.
    const PARAMETERS: &'static [&'static str];

    /// The device it cannot be done without, such as a [`Disk`], or `()` for none.
    type Needs: Needs;

    /// Reads the parameters.
    ///
    /// # Errors
    ///
    /// One that is missing or has a value that is not possible.
    fn parse(line: &CommandLine) -> Result<Self, CmdlineError>;

    /// Does the job and returns what to say behind "ok".
    ///
    /// # Errors
    ///
    /// [`Failure`] with the reason.
    fn run(&self, needs: &Self::Needs) -> Result<String, Failure>;
}

/// The job that is done when none is named.
const DEFAULT: &Kind = &Kind::of::<demo::Demo>();

/// All jobs.
const KINDS: &[Kind] = &[
    Kind::of::<demo::Demo>(),
    Kind::of::<info::Info>(),
    Kind::of::<devices::Devices>(),
    Kind::of::<read::Read>(),
    Kind::of::<write::Write>(),
    Kind::of::<flush::Flush>(),
    Kind::of::<copy::Copy>(),
    Kind::of::<verify::Verify>(),
    Kind::of::<proof::Ledger>(),
    Kind::of::<proof::Slices>(),
    Kind::of::<proof::Lookup>(),
    Kind::of::<proof::Cached>(),
    Kind::of::<proof::Commits>(),
    Kind::of::<bench::Bench>(),
    Kind::of::<fsbench::FsBench>(),
    Kind::of::<random::Random>(),
    Kind::of::<picture::Picture>(),
    Kind::of::<proof::Rects>(),
    Kind::of::<paint::Paint>(),
    Kind::of::<plot::Plot>(),
    Kind::of::<frames::Frames>(),
    Kind::of::<events::Events>(),
    Kind::of::<fs::Fs>(),
    Kind::of::<ls::Ls>(),
    Kind::of::<cat::Cat>(),
    Kind::of::<stat::Stat>(),
    Kind::of::<tree::Tree>(),
    Kind::of::<proof::Churn>(),
    Kind::of::<shell::Shell>(),
    Kind::of::<screen::Console>(),
];

/// A type that implements `Run`, in a table with others.
struct Kind {
    name: &'static str,
    parameters: &'static [&'static str],
    parameters_of_needs: &'static [&'static str],
    parse: fn(&CommandLine) -> Result<Prepared, CmdlineError>,
}

/// A job that is ready to be done. What it needs is chosen by the command line, which is given to it.
type Prepared = Box<dyn FnOnce(&CommandLine) -> Result<String, Failure> + Send>;

impl Kind {
    const fn of<J: Run>() -> Self {
        Self {
            name: J::NAME,
            parameters: J::PARAMETERS,
            parameters_of_needs: J::Needs::PARAMETERS,
            parse: |line| {
                let job = J::parse(line)?;
                Ok(Box::new(move |line| job.run(&J::Needs::find(line)?)))
            },
        }
    }

    /// Makes sure that `line` has no parameters but those that are known, and reads them.
    fn read(&self, line: &CommandLine) -> Result<Prepared, CmdlineError> {
        let known = [self.parameters, &["job=NAME"], self.parameters_of_needs, OPTION_KEYS];
        line.reject_unknown(&format!("job {}", self.name), &known.concat())?;
        (self.parse)(line)
    }
}

/// Stands for the name of a job where it cannot be told.
const NOT_KNOWN: &str = "?";

/// The job that the command line asks for.
pub struct Job {
    name: &'static str,
    prepared: Prepared,
    line: CommandLine,
    options: Options,
    /// Keeps the machine running when the job is done.
    hold: bool,
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
        let named = line.one_of("job", &names).map_err(mistake(NOT_KNOWN))?;
        let kind = named.unwrap_or(DEFAULT);
        let prepared = kind.read(&line).map_err(mistake(kind.name))?;
        let options = Options::parse(&line).map_err(mistake(kind.name))?;
        let hold = line.switch("hold").map_err(mistake(kind.name))?.unwrap_or(false);
        Ok(Self { name: kind.name, prepared, line, options, hold })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The options of the drivers that it is to be done with.
    pub fn driver_options(&self) -> &Options {
        &self.options
    }

    /// Does the job, says how it went, and ends the machine, or leaves it to somebody outside to do that.
    pub fn run_and_exit(self) -> ! {
        match (self.prepared)(&self.line) {
            Ok(details) => {
                let blank = if details.is_empty() { "" } else { " " };
                println!("job {}: ok{blank}{details}", self.name);
                if self.hold {
                    hold();
                }
                power::exit(ExitCode::Success)
            }
            Err(failure) => fail(self.name, failure),
        }
    }
}

/// Waits for whoever ends the machine.
fn hold() -> ! {
    let _nobody_is_late = progress::pause();
    loop {
        task::sleep(Duration::from_secs(3600));
    }
}

fn fail(name: &str, reason: impl fmt::Display) -> ! {
    println!("job {name}: failed: {reason}");
    power::exit(ExitCode::Failure)
}

/// Says that no job can be done, and ends the machine.
pub fn refuse(reason: impl Into<Mistake>) -> ! {
    let mistake = reason.into();
    fail(mistake.job, mistake.text)
}

/// The reason for which no job was started.
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

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl error::Error for Mistake {}
