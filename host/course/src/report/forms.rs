//! The report in the forms that other programs read.
//!
//! The contents of each are written down as a JSON schema in `host/course/forms`, from the documentation that
//! the schema names.

use std::{collections::BTreeMap, env, fs::OpenOptions, io::Write, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::{ExerciseReport, Outcome, Report, State};
use crate::{
    check::Check,
    exercise::{Course, Exercise},
    language::Language,
};

/// A form of the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Lines for people to read.
    #[default]
    Text,
    /// Everything, for programs.
    Json,
    /// `results.json` of Gradescope.
    Gradescope,
    /// The step output of GitHub Actions that GitHub Classroom's reporter reads.
    Github,
    /// `result.json` of Classroom 50.
    Classroom50,
}

/// The end of one check, as all forms need it.
struct Row<'a> {
    exercise: &'a Exercise,
    check: &'a Check,
    outcome: Outcome<'a>,
    words: String,
}

impl Row<'_> {
    fn score(&self) -> u32 {
        if self.outcome == Outcome::Passed { self.check.points } else { 0 }
    }

    fn title(&self, language: Language) -> String {
        let title = self.check.title.in_language(language);
        format!("{} {}: {title}", language.of("exercise", "练习"), self.exercise.number)
    }
}

impl Report {
    /// Prints the report in a form. GitHub's goes to the file that `GITHUB_OUTPUT` names, if there is one, and
    /// the lines for people to the log of the step.
    ///
    /// # Errors
    ///
    /// A form of points alone is asked for and a check was not graded, or the surroundings do not say what the
    /// form must hold.
    pub fn print(
        &self,
        form: Form,
        folder: &Path,
        course: &Course,
        language: Language,
    ) -> Result<()> {
        let pretty = |value: &Value| -> Result<()> {
            println!("{}", serde_json::to_string_pretty(value)?);
            Ok(())
        };
        match form {
            Form::Text => print!("{}", self.text(course, language)),
            Form::Json => pretty(&serde_json::to_value(self)?)?,
            Form::Gradescope => {
                self.ensure_graded()?;
                pretty(&self.gradescope(course, language))?;
            }
            Form::Github => {
                let line = format!(
                    "result={}\n",
                    STANDARD.encode(self.github(course, language).to_string())
                );
                match env::var_os("GITHUB_OUTPUT") {
                    Some(path) => {
                        print!("{}", self.text(course, language));
                        let file = OpenOptions::new().append(true).create(true).open(&path);
                        file.and_then(|mut file| file.write_all(line.as_bytes()))
                            .with_context(|| format!("cannot write {}", path.to_string_lossy()))?;
                    }
                    None => print!("{line}"),
                }
            }
            Form::Classroom50 => {
                self.ensure_graded()?;
                let date = commit_date(folder)?;
                pretty(&self.classroom50(course, language, &date, |name| env::var(name).ok())?)?;
            }
        }
        Ok(())
    }

    /// Such a form has no word for what the host has failed to do: it must not become missing points.
    fn ensure_graded(&self) -> Result<()> {
        ensure!(
            self.is_graded(),
            "the host stood in the way of a check, so there are no points to report; `--format text` says why"
        );
        Ok(())
    }

    fn rows<'a>(&'a self, course: &'a Course, language: Language) -> Vec<Row<'a>> {
        let mut rows = Vec::new();
        for report in &self.exercises {
            let Ok(exercise) = course.exercise(report.number) else { continue };
            for check in &exercise.checks {
                let outcome = report.outcome(&check.name);
                let words = words(report, exercise, check, course, language);
                rows.push(Row { exercise, check, outcome, words });
            }
        }
        rows
    }

    fn gradescope(&self, course: &Course, language: Language) -> Value {
        let (reached, _) = self.points();
        let tests = self.rows(course, language).into_iter().map(|row| {
            json!({
                "name": row.title(language),
                "number": format!("{}.{}", row.exercise.number, place_of(row.exercise, row.check)),
                "score": row.score(),
                "max_score": row.check.points,
                "status": if row.outcome == Outcome::Passed { "passed" } else { "failed" },
                "output": row.words,
                "output_format": "text",
                "visibility": "visible",
            })
        });
        let tests: Vec<Value> = tests.collect();
        let mut remarks: Vec<String> = self.version_remark(language).into_iter().collect();
        remarks.push(format!("SEED={}", self.seed));
        json!({
            "score": reached,
            "output": remarks.join("\n"),
            "output_format": "text",
            "visibility": "visible",
            "stdout_visibility": "hidden",
            "tests": tests,
        })
    }

