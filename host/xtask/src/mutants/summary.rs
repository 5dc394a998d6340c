//! Progress, and the fate of each mutant.

use std::{
    fmt, fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use lab::workspace::Workspace;
use serde_json::json;

use super::{equivalent::PLACE, source::Mutant, trial::Outcome};

/// The time between two lines about how far it is.
const PAUSE: Duration = Duration::from_secs(15);

/// The fate of one mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// This test failed.
    Caught(String),
    /// This test came to no end.
    Hung(String),
    /// No test noticed.
    Survived,
    /// No test noticed, and none can.
    Equivalent,
    /// It is listed as equivalent, and a test noticed it, or it does not compile.
    Mislisted,
    /// It does not compile.
    Unviable,
}

impl Fate {
    /// From what the tests say, if it could be compiled, and whether it is listed as equivalent.
    pub fn of(outcome: Option<&Outcome>, listed: bool) -> Self {
        match outcome {
            Some(Outcome::Survived) if listed => Self::Equivalent,
            _ if listed => Self::Mislisted,
            Some(Outcome::Survived) => Self::Survived,
            Some(Outcome::Caught(test)) => Self::Caught(test.clone()),
            Some(Outcome::Hung(test)) => Self::Hung(test.clone()),
            None => Self::Unviable,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Caught(_) => "caught",
            Self::Hung(_) => "hung",
            Self::Survived => "survived",
            Self::Equivalent => "equivalent",
            Self::Mislisted => "mislisted",
            Self::Unviable => "unviable",
        }
    }

    fn test(&self) -> Option<&str> {
        match self {
            Self::Caught(test) | Self::Hung(test) => Some(test),
            _ => None,
        }
    }
}

/// Says from time to time how far it is.
pub struct Progress {
    total: usize,
    done: usize,
    survived: usize,
    begin: Instant,
    said: Instant,
}

impl Progress {
    pub fn begin(total: usize) -> Self {
        let now = Instant::now();
        Self { total, done: 0, survived: 0, begin: now, said: now }
    }

    /// Counts a mutant that has been judged.
    pub fn enter(&mut self, outcome: &Outcome) {
        self.done += 1;
        self.survived += usize::from(*outcome == Outcome::Survived);
        if self.said.elapsed() >= PAUSE {
            self.said = Instant::now();
            let left = self.begin.elapsed().div_f64(self.done as f64)
                * (self.total - self.done).try_into().unwrap_or(u32::MAX);
            let Self { total, done, survived, .. } = self;
            println!(
                "{done} of {total} mutants, {survived} survived, about {} left",
                minutes(left)
            );
        }
    }
}

/// The fates of all mutants.
#[derive(Default)]
pub struct Summary<'m> {
    fates: Vec<(&'m Mutant, Fate)>,
    elapsed: Duration,
}

impl<'m> Summary<'m> {
    pub fn new(fates: Vec<(&'m Mutant, Fate)>, elapsed: Duration) -> Self {
        Self { fates, elapsed }
    }

    /// Returns true if no mutant survived that is not listed, and the list is right.
    pub fn is_good(&self) -> bool {
        !self.fates.iter().any(|(_, fate)| matches!(fate, Fate::Survived | Fate::Mislisted))
    }

    fn count(&self, name: &str) -> usize {
        self.fates.iter().filter(|(_, fate)| fate.name() == name).count()
    }

    /// Writes `target/mutants/report.json`: each mutant, and which test noticed it.
    pub fn write(&self, workspace: &Workspace) -> Result<()> {
        let mutants: Vec<_> = self
            .fates
            .iter()
            .map(|(mutant, fate)| {
                json!({
                    "number": mutant.number, "file": mutant.file, "line": mutant.line,
                    "function": mutant.function, "change": mutant.change,
                    "fate": fate.name(), "test": fate.test(),
                })
            })
            .collect();
        let path = workspace.target.join("mutants/report.json");
        let report = json!({ "seconds": self.elapsed.as_secs(), "mutants": mutants });
        fs::write(&path, format!("{report:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = |fate: Fate, heading: &str| {
            let found = || self.fates.iter().filter(|(_, it)| *it == fate);
            if found().next().is_some() {
                writeln!(f, "\n{heading}")?;
            }
            found().try_for_each(|(mutant, _)| writeln!(f, "  {mutant}"))
        };
        list(
            Fate::Survived,
            &format!("No test noticed; write one, or list it with the reason in {PLACE}:"),
        )?;
        list(
            Fate::Mislisted,
            &format!(
                "Listed as equivalent, but a test noticed it, or it does not compile; take it out of {PLACE}:"
            ),
        )?;
        let count = |name| self.count(name);
        let (caught, hung) = (count("caught"), count("hung"));
        writeln!(
            f,
            "\n{} mutants in {}: {} do not compile, {caught} caught, {hung} caught by the time limit, \
             {} equivalent, {} survived",
            self.fates.len(),
            minutes(self.elapsed),
            count("unviable"),
            count("equivalent"),
            count("survived") + count("mislisted"),
        )
    }
}

fn minutes(time: Duration) -> String {
    format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
}
