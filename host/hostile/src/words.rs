//! The words in which the report and `hostile list` speak, each with what it means. The help text is
//! made from this, and from the comments on [`Ends`].

use std::fmt::{self, Write as _};

use clap::ValueEnum as _;

use crate::mode::Ends;

/// The run ended as its mode demands.
pub const PASS: &str = "pass";
/// The run ended otherwise.
pub const FAIL: &str = "FAIL";
/// No vhost-user device can be bad in this way.
pub const NOT_PLAYABLE: &str = "not playable here (ktest)";
const REFUSED: &str = "refused";
const EMPTY: &str = "an empty disk";

/// The end of a run, in a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The kernel did not take the device.
    Refused,
    /// A disk without sectors.
    Empty,
    /// The job came to its account.
    Answered {
        /// Operations that failed.
        errors: u64,
        /// All operations.
        operations: u64,
        /// The number of times that the driver set the device up again.
        resets: u64,
    },
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str(REFUSED),
            Self::Empty => f.write_str(EMPTY),
            Self::Answered { errors, operations, resets } => {
                write!(f, "{errors} of {operations} failed, resets: {resets}")
            }
        }
    }
}

/// The words of a line of the report.
const MEANINGS: &[(&str, &str)] = &[
    (PASS, "the run ended as its mode demands; how it ended follows"),
    (
        FAIL,
        "it did not; why follows, then the end of the kernel's console, and the path of the log",
    ),
    (NOT_PLAYABLE, "only a transport can lie so; the kernel's unit tests play it"),
    (REFUSED, "the driver did not take the disk, and the job said that it found none"),
    (EMPTY, "the driver took the disk as one without sectors, and the job did not begin"),
    (
        "E of N failed, resets: R",
        "every one of N operations had an answer, E of them an error; the driver reset the device R times",
    ),
];

/// The help text about words.
pub fn help() -> String {
    let ends = Ends::value_variants().iter().filter_map(Ends::to_possible_value);
    let ends: Vec<(String, String)> = ends
        .map(|end| {
            let meaning = end.get_help().map(ToString::to_string).unwrap_or_default();
            (end.get_name().to_owned(), meaning)
        })
        .collect();
    let mut text =
        String::from("A line of the report is: row, mode, verdict, how the run ended, time.\n");
    for (word, meaning) in MEANINGS {
        add(&mut text, word, meaning);
    }
    text.push_str(
        "\nHow a mode demands that the run end (`hostile list`, \"expected\" in report.json):\n",
    );
    for (word, meaning) in &ends {
        add(&mut text, word, meaning);
    }
    text
}

fn add(text: &mut String, word: &str, meaning: &str) {
    let _ = writeln!(text, "  {word:<25}  {meaning}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modes::MODES;

    #[test]
    fn the_help_explains_every_word() {
        let help = help();
        let explained = |word: &str| {
            help.lines().any(|line| {
                line.trim_start().strip_prefix(word).is_some_and(|rest| rest.trim().len() > 20)
            })
        };
        for mode in MODES {
            assert!(explained(&format!("{:?} ", mode.ends)), "{:?}", mode.ends);
        }
        for word in [PASS, FAIL, NOT_PLAYABLE] {
            assert!(explained(word), "{word}");
        }
        for ended in [Ended::Refused, Ended::Empty] {
            assert!(explained(&ended.to_string()), "{ended}");
        }
    }

    #[test]
    fn numbers_stand_where_the_help_has_letters() {
        let ended = Ended::Answered { errors: 3, operations: 400, resets: 1 };
        let pattern = ended.to_string().replace('3', "E").replace("400", "N").replace('1', "R");
        assert!(MEANINGS.iter().any(|(word, _)| *word == pattern), "{pattern}");
    }
}