    fn github(&self, course: &Course, language: Language) -> Value {
        let rows = self.rows(course, language);
        let status = |outcome| match outcome {
            Outcome::Passed => "pass",
            Outcome::NotGraded => "error",
            _ => "fail",
        };
        let worst = ["error", "fail"]
            .into_iter()
            .find(|worst| rows.iter().any(|row| status(row.outcome) == *worst));
        let tests = rows.iter().map(|row| {
            json!({
                "name": row.title(language),
                "status": status(row.outcome),
                "score": row.score(),
                "message": row.words,
                "test_code": format!("make grade EX={} SEED={}", row.exercise.number, self.seed),
                "filename": row.exercise.files.first(),
                "line_no": 0,
                "duration": 0,
            })
        });
        json!({
            "version": 1,
            "status": worst.unwrap_or("pass"),
            "max_score": self.points().1,
            "tests": tests.collect::<Vec<Value>>(),
        })
    }

    fn classroom50(
        &self,
        course: &Course,
        language: Language,
        date: &str,
        surroundings: impl Fn(&str) -> Option<String>,
    ) -> Result<Value> {
        let given = |name: &str| {
            surroundings(name).filter(|value| !value.is_empty()).with_context(|| {
                format!("{name} is not set; the runner of Classroom 50 sets it for an autograder")
            })
        };
        let (reached, all) = self.points();
        let tests = self.rows(course, language).into_iter().map(|row| {
            json!({
                "test-name": row.title(language),
                "passed": row.outcome == Outcome::Passed,
                "score": row.score(),
                "max-score": row.check.points,
                "output": row.words,
            })
        });
        let mut result = BTreeMap::from([
            ("schema", json!("classroom50/result/v1")),
            ("classroom", json!(given("CLASSROOM")?)),
            ("assignment", json!(given("ASSIGNMENT")?)),
            ("submission", json!(given("SUBMISSION_TAG")?)),
            ("commit", json!(given("COMMIT_URL")?)),
            ("release", json!(given("RELEASE_URL")?)),
            ("review", json!(given("REVIEW_URL").or_else(|_| given("COMMIT_URL"))?)),
            ("datetime", json!(date)),
            ("score", json!(reached)),
            ("max-score", json!(all)),
            ("tests", json!(tests.collect::<Vec<Value>>())),
        ]);
        // The runner writes both anew.
        for (field, name) in [("owner", "OWNER"), ("assignment_type", "ASSIGNMENT_TYPE")] {
            result.extend(given(name).ok().map(|value| (field, json!(value))));
        }
        Ok(json!(result))
    }
}

/// The place of a check in its exercise, from 1 on.
fn place_of(exercise: &Exercise, check: &Check) -> usize {
    exercise.checks.iter().take_while(|other| other.name != check.name).count() + 1
}

fn words(
    report: &ExerciseReport,
    exercise: &Exercise,
    check: &Check,
    course: &Course,
    language: Language,
) -> String {
    match &report.state {
        State::Graded { checks } => {
            let result = checks.iter().find(|result| result.check == check.name);
            result.map(|result| result.evidence(exercise, course, language)).unwrap_or_default()
        }
        _ => report.obstacle(exercise, language),
    }
}

/// The committer date of the commit in `folder`, in UTC.
fn commit_date(folder: &Path) -> Result<String> {
    let mut git = Command::new("git");
    git.current_dir(folder).env("TZ", "UTC").args(["log", "-1", "--format=%cd"]);
    git.arg("--date=format-local:%Y-%m-%dT%H:%M:%SZ");
    let output = git.output().context("git is needed for the date of the commit")?;
    ensure!(
        output.status.success(),
        "{} is no git repository with a commit: {}",
        folder.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests;
