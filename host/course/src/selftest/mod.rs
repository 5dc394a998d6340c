//! The grader graded: trees and variants of the solution that are known to be wrong or right.

mod trees;
mod variants;

use std::{collections::BTreeSet, sync::Mutex, thread};

use anyhow::{Result, bail, ensure};
use lab::{text::plain, workspace::Workspace};

use self::trees::Tree;
pub use self::variants::{Variant, apply, variants};
use crate::{
    exercise::{Course, Exercise},
    grade::{Grader, folder_of, machines},
    pace::Pace,
    sandbox::Sandbox,
    stage::tracked_and_new,
};

/// Of so many wrong variants of an exercise, one is in the part that every test run grades, and the first one always.
const PART: usize = 16;

/// The seed of all boots here.
const SEED: u64 = 1;

/// Grades the variants whose name contains `filter`, or a part of them; prints a line for each.
///
/// # Errors
///
/// The host is to blame, or a patch does not fit the solution.
pub fn run(
    workspace: &Workspace,
    course: &Course,
    filter: Option<&str>,
    part: bool,
) -> Result<bool> {
    let base = tracked_and_new(&workspace.root)?;
    let sandbox = Sandbox::Open;
    let subjects = subjects(course, filter, part)?;
    ensure!(
        !subjects.is_empty(),
        "nothing is called {}; `course list` shows the exercises",
        filter.unwrap_or_default()
    );
    let workers = machines().min(subjects.len());
    let pace = Pace::measure(workspace, &base, &sandbox, workers)?;
    let next = Mutex::new(subjects.into_iter());
    let verdicts = Mutex::new(Verdicts::default());
    thread::scope(|scope| {
        for worker in 0..workers {
            let (base, sandbox, pace, next, verdicts) = (&base, &sandbox, &pace, &next, &verdicts);
            scope.spawn(move || {
                let grader = Grader {
                    workspace,
                    course,
                    base,
                    sandbox,
                    folder: folder_of(workspace, worker),
                    seed: SEED,
                    own: false,
                    // A single worker has all processors for itself.
                    machines: machines() / workers,
                    pace,
                };
                while let Some(subject) = next.lock().ok().and_then(|mut next| next.next()) {
                    let verdict = subject.grade(&grader);
                    if let Ok(mut verdicts) = verdicts.lock() {
                        verdicts.enter(&subject, verdict);
                    }
                }
            });
        }
    });
    let mut verdicts = verdicts.into_inner().unwrap_or_default();
    for exercise in &course.exercises {
        // A check proves itself only by all variants of its exercise.
        if filter.is_none_or(|filter| filter == exercise.name()) && !part {
            verdicts.expect_all_checks(exercise);
        }
    }
    let Verdicts { passed, failed, .. } = verdicts;
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// A tree or a variant, of which it is known what must come of grading it.
enum Subject<'a> {
    Tree(Tree<'a>),
    Variant(&'a Exercise, Variant),
}

/// Those whose name contains `filter`, or a part of them.
fn subjects<'a>(course: &'a Course, filter: Option<&str>, part: bool) -> Result<Vec<Subject<'a>>> {
    let mut trees = vec![Tree::AllStubs, Tree::Solution, Tree::AllRight];
    if !part {
        trees.extend(course.exercises.iter().map(Tree::OneStub));
        trees.extend(course.exercises.iter().flat_map(Tree::places));
    }
    let mut subjects: Vec<_> = trees.into_iter().map(Subject::Tree).collect();
    for exercise in &course.exercises {
        let mut variants = variants(exercise)?;
        if part {
            variants.retain(|variant| variant.wrong.is_some());
        }
        let chosen = variants.into_iter().step_by(if part { PART } else { 1 });
        subjects.extend(chosen.map(|variant| Subject::Variant(exercise, variant)));
    }
    subjects.retain(|subject| filter.is_none_or(|filter| subject.name().contains(filter)));
    Ok(subjects)
}

impl Subject<'_> {
    fn name(&self) -> String {
        match self {
            Self::Tree(tree) => tree.to_string(),
            Self::Variant(_, variant) => variant.name.clone(),
        }
    }

    /// Grades it; returns the check that it fails, if it is a wrong variant and does so as it must.
    fn grade(&self, grader: &Grader<'_>) -> Result<Option<String>> {
        match self {
            Self::Tree(tree) => tree.check(grader).map(|()| None),
            Self::Variant(exercise, variant) => grade(grader, exercise, variant),
        }
    }
}

/// The verdicts so far.
#[derive(Default)]
struct Verdicts {
    passed: u32,
    failed: u32,
    /// The checks that a wrong variant has failed, by the exercise's number.
    told: BTreeSet<(u32, String)>,
}

impl Verdicts {
    /// Enters and prints one.
    fn enter(&mut self, subject: &Subject<'_>, verdict: Result<Option<String>>) {
        match verdict {
            Ok(check) => {
                self.passed += 1;
                println!("{} ... ok", subject.name());
                if let Subject::Variant(exercise, _) = subject {
                    self.told.extend(check.map(|check| (exercise.number, check)));
                }
            }
            Err(error) => {
                self.failed += 1;
                println!("{} ... FAILED: {}", subject.name(), one_line(&error));
            }
        }
    }

    /// Each check of the exercise must have failed a variant.
    fn expect_all_checks(&mut self, exercise: &Exercise) {
        for check in &exercise.checks {
            if !self.told.contains(&(exercise.number, check.name.clone())) {
                self.failed += 1;
                println!("{}: the check {} fails no variant", exercise.name(), check.name);
            }
        }
    }
}

/// An error as a line of the report, without the escapes and the length that a console may have.
fn one_line(error: &anyhow::Error) -> String {
    let text = plain(&format!("{error:#}")).replace('\n', " | ");
    text.chars().take(2000).collect()
}

/// Grades one variant; returns the check that it fails, as it must.
fn grade(grader: &Grader<'_>, exercise: &Exercise, variant: &Variant) -> Result<Option<String>> {
    let overlay = apply(&variant.patch, grader.base)?;
    for path in overlay.keys() {
        ensure!(exercise.files.contains(path), "{} is no file of the exercise", path.display());
    }
    let kernel = match grader.build(&overlay, "variant")? {
        Ok(kernel) => kernel,
        Err(output) => bail!("it does not compile:\n{output}"),
    };
    let results = grader.judge_to_first_failure(exercise, &kernel)?;
    if let Some(result) = results.iter().find(|result| !result.passed() && result.cause().is_none())
    {
        bail!("{:?}", result.end);
    }
    let first = results.iter().find(|result| !result.passed());
    match (&variant.wrong, first) {
        (None, None) => Ok(None),
        (None, Some(result)) => bail!("it is right, and {} says {:?}", result.check, result.end),
        (Some(_), None) => bail!("it is wrong, and passes all checks"),
        (Some((check, cause)), Some(result)) => {
            ensure!(
                result.check == *check && result.cause() == Some(cause),
                "expected {cause} by {check}, and {} says {:?}",
                result.check,
                result.end
            );
            Ok(Some(check.clone()))
        }
    }
}
