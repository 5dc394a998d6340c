//! Reports, for students and instructors to read.
//!
//! ```text
//!   terminal  for the student at work
//!   html      a page for a student; style: what all pages share
//!   outcome   the end of a check in a word
//!   forms     for Gradescope, GitHub Actions and Classroom 50
//! ```

pub mod forms;
pub mod html;
mod outcome;
pub mod style;
mod terminal;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::outcome::Outcome;
use crate::{
    check::Check,
    diagnosis::Finding,
    language::{Language, Text, text},
    picture::Picture,
    submit::Packed,
    untrusted,
};

/// The result of a submission.
#[derive(Debug, Deserialize, Serialize)]
pub struct Report {
    /// Repeats it: `SEED=`.
    pub seed: u64,
    /// The exercises.
    pub exercises: Vec<ExerciseReport>,
    /// Files of the submission that were not used.
    pub ignored: Vec<PathBuf>,
    /// The version of the tree with which it was packed, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<Packed>,
}

/// The result of an exercise.
#[derive(Debug, Deserialize, Serialize)]
pub struct ExerciseReport {
    /// Its number.
    pub number: u32,
    /// The points that can be had.
    pub points: u32,
    /// The files and marks of its places that are still as they were given out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untouched: Vec<String>,
    /// Its state.
    #[serde(flatten)]
    pub state: State,
}

/// The state of an exercise.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// Nothing has been written in its places.
    Open,
    /// Another exercise must be solved first.
    Needs {
        /// Its number.
        exercise: u32,
    },
    /// One of its files cannot be used.
    NotTaken {
        /// The file.
        file: PathBuf,
        /// The defect of the file.
        reason: String,
    },
    /// There is no kernel.
    DoesNotCompile {
        /// The compiler's words.
        errors: String,
    },
    /// All checks were carried out.
    Graded {
        /// In the order of the exercise.
        checks: Vec<Result>,
    },
}

/// The result of a check.
#[derive(Debug, Deserialize, Serialize)]
pub struct Result {
    /// Its name.
    pub check: String,
    /// The points that can be had.
    pub points: u32,
    /// The end.
    #[serde(flatten)]
    pub end: End,
}

/// The end of a check.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// All was as it should be.
    Passed,
    /// It was not.
    Failed {
        /// The name of the likely cause.
        cause: String,
        /// The behaviour that was due.
        expected: Text,
        /// The behaviour that was seen.
        seen: Text,
        /// Both as a picture.
        picture: Option<Box<Picture>>,
    },
    /// The host is to blame.
    NotGraded {
        /// The host's words.
        reason: String,
    },
}

impl Result {
    /// A check that was carried out.
    pub fn new(check: &Check, finding: Option<Finding>) -> Self {
        let end = match finding {
            None => End::Passed,
            Some(finding) => End::Failed {
                cause: finding.cause.to_owned(),
                expected: printable(&finding.expected),
                seen: printable(&finding.seen),
                picture: finding.picture.map(Box::new),
            },
        };
        Self { check: check.name.clone(), points: check.points, end }
    }

    /// A check that could not be carried out.
    pub fn not_graded(check: &Check, reason: String) -> Self {
        let reason = untrusted::lines(&reason);
        Self { check: check.name.clone(), points: check.points, end: End::NotGraded { reason } }
    }

    /// Returns `true` if the check is passed.
    pub fn passed(&self) -> bool {
        matches!(self.end, End::Passed)
    }

