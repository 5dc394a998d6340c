//! The grader graded: trees and variants of the solution that are known to be wrong or right.

mod trees;
mod variants;

use std::collections::BTreeSet;

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

/// Of so many wrong variants, one is in the part that every test run grades.
const PART: usize = 8;

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
    let grader = Grader {
        workspace,
        course,
        base: &base,
        sandbox: &sandbox,
        folder: folder_of(workspace, 0),
        seed: SEED,
        own: false,
        machines: machines(),
        pace: &Pace::measure(workspace, &base, &sandbox, 1)?,
    };
    let (mut passed, mut failed) = (0u32, 0u32);
    let mut trees = vec![Tree::AllStubs, Tree::Solution];
    trees.extend(course.exercises.iter().map(Tree::OneStub));
    if !part {
        trees.extend(course.exercises.iter().flat_map(Tree::places));
    }
    for tree in trees {
        let name = tree.to_string();
        if filter.is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        match tree.check(&grader, part) {
            Ok(()) => {
                passed += 1;
                println!("{name} ... ok");
            }
            Err(error) => {
                failed += 1;
                println!("{name} ... FAILED: {}", one_line(&error));
            }
        }
    }
    let mut told: BTreeSet<(u32, String)> = BTreeSet::new();
    for exercise in &course.exercises {
        let mut variants = variants(exercise)?;
        variants.retain(|variant| filter.is_none_or(|filter| variant.name.contains(filter)));
        if part {
            let mut number = 0;
            variants.retain(|variant| {
                number += 1;
                // The right ones come first.
                number == 1 || variant.wrong.is_some() && number % PART == 0
            });
        }
        for variant in &variants {
            match grade(&grader, exercise, variant) {
                Ok(check) => {
                    passed += 1;
                    println!("{} ... ok", variant.name);
                    told.extend(check.map(|check| (exercise.number, check)));
                }
                Err(error) => {
                    failed += 1;
                    println!("{} ... FAILED: {}", variant.name, one_line(&error));
                }
            }
        }
        // A check proves itself only by all variants of its exercise.
        if filter.is_none_or(|filter| filter == exercise.name()) && !part {
            for check in &exercise.checks {
                if !told.contains(&(exercise.number, check.name.clone())) {
                    failed += 1;
                    println!("{}: the check {} fails no variant", exercise.name(), check.name);
                }
            }
        }
    }
    ensure!(
        passed + failed > 0,
        "nothing is called {}; `course list` shows the exercises",
        filter.unwrap_or_default()
    );
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
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
    let results = grader.judge(exercise, &kernel)?;
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
