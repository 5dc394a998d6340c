//! The tables of a class: the grader's own, and those that Canvas and Moodle import.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{Class, Graded, roster::same};
use crate::{exercise::Exercise, report::State, untrusted::cell};

/// The columns by which Canvas knows a student, in the order that its import demands.
/// <https://community.canvaslms.com/t5/Instructor-Guide/How-do-I-import-grades-in-the-Gradebook/ta-p/807>
const CANVAS: [&str; 5] = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"];
/// The columns of a Moodle export that say who somebody is. <https://docs.moodle.org/en/Grade_import>
const MOODLE: [&str; 5] = ["First name", "Last name", "Username", "ID number", "Email address"];

/// Writes a table.
type Table = fn(&Class<'_>, &mut dyn Write) -> Result<()>;

/// Writes the three tables: `out`, and beside it those for Canvas and Moodle. Returns the paths of the latter.
///
/// # Errors
///
/// A table cannot be written.
pub fn write(class: &Class<'_>, out: &Path) -> Result<[PathBuf; 2]> {
    let (canvas, moodle) = (out.with_extension("canvas.csv"), out.with_extension("moodle.csv"));
    let tables: [(&Path, Table); 3] = [(out, own), (&canvas, for_canvas), (&moodle, for_moodle)];
    for (path, table) in tables {
        let file = File::create(path).map_err(anyhow::Error::from);
        file.and_then(|mut file| table(class, &mut file))
            .with_context(|| format!("cannot write the table {}", path.display()))?;
    }
    Ok([canvas, moodle])
}

/// A line for each student: points in all and for each exercise, and what failed first; then those of the
/// roster who have handed nothing in.
fn own(class: &Class<'_>, out: &mut dyn Write) -> Result<()> {
    let mut table = csv::Writer::from_writer(out);
    let mut head = vec!["student".to_owned(), "points".to_owned(), "of".to_owned()];
    for exercise in &class.course.exercises {
        head.push(exercise.name());
        head.push(format!("{} failed", exercise.number));
    }
    head.push("remarks".to_owned());
    table.write_record(&head)?;
    for student in &class.students {
        let mut line = vec![cell(&student.name)];
        let mut remarks = Vec::new();
        if class.is_unknown(&student.name) {
            remarks.push("not in the roster".to_owned());
        }
        if let Ok(report) = &student.report {
            let (reached, all) = report.points();
            line.extend([reached.to_string(), all.to_string()]);
            for exercise in &report.exercises {
                line.push(exercise.reached().to_string());
                line.push(cell(&exercise.first_failure()));
            }
            if !report.ignored.is_empty() {
                remarks.push(format!("{} other files not used", report.ignored.len()));
            }
        } else {
            line.resize(head.len() - 1, String::new());
            remarks.push("not graded".to_owned());
        }
        line.push(remarks.join("; "));
        table.write_record(&line)?;
    }
    for name in class.missing() {
        let mut line = vec![cell(name)];
        line.resize(head.len() - 1, String::new());
        line.push("missing".to_owned());
        table.write_record(&line)?;
    }
    Ok(table.flush()?)
}

/// A gradebook that Canvas imports: its own columns on the student, and one for each exercise.
fn for_canvas(class: &Class<'_>, out: &mut dyn Write) -> Result<()> {
    let mut table = csv::Writer::from_writer(out);
    let exercises = &class.course.exercises;
    // In an export, an assignment has its number behind its name; with it, Canvas fills the same one again.
    let title = |exercise: &Exercise| {
        let name = exercise.name();
        let known = class.roster.as_ref().and_then(|roster| {
            let is_it = |title: &&String| {
                let rest = title.strip_prefix(&name).and_then(|rest| rest.strip_prefix(" ("));
                rest.is_some_and(|rest| rest.ends_with(')'))
            };
            roster.head().iter().find(is_it).cloned()
        });
        known.unwrap_or(name)
    };
    let fixed = CANVAS.map(str::to_owned).into_iter();
    table.write_record(fixed.chain(exercises.iter().map(title)))?;
    let points = exercises.iter().map(|exercise| exercise.points().to_string());
    let blank = ["    Points Possible", "", "", "", ""].map(str::to_owned).into_iter();
    table.write_record(blank.chain(points))?;
    for entry in entries(class) {
        let column = |title: &str| {
            let place = class.roster.as_ref()?.column(title)?;
            entry.line.get(place).cloned()
        };
        let mut line: Vec<String> =
            CANVAS.iter().map(|title| cell(&column(title).unwrap_or_default())).collect();
        if class.roster.as_ref().is_none_or(|roster| roster.column("ID").is_none()) {
            // Nothing else says who this is.
            line[3] = cell(entry.name);
        }
        line.extend(entry.points(exercises));
        table.write_record(&line)?;
    }
    Ok(table.flush()?)
}

/// A table that Moodle imports: the columns that say who somebody is, and one for each exercise and all
/// together. Which column is which grade, Moodle asks.
fn for_moodle(class: &Class<'_>, out: &mut dyn Write) -> Result<()> {
    let mut table = csv::Writer::from_writer(out);
    let exercises = &class.course.exercises;
    let mut columns: Vec<(String, usize)> = Vec::new();
    match &class.roster {
        Some(roster) => {
            columns.extend(MOODLE.iter().filter_map(|title| {
                roster.column(title).map(|place| ((*title).to_owned(), place))
            }));
            let key = roster.key();
            if !columns.iter().any(|(_, place)| *place == key) {
                let title = roster.head().get(key).cloned().unwrap_or_default();
                columns.push((cell(&title), key));
            }
        }
        None => columns.push(("Username".to_owned(), 0)),
    }
    let titles = columns.iter().map(|(title, _)| title.clone());
    let grades = exercises.iter().map(Exercise::name).chain(["points".to_owned()]);
    table.write_record(titles.chain(grades))?;
    for entry in entries(class) {
        let known = columns.iter().map(|(_, place)| entry.line.get(*place).map_or("", |c| c));
        let mut line: Vec<String> = known.map(cell).collect();
        line.extend(entry.points(exercises));
        line.push(entry.report.map(|report| report.points().0.to_string()).unwrap_or_default());
        table.write_record(&line)?;
    }
    Ok(table.flush()?)
}

/// A line of a table for an import.
struct Entry<'a> {
    name: &'a str,
    /// The line of the roster, or the name alone.
    line: Vec<String>,
    report: Option<&'a crate::report::Report>,
}