    /// The likely cause of its failure.
    pub fn cause(&self) -> Option<&str> {
        match &self.end {
            End::Failed { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

impl ExerciseReport {
    /// The points reached.
    pub fn reached(&self) -> u32 {
        match &self.state {
            State::Graded { checks } => {
                checks.iter().filter(|check| check.passed()).map(|check| check.points).sum()
            }
            _ => 0,
        }
    }
}

impl ExerciseReport {
    /// The first check that failed and the likely cause, or the state if it did not come to checks.
    pub fn first_failure(&self) -> String {
        match &self.state {
            State::Open => "not begun".to_owned(),
            State::Needs { exercise } => format!("needs exercise {exercise}"),
            State::NotTaken { .. } => "not taken".to_owned(),
            State::DoesNotCompile { .. } => "does not compile".to_owned(),
            State::Graded { checks } => {
                let failed = checks.iter().find(|check| !check.passed());
                failed.map_or(String::new(), |check| match check.cause() {
                    Some(cause) => format!("{}: {cause}", check.check),
                    None => format!("{}: not graded", check.check),
                })
            }
        }
    }
}

impl Report {
    /// Returns `true` if the host stood in the way of no check.
    pub fn is_graded(&self) -> bool {
        self.exercises.iter().all(|exercise| match &exercise.state {
            State::Graded { checks } => {
                checks.iter().all(|check| !matches!(check.end, End::NotGraded { .. }))
            }
            _ => true,
        })
    }

    /// The points reached, and those that can be had.
    pub fn points(&self) -> (u32, u32) {
        let reached = self.exercises.iter().map(ExerciseReport::reached).sum();
        (reached, self.exercises.iter().map(|exercise| exercise.points).sum())
    }

    /// Returns `true` for all points.
    pub fn is_complete(&self) -> bool {
        let (reached, all) = self.points();
        reached == all
    }

    /// The result of an exercise, if it was chosen.
    pub fn exercise(&self, number: u32) -> Option<&ExerciseReport> {
        self.exercises.iter().find(|exercise| exercise.number == number)
    }

    /// A remark on the version of the tree with which the submission was packed.
    pub fn version_remark(&self, language: Language) -> Option<String> {
        let Packed { version, grader } = self.packed.as_ref()?;
        let remark = if version == grader {
            text!("packed with the tree {}", "用代码树 {} 打包", version)
        } else {
            text!(
                "packed with the tree {}, and this grader's is {}: pull, and pack again",
                "用代码树 {} 打包，而评分程序的代码树是 {}：请拉取后重新打包",
                version,
                grader
            )
        };
        Some(remark.in_language(language).to_owned())
    }
}

/// Some of a finding comes from the kernel's memory.
fn printable(text: &Text) -> Text {
    Text { en: untrusted::lines(&text.en), zh: untrusted::lines(&text.zh) }
}

#[cfg(test)]
pub mod tests {
    use std::path::Path;

    use super::*;
    use crate::{exercise::Course, picture};

    /// The exercises of this tree.
    pub fn course() -> Course {
        Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
    }

    /// A text as an ill-meaning submission might bring it in.
    pub const EVIL: &str = "<script>alert(1)</script> \u{1b}[31m\u{202e}&amp; \"x\" 'y'";

    /// A report with an exercise in each state; in the first one, the second check fails and the third one is
    /// not graded.
    pub fn report() -> Report {
        let course = course();
        let exercises = course.exercises.iter().enumerate().map(|(place, exercise)| {
            let state = match place {
                0 => State::Graded {
                    checks: exercise.checks.iter().enumerate().map(|(n, c)| result(n, c)).collect(),
                },
                1 => State::DoesNotCompile { errors: format!("error: {EVIL}\n  --> here") },
                2 => State::NotTaken { file: EVIL.into(), reason: "is no regular file".into() },
                3 => State::Open,
                _ => State::Needs { exercise: 1 },
            };
            let untouched = Vec::new();
            ExerciseReport { number: exercise.number, points: exercise.points(), untouched, state }
        });
        let packed = Packed { version: "0123456789ab".into(), grader: "ba9876543210".into() };
        Report {
            seed: 7,
            exercises: exercises.collect(),
            ignored: vec![EVIL.into()],
            packed: Some(packed),
        }
    }

    fn result(number: usize, check: &Check) -> Result {
        match number {
            1 => Result::new(
                check,
                Some(Finding {
                    cause: "type-in",
                    expected: text!("type OUT (1)", "类型 OUT (1)"),
                    seen: text!("{}", "{}", EVIL),
                    picture: Some(picture::tests::example()),
                }),
            ),
            2 => Result::not_graded(check, "QEMU cannot be started".into()),
            _ => Result::new(check, None),
        }
    }

    #[test]
    fn a_report_is_kept_as_it_is() {
        let text = serde_json::to_string(&report()).unwrap();
        let again: Report = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), text);
    }

    #[test]
    fn lines_for_people_move_no_cursor() {
        for language in [Language::En, Language::Zh] {
            let text = report().text(&course(), language);
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
            assert!(text.contains("make hint EX=1") && text.contains("SEED=7"), "{text}");
        }
    }
}
