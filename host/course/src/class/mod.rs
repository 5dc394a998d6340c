//! Grades the submissions of a class.
//!
//! Each is a folder of the given one, or a file that `make submit` has packed, named after its student. As many
//! are graded at a time as there are processors, each on a stage of its own, with one virtual machine at a time.
//! Identical submissions are graded once, and a result is kept below `target`, so that a run that was broken off
//! goes on where it stopped.
//!
//! ```text
//!   students  the submissions in their folder
//!   roster    who should have handed something in
//!   table     CSV: the grader's own, and for Canvas and Moodle
//!   pairs     submissions that are nearly the same, side by side
//!   page      the page of the class
//! ```

mod page;
mod pairs;
mod roster;
mod students;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Mutex,
};

use anyhow::{Context, Result, anyhow, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use lab::workspace::Workspace;

use self::{
    pairs::Alike,
    roster::Roster,
    students::{Student, students},
};
use crate::{
    GradeAll,
    exercise::{Course, Exercise},
    grade::{Grader, folder_of, machines},
    language::Language,
    pace::Pace,
    report::{Report, html},
    sandbox::Sandbox,
    stage::{Files, tracked},
    submit::{self, Packed},
    untrusted,
};

/// A student and what came of the submission.
struct Graded {
    name: String,
    /// The report, or the words on why there is none.
    report: std::result::Result<Report, String>,
    /// The file of the page, without folder and ending.
    page: String,
}

/// A class that is graded.
struct Class<'a> {
    course: &'a Course,
    students: Vec<Graded>,
    roster: Option<Roster>,
    alike: Alike,
    seed: u64,
    version: String,
}

impl Class<'_> {
    /// Those of the roster without a submission.
    fn missing(&self) -> Vec<&str> {
        let students = self.roster.iter().flat_map(Roster::students).map(|(name, _)| name);
        let handed_in = |name: &str| self.students.iter().any(|s| roster::same(&s.name, name));
        students.filter(|name| !handed_in(name)).collect()
    }

    /// Returns `true` if there is a roster and this name is not in it.
    fn is_unknown(&self, name: &str) -> bool {
        self.roster.as_ref().is_some_and(|roster| !roster.has(name))
    }
}

/// Grades all submissions and writes tables and pages; returns true if each could be graded.
///
/// # Errors
///
/// The folder or the roster cannot be read, or a table or page not be written.
pub fn run(
    workspace: &Workspace,
    course: &Course,
    arguments: &GradeAll,
    language: Language,
) -> Result<bool> {
    let pages = arguments.out.with_extension("");
    ensure!(
        pages != arguments.out,
        "the table {} has no ending such as .csv, and the pages go to a folder of that name",
        arguments.out.display()
    );
    let roster = arguments.roster.as_deref().map(Roster::read).transpose()?;
    let sandbox = match arguments.no_sandbox {
        true => Sandbox::Open,
        false => Sandbox::new()?,
    };
    let base = tracked(&workspace.root)?;
    for (folder, what) in [
        (Some(&arguments.submissions), "submissions"),
        (arguments.earlier.as_ref(), "earlier ones"),
    ] {
        let inside = folder.is_some_and(|folder| {
            let parent = pages.parent().unwrap_or(Path::new(""));
            let absolute = |path: &Path| fs::canonicalize(path).ok();
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            matches!((absolute(folder), absolute(parent)), (Some(f), Some(p)) if p.starts_with(&f))
        });
        ensure!(!inside, "{} lies among the {what}; give another OUT", arguments.out.display());
    }
    let students = students(&arguments.submissions, course, &base, arguments)?;
    let results = workspace.target.join("course/results");
    fs::create_dir_all(&results)?;
    let failures = grade_all(workspace, course, arguments, &base, &sandbox, &students, &results)?;
    for (key, failure) in &failures {
        let names = students.iter().filter(|student| student.key == *key);
        let names: Vec<String> = names.map(|student| untrusted::line(&student.name)).collect();
        eprintln!("{}: {}", names.join(", "), untrusted::lines(failure));
    }

    let version = submit::version(&workspace.root);
    let files = untrusted::file_names(students.iter().map(|student| &*student.name));
    let graded = students.iter().zip(files).map(|(student, page)| {
        let report = report(student, &results, &failures, &version);
        Graded { name: student.name.clone(), report, page }
    });
    let class = Class {
        course,
        students: graded.collect(),
        roster,
        alike: pairs::find(
            course,
            &base,
            &students,
            arguments.earlier.as_deref(),
            arguments.similar,
            &pages.join("pairs"),
            language,
        )?,
        seed: arguments.seed,
        version,
    };
    let imports = table::write(&class, &arguments.out)?;
    write_pages(&class, &pages, language)?;
    tell(&class);
    println!("the table is in {}, the pages in {}", arguments.out.display(), pages.display());
    println!("to import: {} and {}", imports[0].display(), imports[1].display());
    Ok(class.students.iter().all(|student| student.report.is_ok()))
}

