//! Grades the submissions of a class.
//!
//! Each is a folder of the given one, named after its student. As many are graded at a time as there are
//! processors, each on a stage of its own, with one virtual machine at a time. Identical submissions are graded
//! once, and a result is kept below `target`, so that a run that was broken off goes on where it stopped.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use lab::workspace::Workspace;
use sha2::{Digest, Sha256};

use crate::{
    GradeAll,
    exercise::Course,
    grade::{Grader, folder_of, machines},
    pace::Pace,
    place,
    report::{Report, State},
    similar::{fingerprints, similarity},
    stage::{Files, Sandbox, tracked},
    submission::Submission,
};

/// A submission of the class.
struct Student {
    name: String,
    submission: std::result::Result<Submission, String>,
    /// Names what is graded: the same for identical submissions.
    key: String,
}

/// Grades all submissions and writes the table; returns true if each could be graded.
///
/// # Errors
///
/// The folder cannot be read, or the table not be written.
pub fn run(workspace: &Workspace, course: &Course, arguments: &GradeAll) -> Result<bool> {
    let sandbox = match arguments.no_sandbox {
        true => Sandbox::Open,
        false => Sandbox::new()?,
    };
    let base = tracked(&workspace.root)?;
    let workers = machines();
    let pace = Pace::measure(workspace, &base, &sandbox, workers)?;
    let students = students(&arguments.submissions, course, &base, arguments.seed)?;
    let results = workspace.target.join("course/results");
    fs::create_dir_all(&results)?;
    let mut todo: BTreeMap<&str, &Student> = BTreeMap::new();
    for student in &students {
        if student.submission.is_ok() && !results.join(&student.key).is_file() {
            todo.entry(&student.key).or_insert(student);
        }
    }
    let different: BTreeSet<&str> = students.iter().map(|student| &*student.key).collect();
    println!(
        "{} submissions, {} different ones, {} to grade",
        students.len(),
        different.len(),
        todo.len()
    );
    let bar = ProgressBar::new(todo.len() as u64).with_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len}, {eta} left, {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let next = Mutex::new(todo.into_values());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for worker in 0..workers {
            let (next, bar, failures) = (&next, &bar, &failures);
            let (base, sandbox, results, pace) = (&base, &sandbox, &results, &pace);
            scope.spawn(move || {
                let grader = Grader {
                    workspace,
                    course,
                    base,
                    sandbox,
                    folder: folder_of(workspace, worker),
                    seed: arguments.seed,
                    own: false,
                    machines: 1,
                    pace,
                };
                loop {
                    let student = next.lock().ok().and_then(|mut next| next.next());
                    let Some(student) = student else { return };
                    bar.set_message(student.name.clone());
                    if let Err(error) = grade(&grader, student, results)
                        && let Ok(mut failures) = failures.lock()
                    {
                        failures.push(format!("{}: {error:#}", student.name));
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let failures = failures.into_inner().unwrap_or_default();
    for failure in &failures {
        eprintln!("{failure}");
    }
    let reports: Vec<(&Student, Option<Report>)> = students
        .iter()
        .map(|student| {
            let text = fs::read_to_string(results.join(&student.key)).ok();
            (student, text.and_then(|text| serde_json::from_str(&text).ok()))
        })
        .collect();
    write_table(&arguments.out, course, &reports)?;
    let pairs = similar_pairs(course, &base, &students, arguments)?;
    for (percent, one, other) in &pairs {
        println!("{one} and {other} share {percent} % of what they wrote; look at both");
    }
    println!("{}", overview(course, &reports));
    println!("the table is in {}", arguments.out.display());
    Ok(reports.iter().all(|(_, report)| report.is_some()))
}

fn grade(grader: &Grader<'_>, student: &Student, results: &Path) -> Result<()> {
    let Ok(submission) = &student.submission else { return Ok(()) };
    let chosen: Vec<_> = grader.course.exercises.iter().collect();
    let report = grader.grade(submission, &chosen)?;
    if report.is_graded() {
        // Under its name only when it is whole.
        let part = results.join(format!("{}.part", student.key));
        fs::write(&part, serde_json::to_string_pretty(&report)?)?;
        fs::rename(part, results.join(&student.key))?;
    }
    Ok(())
}

/// The submissions in a folder, in the order of their names.
fn students(folder: &Path, course: &Course, base: &Files, seed: u64) -> Result<Vec<Student>> {
    let tree = fingerprint(base.iter().map(|(path, bytes)| (path, &bytes[..])));
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut students = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A link could lead anywhere.
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let submission =
            Submission::read(&entry.path(), course, base).map_err(|error| format!("{error:#}"));
        let own = submission.as_ref().map_or_else(
            |error| error.clone(),
            |submission| {
                let files = submission.files.iter().map(|(path, text)| (path, text.as_bytes()));
                format!("{}{:?}{:?}", fingerprint(files), submission.refused, submission.ignored)
            },
        );
        let key = Sha256::digest(format!("{seed} {tree} {own}"));
        students.push(Student { name, submission, key: hexadecimal(&key) });
    }
    students.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(students)
}

/// The pairs of different submissions that share more than `arguments.similar` percent, the closest first. The
/// solution, and the submissions of an earlier class, are compared with, too.
fn similar_pairs(
    course: &Course,
    base: &Files,
    students: &[Student],
    arguments: &GradeAll,
) -> Result<Vec<(u32, String, String)>> {
    let mut stubs = String::new();
    for exercise in &course.exercises {
        for path in &exercise.files {
            let bytes = base.get(path).map_or(&[][..], Vec::as_slice);
            let mut text = String::from_utf8_lossy(bytes).into_owned();
            for place in exercise.places.iter().filter(|place| place.file == *path) {
                text = place::replace(&text, &place.anchor, &exercise.stub(place)?)?;
            }
            stubs += &text;
        }
    }
    let common = fingerprints(&stubs);
    let mut all: Vec<(String, bool, BTreeSet<u64>)> = Vec::new();
    let mut add = |name: String, old: bool, submission: &Submission| {
        let text: String = submission.files.values().map(String::as_str).collect();
        all.push((name, old, fingerprints(&text)));
    };
    for student in students {
        if let Ok(submission) = &student.submission {
            add(student.name.clone(), false, submission);
        }
    }
    if let Some(folder) = &arguments.earlier {
        for entry in fs::read_dir(folder)
            .with_context(|| format!("cannot read the folder {}", folder.display()))?
            .flatten()
        {
            if let Ok(submission) = Submission::read(&entry.path(), course, base) {
                add(format!("earlier {}", entry.file_name().to_string_lossy()), true, &submission);
            }
        }
    }
    let solution: String = course
        .exercises
        .iter()
        .flat_map(|exercise| &exercise.files)
        .filter_map(|path| base.get(path))
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .collect();
    all.push(("the solution".into(), true, fingerprints(&solution)));
    let mut pairs = Vec::new();
    for (number, (name, old, prints)) in all.iter().enumerate() {
        for (other, other_old, other_prints) in &all[number + 1..] {
            let percent = similarity(prints, other_prints, &common);
            if percent >= arguments.similar && !(*old && *other_old) {
                pairs.push((percent, harmless(name), harmless(other)));
            }
        }
    }
    pairs.sort_by(|a, b| b.cmp(a));
    Ok(pairs)
}

fn fingerprint<'a>(files: impl Iterator<Item = (&'a PathBuf, &'a [u8])>) -> String {
    let mut hash = Sha256::new();
    for (path, bytes) in files {
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    hexadecimal(&hash.finalize())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes a line for each student: points in all and for each exercise, and what failed first.
fn write_table(out: &Path, course: &Course, reports: &[(&Student, Option<Report>)]) -> Result<()> {
    let mut table = csv::Writer::from_path(out)
        .with_context(|| format!("cannot write the table {}", out.display()))?;
    let mut head = vec!["student".to_owned(), "points".to_owned(), "of".to_owned()];
    for exercise in &course.exercises {
        head.push(exercise.name());
        head.push(format!("{} failed", exercise.number));
    }
    head.push("remarks".to_owned());
    table.write_record(&head)?;
    for (student, report) in reports {
        let mut line = vec![harmless(&student.name)];
        match report {
            Some(report) => {
                let (reached, all) = report.points();
                line.extend([reached.to_string(), all.to_string()]);
                for exercise in &report.exercises {
                    line.push(exercise.reached().to_string());
                    line.push(harmless(&exercise.first_failure()));
                }
                line.push(match report.ignored.len() {
                    0 => String::new(),
                    files => format!("{files} other files not used"),
                });
            }
            None => {
                line.resize(head.len() - 1, String::new());
                line.push("not graded".to_owned());
            }
        }
        table.write_record(&line)?;
    }
    table.flush()?;
    Ok(())
}

/// A text that no spreadsheet takes for a formula.
pub fn harmless(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    match clean.starts_with(['=', '+', '-', '@']) {
        true => format!("'{clean}"),
        false => clean,
    }
}

/// The number of students that passed each exercise, and what the others failed by.
fn overview(course: &Course, reports: &[(&Student, Option<Report>)]) -> String {
    let mut text = String::new();
    for exercise in &course.exercises {
        let (mut whole, mut open) = (0, 0);
        let mut failures: BTreeMap<String, u32> = BTreeMap::new();
        for report in reports.iter().filter_map(|(_, report)| report.as_ref()) {
            let Some(own) = report.exercises.iter().find(|own| own.number == exercise.number)
            else {
                continue;
            };
            match own.state {
                State::Open => open += 1,
                _ if own.reached() == own.points => whole += 1,
                _ => *failures.entry(own.first_failure()).or_default() += 1,
            }
        }
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}: {whole} complete, {open} not begun", exercise.name());
        for (failure, count) in failures {
            let _ = writeln!(text, "  {count:>4} {failure}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_formulas() {
        assert_eq!(harmless("=1+1"), "'=1+1");
        assert_eq!(harmless("@x\u{1b}[2J"), "'@x[2J");
        assert_eq!(harmless("Zhou"), "Zhou");
    }

    #[test]
    fn different_files_have_different_fingerprints() {
        let (a, b) = (PathBuf::from("a"), PathBuf::from("b"));
        let of = |path, bytes: &'static [u8]| fingerprint([(path, bytes)].into_iter());
        assert_eq!(of(&a, b"x"), of(&a, b"x"));
        assert_ne!(of(&a, b"x"), of(&b, b"x"));
        assert_ne!(of(&a, b"x"), of(&a, b"y"));
    }
}
