//! Whole trees, and what must come of grading them.

use std::{collections::BTreeMap, fmt, fs, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use lab::{
    image::lab_disk,
    place::Place,
    process::End,
    qemu::{Disk, Guest, Machine, Transport},
};

use super::variants::{apply, variants};
use crate::{
    exercise::{Course, Exercise, Place as Marked},
    export::student_files,
    grade::Grader,
    place,
};

/// A tree that is graded as a whole.
pub enum Tree<'a> {
    /// A student's, in which nothing is solved.
    AllStubs,
    /// The solution.
    Solution,
    /// The first right variant of each exercise, all of them together.
    AllRight,
    /// The solution but for one exercise.
    OneStub(&'a Exercise),
    /// The solution but for one place of an exercise.
    OnePlace(&'a Exercise, &'a Marked),
}

impl fmt::Display for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllStubs => f.write_str("all-stubs"),
            Self::Solution => f.write_str("the-solution"),
            Self::AllRight => f.write_str("all-right"),
            Self::OneStub(exercise) => write!(f, "{}/stub", exercise.name()),
            Self::OnePlace(exercise, place) => {
                write!(f, "{}/stub/{}", exercise.name(), place.anchor)
            }
        }
    }
}

impl<'a> Tree<'a> {
    /// The trees in which each place of the exercise alone is a stub; none where it has one place, as
    /// [`Self::OneStub`] is the same then.
    pub fn places(exercise: &'a Exercise) -> impl Iterator<Item = Self> {
        let places = exercise.places.iter().filter(|_| exercise.places.len() > 1);
        places.map(|place| Self::OnePlace(exercise, place))
    }

    /// Builds it and makes sure that all is as it must be.
    ///
    /// # Errors
    ///
    /// It is not, or the host is to blame.
    pub fn check(&self, grader: &Grader<'_>) -> Result<()> {
        match self {
            Self::AllStubs => all_stubs(grader, grader.course),
            Self::Solution => solution(grader, &BTreeMap::new()),
            Self::AllRight => solution(grader, &all_right(grader)?),
            Self::OneStub(exercise) => one_stub(grader, grader.course, exercise),
            Self::OnePlace(exercise, place) => one_place(grader, exercise, place),
        }
    }
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
        let results = grader.judge_to_first_failure(exercise, &kernel)?;
        let failed = results.iter().any(|result| result.cause().is_some());
        ensure!(failed, "the stub passes all checks of {}", exercise.name());
    }
    Ok(())
}

/// The files of the solution with stubs in these places.
fn with_stubs<'a>(
    grader: &Grader<'_>,
    exercise: &Exercise,
    places: impl IntoIterator<Item = &'a Marked>,
) -> Result<BTreeMap<PathBuf, String>> {
    let mut overlay = BTreeMap::new();
    for place in places {
        let base = grader.base.get(&place.file).context("a place in a file that is not there")?;
        let text = overlay
            .entry(place.file.clone())
            .or_insert_with(|| String::from_utf8_lossy(base).into_owned());
        *text = place::replace(text, &place.anchor, &exercise.stub(place)?)?;
    }
    Ok(overlay)
}

/// The stub of one place alone fails a check of its exercise, or does not compile with the rest solved.
///
/// A stub may be the solution itself, in an exercise that is to find the one place that is not.
fn one_place(grader: &Grader<'_>, exercise: &Exercise, place: &Marked) -> Result<()> {
    let overlay = with_stubs(grader, exercise, [place])?;
    let is_solution = |(path, text): (&PathBuf, &String)| {
        grader.base.get(path).is_some_and(|base| base == text.as_bytes())
    };
    if overlay.iter().all(is_solution) {
        return Ok(());
    }
    let Ok(kernel) = grader.build(&overlay, "stub")? else { return Ok(()) };
    let results = grader.judge_to_first_failure(exercise, &kernel)?;
    let failed = results.iter().any(|result| result.cause().is_some());
    ensure!(failed, "it passes all checks of its exercise");
    Ok(())
}

/// The stub of an exercise fails checks of its own, and of no other one that does not need it.
fn one_stub(grader: &Grader<'_>, course: &Course, exercise: &Exercise) -> Result<()> {
    let overlay = with_stubs(grader, exercise, &exercise.places)?;
    let kernel = match grader.build(&overlay, "stub")? {
        Ok(kernel) => kernel,
        Err(output) => bail!("it does not compile:\n{output}"),
    };
    for other in &course.exercises {
        let is_own = other.number == exercise.number;
        // Whoever needs this one cannot be judged without it.
        if other.needs.contains(&exercise.number) {
            continue;
        }
        let results = grader.judge_to_first_failure(other, &kernel)?;
        let failed = results.iter().find(|result| result.cause().is_some());
        match (failed, is_own) {
            (None, true) => bail!("it passes all of its checks"),
            (Some(result), false) => {
                bail!("{}: {} says {:?}", other.name(), result.check, result.end)
            }
            (Some(_), true) | (None, false) => {}
        }
    }
    Ok(())
}

/// The files of the first right variant of each exercise.
fn all_right(grader: &Grader<'_>) -> Result<BTreeMap<PathBuf, String>> {
    let (mut files, mut overlay) = (grader.base.clone(), BTreeMap::new());
    for exercise in &grader.course.exercises {
        let right = variants(exercise)?.into_iter().find(|variant| variant.wrong.is_none());
        // A student's tree has none.
        let Some(variant) = right else { continue };
        // Several of them may change one file.
        let changed = apply(&variant.patch, &files)
            .with_context(|| format!("{} does not fit beside the others", variant.name))?;
        for (path, text) in changed {
            files.insert(path.clone(), text.clone().into_bytes());
            overlay.insert(path, text);
        }
    }
    Ok(overlay)
}

/// The solution, or what should be as good, passes every check.
fn solution(grader: &Grader<'_>, overlay: &BTreeMap<PathBuf, String>) -> Result<()> {
    let kernel = match grader.build(overlay, "solution")? {
        Ok(kernel) => kernel,
        Err(output) => bail!("it does not compile:\n{output}"),
    };
    for exercise in &grader.course.exercises {
        for result in grader.judge_to_first_failure(exercise, &kernel)? {
            let name = exercise.name();
            ensure!(result.passed(), "{name}: {} says {:?}", result.check, result.end);
        }
    }
    Ok(())
}
