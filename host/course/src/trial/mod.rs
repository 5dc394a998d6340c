//! A class of made-up students, graded for real: attacks, and work that is right, wrong or not begun.
//!
//! Each must get exactly the points that are due to it, and none may see the secret.

mod attacks;
mod tree;
mod walls;

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use anyhow::{Context, Result, bail, ensure};
use lab::workspace::Workspace;
use walkdir::WalkDir;

use self::{
    attacks::{ATTACKS, Attack},
    tree::Student,
};
use crate::{
    GradeAll, Trial, class,
    exercise::{Course, Exercise},
    export::student_files,
    language::Language,
    place,
    sandbox::Sandbox,
    selftest::{Variant, apply, variants},
    stage::{Files, tracked},
    untrusted,
};

/// The part that every test run grades: every so many attacks.
const PART: usize = 8;
/// The submissions of the part that attack nothing.
const PART_ORDINARY: usize = 1;
/// The environment variable with the secret.
const VARIABLE: &str = "LAB_SECRET";

/// The result that is due to a student, by the exercise's number.
type Due = BTreeMap<u32, Mark>;

/// The result of an exercise, as the table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    points: u32,
    /// The first check that failed and the cause that is told, where these are known beforehand; the points
    /// are not, then.
    failure: Option<String>,
}

impl Mark {
    fn points(points: u32) -> Self {
        Self { points, failure: None }
    }

    /// Returns `true` if a line of the table agrees with what is due.
    fn is_met_by(&self, told: &Self) -> bool {
        match &self.failure {
            Some(failure) => told.failure.as_ref() == Some(failure),
            None => told.points == self.points,
        }
    }
}