/// Grades what has not been graded yet; returns what went wrong, by the key of the submission.
fn grade_all(
    workspace: &Workspace,
    course: &Course,
    arguments: &GradeAll,
    base: &Files,
    sandbox: &Sandbox,
    students: &[Student],
    results: &Path,
) -> Result<BTreeMap<String, String>> {
    let mut todo: BTreeMap<&str, &Student> = BTreeMap::new();
    for student in students {
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
    if todo.is_empty() {
        return Ok(BTreeMap::new());
    }
    let chosen = course.chosen(arguments.exercises.as_ref())?;
    let workers = machines();
    println!("building the solution, and measuring how long it takes to boot");
    let pace = Pace::measure(workspace, base, sandbox, workers)?;
    let style = |template: &str| {
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
    };
    // Until something is done, nobody knows how long it takes.
    let bar = ProgressBar::new(todo.len() as u64);
    bar.set_style(style("{wide_bar} {pos}/{len}, {msg}"));
    let timed = style("{wide_bar} {pos}/{len}, {eta} left, {msg}");
    let next = Mutex::new(todo.into_values());
    let failures = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (next, bar, failures, pace, chosen) = (&next, &bar, &failures, &pace, &chosen);
            let timed = &timed;
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
                    bar.set_message(untrusted::line(&student.name));
                    let end = isolated(|| grade(&grader, student, chosen, results));
                    if let (Err(error), Ok(mut failures)) = (end, failures.lock()) {
                        failures.insert(student.key.clone(), format!("{error:#}"));
                    }
                    bar.inc(1);
                    bar.set_style(timed.clone());
                }
            });
        }
    });
    bar.finish_and_clear();
    Ok(failures.into_inner().unwrap_or_default())
}

/// Makes an error of a panic: one submission does not stop the others.
fn isolated(work: impl FnOnce() -> Result<()>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(anyhow!("the grader panicked: {}", words.unwrap_or_default()))
    })
}

fn grade(
    grader: &Grader<'_>,
    student: &Student,
    chosen: &[&Exercise],
    results: &Path,
) -> Result<()> {
    let Ok(submission) = &student.submission else { return Ok(()) };
    let report = grader.grade(submission, chosen)?;
    ensure!(
        report.is_graded(),
        "the host stood in the way of a check; the next run tries it again"
    );
    // Under its name only when it is whole.
    let part = results.join(format!("{}.part", student.key));
    fs::write(&part, serde_json::to_string_pretty(&report)?)?;
    fs::rename(part, results.join(&student.key))?;
    Ok(())
}

/// The report that was kept, or the words on why there is none.
fn report(
    student: &Student,
    results: &Path,
    failures: &BTreeMap<String, String>,
    version: &str,
) -> std::result::Result<Report, String> {
    let submission = student.submission.as_ref().map_err(String::clone)?;
    let read = || -> Result<Report> {
        let text = fs::read_to_string(results.join(&student.key))?;
        let mut report: Report = serde_json::from_str(&text)?;
        report.packed = Packed::new(submission, version);
        Ok(report)
    };
    read().map_err(|error| match failures.get(&student.key) {
        Some(failure) => failure.clone(),
        None => format!("the result cannot be read: {error:#}"),
    })
}

fn write_pages(class: &Class<'_>, folder: &Path, language: Language) -> Result<()> {
    let write = |name: &str, page: String| {
        let path = folder.join(format!("{name}.html"));
        fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
    };
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for student in &class.students {
        let page = match &student.report {
            Ok(report) => html::page(&student.name, report, class.course, language),
            Err(words) => html::page_without_report(&student.name, words, language),
        };
        write(&student.page, page)?;
    }
    write("index", page::page(class, language))
}

/// Says on the terminal what needs a look.
fn tell(class: &Class<'_>) {
    for names in &class.alike.identical {
        println!("identical: {}", untrusted::line(&names.join(", ")));
    }
    for pair in &class.alike.pairs {
        let [one, other] = pair.names.each_ref().map(|name| untrusted::line(name));
        println!(
            "{one} and {other} share {} % of what they wrote; look at pairs/{}",
            pair.percent, pair.page
        );
    }
    for name in class.missing() {
        println!("missing: {}", untrusted::line(name));
    }
    for student in class.students.iter().filter(|student| class.is_unknown(&student.name)) {
        println!("not in the roster: {}", untrusted::line(&student.name));
    }
    println!("{}", table::overview(class));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    /// A class of one who is graded, one who could not be, and one whose name is a formula.
    pub fn class<'a>(course: &'a Course, roster: Option<&str>) -> Class<'a> {
        let student = |name: &str, page: &str, report| Graded {
            name: name.into(),
            report,
            page: page.into(),
        };
        Class {
            course,
            students: vec![
                student("zhou", "zhou", Ok(report())),
                student("eve", "eve", Err("it is no zip file".into())),
                student("=cmd", "_cmd", Ok(report())),
            ],
            roster: roster.map(roster::tests::roster),
            alike: Alike::default(),
            seed: 1,
            version: "0123456789ab".into(),
        }
    }

    #[test]
    fn a_panic_is_the_failure_of_one() {
        let error = isolated(|| panic!("at {}", 7)).unwrap_err();
        assert_eq!(error.to_string(), "the grader panicked: at 7");
        assert!(isolated(|| Ok(())).is_ok());
    }
}
