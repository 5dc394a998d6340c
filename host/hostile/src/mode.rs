//! A mode: a lie, the time at which it is told, and the end to which a run with it must come.

use clap::ValueEnum;

use crate::device::config::Config;

/// One way to be a bad device. The table of them is [`crate::modes::MODES`].
#[derive(Clone, Copy)]
pub struct Mode {
    /// The row of the table of misbehaviour that it plays, if it has one.
    pub row: Option<u8>,
    /// Its name on the command line.
    pub name: &'static str,
    /// The behaviour of the device, for people to read.
    pub what: &'static str,
    /// The lie.
    pub lie: Lie,
    /// The requests that it is told about.
    pub about: About,
    /// The number of the request from which on it is told, where that is not for the user to say.
    pub at: Option<u64>,
    /// Changes what the device says about itself.
    pub config: fn(&mut Config),
    /// More properties of QEMU's device, with a comma before each.
    pub device: &'static str,
    /// More for the kernel's command line.
    pub options: &'static str,
    /// The required end of the run.
    pub ends: Ends,
    /// At least one of these must be on the console, in upper or lower case; none if it is empty.
    pub words: &'static [&'static str],
    /// The kinds of error that requests may end with, as the kernel's closing line names them; any if it is
    /// empty.
    pub kinds: &'static [&'static str],
}

/// A violation by the device. The numbers refer to the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Nothing: the control, and modes whose mischief lies in the configuration.
    None,
    /// 1: names a chain in the used ring that the queue cannot have.
    IdBeyondQueue,
    /// 2: names a chain in the used ring that is not outstanding.
    IdNotOutstanding,
    /// 3: returns a request, and then again.
    IdTwice,
    /// 4, 5: the used index is wrong by this much.
    IndexOff(i16),
    /// 4: the used index claims one chain more than there are.
    IndexOneTooFar,
    /// 6: claims so many written bytes more than there was room for.
    LengthOver(u32),
    /// 6: claims 4 GiB - 1 written bytes.
    LengthHuge,
    /// 7: claims to have written nothing.
    LengthZero,
    /// 7: claims half of what it was asked for.
    LengthHalf,
    /// 8: leaves the status byte alone.
    NoStatus,
    /// 9: a status that does not exist.
    Status(u8),
    /// 10: interrupts while there is nothing to report.
    SpuriousInterrupts,
    /// 11: interrupts as fast as it can, and goes on working.
    InterruptStorm,
    /// 12: never returns the request.
    Lost,
    /// 12: never returns anything any more.
    Silence,
    /// 12: returns everything and never interrupts.
    NoInterrupts,
    /// 12: ends the connection to QEMU.
    Vanish,
    /// 13: interrupts before the driver has set the queue up, each time.
    EarlyInterrupts,
    /// 14: fills the descriptor table, the indirect tables and the available ring with garbage while all
    /// chains are on their way, then returns them.
    Scribble,
    /// 15: changes the status and the used entry again and again before and after it publishes them, until it
    /// interrupts; the last values are the right ones.
    Flicker,
    /// 16: the capacity changes hundreds of times, with a notification each.
    ConfigStorm,
    /// 29: the disk gets shorter while it is used.
    Shrink(u64),
    /// 30: fails the request, having filled its buffers with garbage.
    FailWithGarbage,
    /// 30: changes the header and the data that it may only read, and returns the request as done.
    ChangeReadable,
}

impl Lie {
    /// The most times that it is told in one run: more make no sense, or take too long.
    pub fn most(self) -> u64 {
        match self {
            Self::None | Self::EarlyInterrupts => 0,
            Self::InterruptStorm | Self::ConfigStorm | Self::Shrink(_) | Self::Vanish => 1,
            Self::SpuriousInterrupts | Self::Scribble | Self::Flicker => 20,
            _ => u64::MAX,
        }
    }
}

/// The requests that a lie can be told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// All.
    Any,
    /// Those that read sectors.
    Reads,
    /// Those that write sectors.
    Writes,
}

/// The required end of a run. The comments are the text of `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
pub enum Ends {
    /// Nothing happened that the user could notice.
    Unharmed,
    /// Each request that was lied about fails, no other does, and the device is not reset.
    FailsAlone,
    /// Some requests fail, no more than were in flight; the device is reset and works again.
    Recovers,
    /// FailsAlone, Recovers or Unharmed: the driver cannot always tell.
    Survives,
    /// Any number of requests may fail, and each has its answer.
    Endures,
    /// Requests fail as the disk is not what it was; how many depends on the requests.
    Shrunken,
    /// All requests fail at once after a few attempts: the device is dead.
    Dead,
    /// The disk is refused, and the job says that it could not be used.
    Refused,
    /// There is a disk of no sectors, on which the job cannot run.
    Empty,
}

impl Mode {
    /// An honest device, to be changed by the methods below.
    pub const fn new(row: u8, name: &'static str, what: &'static str) -> Self {
        Self {
            row: if row == 0 { None } else { Some(row) },
            name,
            what,
            lie: Lie::None,
            about: About::Any,
            at: None,
            config: |_| {},
            device: "",
            options: "",
            ends: Ends::Unharmed,
            words: &[],
            kinds: &[],
        }
    }

    /// Tells this lie.
    pub const fn lie(self, lie: Lie) -> Self {
        Self { lie, ..self }
    }

    /// Tells it about these requests only.
    pub const fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// Tells it from this request on; the first is number 0.
    pub const fn at(self, at: u64) -> Self {
        Self { at: Some(at), ..self }
    }

    /// Says something else about itself.
    pub const fn config(self, config: fn(&mut Config)) -> Self {
        Self { config, ..self }
    }

    /// Gives QEMU's device more properties.
    pub const fn device(self, device: &'static str) -> Self {
        Self { device, ..self }
    }

    /// Gives the kernel more options.
    pub const fn options(self, options: &'static str) -> Self {
        Self { options, ..self }
    }

    /// Must end so, with one of these words on the console.
    pub const fn ends(self, ends: Ends, words: &'static [&'static str]) -> Self {
        Self { ends, words, ..self }
    }

    /// Requests may fail with these kinds of error.
    pub const fn kinds(self, kinds: &'static [&'static str]) -> Self {
        Self { kinds, ..self }
    }

    /// The mode with the end that is required where the device lies for ever.
    pub fn always(self) -> Self {
        let ends = match self.ends {
            // A good answer comes before each lie, so that the device earns another attempt.
            Ends::Recovers if self.lie == Lie::IdTwice => Ends::Endures,
            Ends::Recovers => Ends::Dead,
            Ends::Survives => Ends::Endures,
            ends => ends,
        };
        Self { ends, ..self }
    }
}