impl Entry<'_> {
    /// The points of each exercise; nothing where there is no result, which leaves a grade as it is.
    fn points(&self, exercises: &[Exercise]) -> Vec<String> {
        let points = exercises.iter().map(|exercise| {
            let report = self.report.and_then(|report| report.exercise(exercise.number));
            report.map(|report| report.reached().to_string()).unwrap_or_default()
        });
        points.collect()
    }
}

/// Everybody of the roster, or else everybody who has handed something in.
fn entries<'a>(class: &'a Class<'_>) -> Vec<Entry<'a>> {
    let report = |student: &'a Graded| student.report.as_ref().ok();
    match &class.roster {
        Some(roster) => roster
            .students()
            .map(|(name, line)| {
                let student = class.students.iter().find(|student| same(&student.name, name));
                Entry { name, line: line.to_vec(), report: student.and_then(report) }
            })
            .collect(),
        None => class
            .students
            .iter()
            .map(|student| Entry {
                name: &student.name,
                line: vec![student.name.clone()],
                report: report(student),
            })
            .collect(),
    }
}

/// The number of students that passed each exercise, and what the others failed by.
pub fn overview(class: &Class<'_>) -> String {
    let mut text = String::new();
    for exercise in &class.course.exercises {
        let (mut whole, mut open) = (0, 0);
        let mut failures: BTreeMap<String, u32> = BTreeMap::new();
        let reports = class.students.iter().filter_map(|student| student.report.as_ref().ok());
        for own in reports.filter_map(|report| report.exercise(exercise.number)) {
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
    use crate::class::{roster::tests::CANVAS, tests::class};

    fn table(class: &Class<'_>, write: Table) -> Vec<Vec<String>> {
        let mut bytes = Vec::new();
        write(class, &mut bytes).unwrap();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&bytes[..]);
        let line = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
        reader.records().map(|record| line(record.unwrap())).collect()
    }

    #[test]
    fn canvas_gets_its_columns_back_and_points_in_them() {
        let course = crate::report::tests::course();
        let class = class(&course, Some(CANVAS));
        let lines = table(&class, for_canvas);
        let head =
            ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "1-write-block (77)"];
        assert_eq!(lines[0][..6], head);
        assert_eq!(lines[0][6], "2-flush-and-id");
        assert_eq!(lines[1][..6], ["    Points Possible", "", "", "", "", "15"]);
        let points = class.students[0].report.as_ref().unwrap().exercises[0].reached();
        assert_eq!(lines[2][..6], ["Zhou, Wei", "11", "u1", "zhou", "A", &*points.to_string()]);
        // One who is not graded, and one who is missing, keep the grade that they have.
        assert_eq!(lines[3][..6], ["'=Evil, Eve", "12", "u2", "Eve", "A", ""]);
        assert_eq!(lines[4][..6], ["Missing, Max", "13", "u3", "max", "B", ""]);
        assert_eq!(lines.len(), 5, "one who is not in the roster is not imported");
    }

    #[test]
    fn without_a_roster_the_names_of_the_submissions_stand_for_the_students() {
        let course = crate::report::tests::course();
        let class = class(&course, None);
        let canvas = table(&class, for_canvas);
        assert_eq!(canvas[2][..5], ["", "", "", "zhou", ""]);
        let moodle = table(&class, for_moodle);
        assert_eq!(moodle[0][..2], ["Username", "1-write-block"]);
        assert_eq!(moodle[0].last().unwrap(), "points");
        assert_eq!(moodle[1][0], "zhou");
        assert_eq!(moodle[3][0], "'=cmd");
    }

    #[test]
    fn moodle_gets_the_columns_that_say_who_somebody_is() {
        let course = crate::report::tests::course();
        let roster = "First name,Last name,Email address,Lab (Real)\nWei,Zhou,zhou,3\n";
        let lines = table(&class(&course, Some(roster)), for_moodle);
        assert_eq!(lines[0][..4], ["First name", "Last name", "Email address", "1-write-block"]);
        assert_eq!(lines[1][..3], ["Wei", "Zhou", "zhou"]);
    }

    #[test]
    fn the_own_table_names_who_is_missing_and_who_is_unknown() {
        let course = crate::report::tests::course();
        let lines = table(&class(&course, Some(CANVAS)), own);
        let remark = |name: &str| {
            let line = lines.iter().find(|line| line[0] == name).unwrap();
            line.last().unwrap().clone()
        };
        assert_eq!(remark("zhou"), "1 other files not used");
        assert_eq!(remark("eve"), "not graded");
        assert_eq!(remark("'=cmd"), "not in the roster; 1 other files not used");
        assert_eq!(remark("max"), "missing");
    }
}
