//! The roster of a class: a table of those who should have handed something in.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

/// The columns that may hold the names of the submissions, in the order in which they are looked for. The
/// first ones are those of Canvas and Moodle; `Student` comes late, as Canvas has the name for people there.
const KEYS: [&str; 7] =
    ["SIS Login ID", "Username", "Email address", "Email", "ID number", "Login", "Student"];

/// A roster.
#[derive(Debug)]
pub struct Roster {
    head: Vec<String>,
    lines: Vec<Vec<String>>,
    key: usize,
}

impl Roster {
    /// Reads a table with a head line. The column with the names of the submissions is the first that is there
    /// of `SIS Login ID`, `Username`, `Email address`, `Email`, `ID number`, `Login` and `Student`, or else the
    /// first of all.
    ///
    /// # Errors
    ///
    /// It cannot be read, or names nobody.
    pub fn read(path: &Path) -> Result<Self> {
        let read = || Self::parse(&fs::read(path)?);
        read().with_context(|| format!("{} is no roster", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        // Spreadsheets put a byte order mark before the head.
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
        let cells = |record: &csv::StringRecord| -> Vec<String> {
            record.iter().map(|cell| cell.trim().to_owned()).collect()
        };
        let head = cells(table.headers()?);
        let key = KEYS.iter().find_map(|key| position(&head, key)).unwrap_or(0);
        let mut roster = Self { head, lines: Vec::new(), key };
        for record in table.records() {
            let line = cells(&record?);
            // Canvas writes a line of points and one of a student who is none.
            let first = line.first().map_or("", String::as_str);
            let is_student = !first.ends_with("Points Possible") && first != "Student, Test";
            if is_student && !roster.name(&line).is_empty() {
                roster.lines.push(line);
            }
        }
        ensure!(!roster.lines.is_empty(), "it names nobody below its head line");
        Ok(roster)
    }

    /// The lines, each with the name of its submission.
    pub fn students(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.lines.iter().map(|line| (self.name(line), &line[..]))
    }

    /// Returns `true` if a submission of this name is expected. Upper and lower case are the same.
    pub fn has(&self, name: &str) -> bool {
        self.students().any(|(known, _)| same(known, name))
    }

    /// The head line.
    pub fn head(&self) -> &[String] {
        &self.head
    }

    /// The place of the column with this title.
    pub fn column(&self, title: &str) -> Option<usize> {
        position(&self.head, title)
    }

    /// The place of the column with the names of submissions.
    pub fn key(&self) -> usize {
        self.key
    }

    fn name<'a>(&self, line: &'a [String]) -> &'a str {
        line.get(self.key).map_or("", String::as_str)
    }
}

/// Returns `true` if a roster and a folder mean one student.
pub fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn position(head: &[String], title: &str) -> Option<usize> {
    head.iter().position(|cell| cell.eq_ignore_ascii_case(title))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A gradebook as Canvas exports it.
    pub const CANVAS: &str =
        "\u{feff}Student,ID,SIS User ID,SIS Login ID,Section,1-write-block (77),Final Score
    Points Possible,,,,,10,(read only)
\"Zhou, Wei\",11,u1,zhou,A,,
\"=Evil, Eve\",12,u2,Eve,A,,
\"Missing, Max\",13,u3,max,B,,
\"Student, Test\",14,,deadbeef,A,,
";

    /// A roster.
    pub fn roster(text: &str) -> Roster {
        Roster::parse(text.as_bytes()).unwrap()
    }

    fn names(text: &str) -> Vec<String> {
        roster(text).students().map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn names_are_found_in_the_columns_of_canvas_and_moodle() {
        assert_eq!(names(CANVAS), ["zhou", "Eve", "max"]);
        assert_eq!(names("First name,Email address\nWei,wei@x.org\n"), ["wei@x.org"]);
        assert_eq!(names("student,section\nzhou,A\n\nli,B\n"), ["zhou", "li"]);
        assert_eq!(names("who\nzhou\nli\n"), ["zhou", "li"]);
        assert!(roster(CANVAS).has("ZHOU") && !roster(CANVAS).has("deadbeef"));
    }

    #[test]
    fn a_roster_of_nobody_is_none() {
        assert!(Roster::parse(b"student\n").is_err());
        assert!(Roster::parse(b"").is_err());
        assert!(Roster::parse(b"student\n\xff\n").is_err());
    }
}
