//! Reports, for students and instructors to read.

use std::path::PathBuf;

use lab::text::plain;
use serde::{Deserialize, Serialize};

use crate::{
    check::Check,
    diagnosis::Finding,
    exercise::{Course, Exercise},
    language::{Language, Text},
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
}

/// The result of an exercise.
#[derive(Debug, Deserialize, Serialize)]
pub struct ExerciseReport {
    /// Its number.
    pub number: u32,
    /// The points that can be had.
    pub points: u32,
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
        picture: Option<String>,
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
                picture: finding.picture,
            },
        };
        Self { check: check.name.clone(), points: check.points, end }
    }

    /// A check that could not be carried out.
    pub fn not_graded(check: &Check, reason: String) -> Self {
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

    /// Prints it: the first check that fails in full, later ones in a line.
    pub fn print(&self, course: &Course, language: Language) {
        let say = |en: &'static str, zh: &'static str| language.of(en, zh);
        let mut in_full = true;
        for report in &self.exercises {
            let Ok(exercise) = course.exercise(report.number) else { continue };
            let title = exercise.title.in_language(language);
            println!(
                "{} {}  {title}  {}/{}",
                say("exercise", "练习"),
                report.number,
                report.reached(),
                report.points
            );
            match &report.state {
                State::Open => {
                    println!("  {}", say("not begun", "尚未开始"));
                    println!("  {}: exercises/{}", say("see", "见"), exercise.name());
                }
                State::Needs { exercise } => {
                    println!("  {} {exercise}", say("needs exercise", "需要先完成练习"));
                }
                State::NotTaken { file, reason } => println!("  {}: {reason}", file.display()),
                State::DoesNotCompile { errors } => {
                    println!("  {}", say("does not compile:", "编译失败："));
                    for line in errors.lines() {
                        println!("    {line}");
                    }
                }
                State::Graded { checks } => {
                    for result in checks {
                        print_check(result, exercise, course, language, &mut in_full);
                    }
                }
            }
        }
        for path in self.ignored.iter().take(10) {
            println!("{}: {}", say("not used", "未采用"), path.display());
        }
        if let Some(more) = self.ignored.len().checked_sub(10).filter(|more| *more > 0) {
            println!("{} {more}", say("not used, more files:", "其余未采用的文件数："));
        }
        let (reached, all) = self.points();
        println!("{}: {reached}/{all}  SEED={}", say("points", "得分"), self.seed);
    }
}

fn print_check(
    result: &Result,
    exercise: &Exercise,
    course: &Course,
    language: Language,
    in_full: &mut bool,
) {
    let say = |en: &'static str, zh: &'static str| language.of(en, zh);
    let title = exercise
        .checks
        .iter()
        .find(|check| check.name == result.check)
        .map_or("", |check| check.title.in_language(language));
    let points = result.points;
    match &result.end {
        End::Passed => println!("  ok      {points:>2}  {title}"),
        End::NotGraded { reason } => {
            println!("  {}   {points:>2}  {title}: {reason}", say("not graded", "未评分"));
        }
        End::Failed { cause, expected, seen, picture } => {
            let (text, look) = course.catalog.text(cause, language);
            println!("  {}  {points:>2}  {title}", say("FAILED", "未通过"));
            if !*in_full {
                println!("               {text}");
                return;
            }
            *in_full = false;
            println!("    {}: {}", say("expected", "期望"), expected.in_language(language));
            println!("    {}: {}", say("seen", "实际"), seen.in_language(language));
            if let Some(picture) = picture {
                for line in picture.lines() {
                    println!("    {line}");
                }
            }
            println!("    {}: {text}", say("likely cause", "可能的原因"));
            println!("    {}: {look}", say("look at", "查看"));
            println!("    {}: make hint EX={}", say("next hint", "下一条提示"), exercise.number);
        }
    }
}

/// Some of a finding comes from the kernel's memory.
fn printable(text: &Text) -> Text {
    Text { en: plain(&text.en), zh: plain(&text.zh) }
}
