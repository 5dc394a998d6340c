//! The grader graded: variants of the solution that are known to be wrong or right.
//!
//! A wrong variant is a small patch with two lines above it: `check: NAME`, the check that must fail first,
//! and `cause: NAME`, the diagnosis that must be made there. A right one is a solution written otherwise.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use lab::{
    image::lab_disk,
    place::Place,
    process::End,
    qemu::{Disk, Guest, Machine, Transport},
    text::plain,
    workspace::Workspace,
};

use crate::{
    exercise::{Course, Exercise},
    export::student_files,
    grade::{Grader, folder_of, machines},
    pace::Pace,
    stage::{Files, Sandbox, tracked},
};

/// Of so many wrong variants, one is in the part that every test run grades.
const PART: usize = 8;

/// The seed of all boots here.
const SEED: u64 = 1;

/// A variant of the solution.
pub struct Variant {
    /// `1-write-block/wrong/type-in`.
    name: String,
    /// The check and the cause that must be told; none if it is right.
    pub wrong: Option<(String, String)>,
    /// The patch to the solution.
    pub patch: String,
}

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
    let base = tracked(&workspace.root)?;
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
    let trees: [(&str, &dyn Fn() -> Result<()>); 2] = [
        ("all-stubs", &|| all_stubs(&grader, course)),
        ("the-solution", &|| solution(&grader, course)),
    ];
    for (name, check) in trees {
        if filter.is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        match check() {
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
        if filter.is_none() && !part {
            for check in &exercise.checks {
                if !told.contains(&(exercise.number, check.name.clone())) {
                    failed += 1;
                    println!("{}: the check {} fails no variant", exercise.name(), check.name);
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// An error as a line of the report, without the escapes and the length that a console may have.
fn one_line(error: &anyhow::Error) -> String {
    let text = plain(&format!("{error:#}")).replace('\n', " | ");
    text.chars().take(2000).collect()
}

/// The tree that a student gets compiles without a warning, boots, reads, and passes no exercise.
fn all_stubs(grader: &Grader<'_>, course: &Course) -> Result<()> {
    let open: Vec<&Exercise> = course.exercises.iter().collect();
    let files = student_files(grader.base, course, &open)?;
    let mut overlay = BTreeMap::new();
    for path in course.exercises.iter().flat_map(|exercise| &exercise.files) {
        let bytes = files.get(path).with_context(|| format!("there is no {}", path.display()))?;
        overlay.insert(path.clone(), String::from_utf8_lossy(bytes).into_owned());
    }
    let kernel = match grader.build(&overlay, "stubs")? {
        Ok(kernel) => kernel,
        Err(output) => bail!("it does not compile:\n{output}"),
    };
    let log = fs::read_to_string(grader.folder.join("logs/build-stubs.log"))?;
    ensure!(!log.contains("warning: "), "it does not compile without warnings:\n{log}");
    let place = Place::new(grader.workspace, &kernel, &grader.folder.join("logs/stubs.log"))?;
    let image = place.image("blk", lab_disk(2048)?)?;
    let machine = Machine::new(Transport::Modern).options(Disk::new(&image).options(0));
    let outcome =
        machine.run(&Guest::new(&kernel, "job=demo"), grader.pace.boot_limit(), &place.log)?;
    let console = outcome.console();
    let read = "Read string: Hello World from Image!";
    ensure!(console.contains(read), "the demo does not say \"{read}\":\n{console}");
    ensure!(!console.contains("panic"), "it panics:\n{console}");
    ensure!(
        matches!(outcome.end(), End::Exited(_)),
        "it does not end by itself: {}\n{console}",
        outcome.end()
    );
    image.expect_unchanged()?;
    for exercise in &course.exercises {
        let results = grader.judge(exercise, &kernel)?;
        let failed = results.iter().any(|result| result.cause().is_some());
        ensure!(failed, "the stub passes all checks of {}", exercise.name());
    }
    Ok(())
}

/// The solution passes every check.
fn solution(grader: &Grader<'_>, course: &Course) -> Result<()> {
    let kernel = match grader.build(&BTreeMap::new(), "solution")? {
        Ok(kernel) => kernel,
        Err(output) => bail!("it does not compile:\n{output}"),
    };
    for exercise in &course.exercises {
        for result in grader.judge(exercise, &kernel)? {
            let name = exercise.name();
            ensure!(result.passed(), "{name}: {} says {:?}", result.check, result.end);
        }
    }
    Ok(())
}

/// The variants of an exercise, the right ones first.
///
/// # Errors
///
/// One cannot be read, or does not name what it must.
pub fn variants(exercise: &Exercise) -> Result<Vec<Variant>> {
    let mut variants = Vec::new();
    for kind in ["right", "wrong"] {
        let folder = exercise.folder.join(kind);
        // A student's tree has none.
        if !folder.is_dir() {
            continue;
        }
        let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        paths.sort();
        for path in paths {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path)?;
            let line = |key: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(key));
                line.map(|value| value.trim().to_owned())
            };
            let wrong = match kind {
                "wrong" => {
                    let lines = (line("check:"), line("cause:"));
                    let (Some(check), Some(cause)) = lines else {
                        bail!("{} names no check or no cause", path.display());
                    };
                    ensure!(
                        exercise.checks.iter().any(|known| known.name == check),
                        "{} names the check {check}, which does not exist",
                        path.display()
                    );
                    Some((check, cause))
                }
                _ => None,
            };
            let name = format!("{}/{kind}/{stem}", exercise.name());
            variants.push(Variant { name, wrong, patch: text });
        }
    }
    Ok(variants)
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

/// The files that a patch changes, changed.
///
/// # Errors
///
/// It does not fit.
pub fn apply(text: &str, base: &Files) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    let start = text.find("--- a/").context("there is no patch")?;
    let parts = text[start..].split("--- a/").filter(|part| !part.is_empty());
    for part in parts {
        let patch = format!("--- a/{part}");
        // Git writes a line about modes and hashes between the files of a patch.
        let patch = patch.split("\ndiff --git").next().unwrap_or_default();
        let patch = format!("{}\n", patch.trim_end_matches('\n'));
        let path = part.lines().next().context("a patch without a file")?;
        let path = Path::new(path.trim()).to_owned();
        let before = base.get(&path).with_context(|| format!("there is no {}", path.display()))?;
        let before = String::from_utf8_lossy(before);
        let parsed = diffy::Patch::from_str(&patch).context("it is no patch")?;
        let after = diffy::apply(&before, &parsed)
            .with_context(|| format!("it does not fit {}", path.display()))?;
        files.insert(path, after);
    }
    Ok(files)
}