/// Makes `count` submissions, grades them as an instructor does, and compares; or a part of them.
///
/// # Errors
///
/// The host is to blame.
pub fn run(workspace: &Workspace, course: &Course, arguments: &Trial) -> Result<bool> {
    let Trial { count, part, seed } = *arguments;
    // The part is the same each time: what it tests must not depend on luck.
    let seed = seed.unwrap_or_else(|| if part { 1 } else { fastrand::u64(..) });
    let folder = workspace.target.join("course/trial");
    let _ = fs::remove_dir_all(&folder);
    let submissions = folder.join("submissions");
    fs::create_dir_all(&submissions)?;
    let token = format!("{:032x}", fastrand::u128(..));
    let secret = folder.join("secret.rs");
    fs::write(&secret, &token)?;
    let (mut passed, mut failed) = (0, 0);
    let mut tell = |name: &str, result: Result<()>| match result {
        Ok(()) => {
            passed += 1;
            println!("{name} ... ok");
        }
        Err(error) => {
            failed += 1;
            println!("{name} ... FAILED: {error:#}");
        }
    };

    let sandbox = Sandbox::new()?;
    for (name, result) in walls::trials(&sandbox, &secret, &token, VARIABLE) {
        tell(&format!("walls: {name}"), result);
    }

    let base = tracked(&workspace.root)?;
    let open: Vec<&Exercise> = course.exercises.iter().collect();
    let stubbed = student_files(&base, course, &open)?;
    let student = |name: &str| Student {
        folder: submissions.join(name),
        solution: &workspace.root,
        base: &base,
        secret: &secret,
    };
    let mut due: BTreeMap<String, Due> = BTreeMap::new();
    for attack in ATTACKS.iter().step_by(if part { PART } else { 1 }) {
        let student = student(attack.name);
        student.begin(course, &stubbed)?;
        student.attack(&attack.deed).with_context(|| format!("the attack {}", attack.name))?;
        due.insert(attack.name.to_owned(), points_of_attack(attack, course)?);
    }
    let ordinary = if part { PART_ORDINARY } else { count.saturating_sub(ATTACKS.len()) };
    let mut random = fastrand::Rng::with_seed(seed);
    println!("the work of {ordinary} students is drawn from seed {seed}");
    for number in 0..ordinary {
        let name = format!("student-{number:02}");
        let student = student(&name);
        student.begin(course, &stubbed)?;
        due.insert(name, ordinary_work(&student, course, &base, &mut random)?);
    }

    let begin = Instant::now();
    let out = folder.join("out/grades.csv");
    fs::create_dir_all(folder.join("out"))?;
    let arguments = GradeAll::of(submissions, out.clone(), seed);
    let graded = class::run(workspace, course, &arguments, Language::En)?;
    let each = begin.elapsed().as_secs_f64() / due.len() as f64;
    tell("every submission is graded", graded.then_some(()).context("some are not"));
    let table = read_table(&out, course)?;
    for (name, due) in &due {
        let label = name.escape_debug().to_string();
        let result = match table.get(&untrusted::cell(name)) {
            Some(told) => compare(due, told),
            None => Err(anyhow::anyhow!("it is not in the table")),
        };
        tell(&label, result);
    }
    let results = workspace.target.join("course/results");
    tell("no report holds the secret", holds_nowhere(&[&folder.join("out"), &results], &token));
    println!("{} submissions, {each:.1} s for each", due.len());
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// All points of exercise 1, or none at all.
fn points_of_attack(attack: &Attack, course: &Course) -> Result<Due> {
    let none = course.exercises.iter().map(|exercise| (exercise.number, Mark::points(0)));
    let mut due: Due = none.collect();
    if attack.solved {
        due.insert(1, Mark::points(course.exercise(1)?.points()));
    }
    Ok(due)
}

/// For each exercise, work that is right or wrong, or none.
fn ordinary_work(
    student: &Student<'_>,
    course: &Course,
    base: &Files,
    random: &mut fastrand::Rng,
) -> Result<Due> {
    let mut files = base.clone();
    let mut due = Due::new();
    let mut open = Vec::new();
    let mut undone_by = Vec::new();
    for exercise in &course.exercises {
        let kind = random.u8(..10);
        let wanted: Vec<Variant> = variants(exercise)?
            .into_iter()
            .filter(|variant| variant.wrong.is_some() == (kind >= 7))
            .collect();
        match kind {
            0 | 1 => open.push(exercise),
            // The solution as it is.
            2 | 3 => {}
            _ => {
                let variant = random.choice(&wanted).context("an exercise without variants")?;
                // Work on another exercise may have changed the lines around it.
                if let Ok(changed) = apply(&variant.patch, &files) {
                    for (path, text) in changed {
                        files.insert(path, text.into_bytes());
                    }
                    if let Some((check, cause)) = &variant.wrong {
                        let failure = Some(format!("{check}: {cause}"));
                        due.insert(exercise.number, Mark { points: 0, failure });
                        undone_by.extend(variant.undone_by.map(|other| (exercise.number, other)));
                        continue;
                    }
                }
            }
        }
        due.insert(exercise.number, Mark::points(exercise.points()));
    }
    // Two mistakes that make up for each other: the tree as a whole does what it should.
    for (number, other) in undone_by {
        if due.get(&other).is_some_and(|mark| mark.failure.is_some()) {
            due.remove(&number);
        }
    }
    for exercise in open {
        due.insert(exercise.number, Mark::points(0));
        for place in &exercise.places {
            let bytes = files.get(&place.file).context("a place in a file that is not there")?;
            let text = String::from_utf8_lossy(bytes);
            let text = place::replace(&text, &place.anchor, &exercise.stub(place)?)?;
            files.insert(place.file.clone(), text.into_bytes());
        }
    }
    for path in course.exercises.iter().flat_map(|exercise| &exercise.files) {
        let bytes = files.get(path).context("an exercise file that is not there")?;
        student.write(&path.to_string_lossy(), bytes)?;
    }
    Ok(due)
}

fn compare(due: &Due, told: &Due) -> Result<()> {
    for (number, mark) in due {
        let Some(told) = told.get(number) else { bail!("exercise {number} is not in the table") };
        ensure!(
            mark.is_met_by(told),
            "exercise {number}: due is {mark:?}, and the table has {told:?}"
        );
    }
    Ok(())
}

/// The marks of each student.
fn read_table(out: &Path, course: &Course) -> Result<BTreeMap<String, Due>> {
    let mut table = csv::Reader::from_path(out)?;
    let head = table.headers()?.clone();
    let column = |name: &str| {
        let at = head.iter().position(|cell| cell == name);
        at.with_context(|| format!("the table has no column {name}"))
    };
    let mut columns = Vec::new();
    for exercise in &course.exercises {
        let failed = column(&format!("{} failed", exercise.number))?;
        columns.push((exercise.number, column(&exercise.name())?, failed));
    }
    let student = column("student")?;
    let mut students = BTreeMap::new();
    for line in table.records() {
        let line = line?;
        let cell = |at: usize| line.get(at).unwrap_or_default();
        let mut marks = Due::new();
        for (number, points, failed) in &columns {
            // No number stands where nothing was graded.
            let Ok(points) = cell(*points).parse() else { continue };
            let failure = Some(cell(*failed).to_owned());
            marks.insert(*number, Mark { points, failure });
        }
        students.insert(cell(student).to_owned(), marks);
    }
    Ok(students)
}

fn holds_nowhere(folders: &[&Path], token: &str) -> Result<()> {
    for entry in folders.iter().flat_map(WalkDir::new).flatten() {
        if entry.file_type().is_file() {
            let bytes = fs::read(entry.path())?;
            let text = String::from_utf8_lossy(&bytes);
            ensure!(!text.contains(token), "{} does", entry.path().display());
        }
    }
    Ok(())
}
