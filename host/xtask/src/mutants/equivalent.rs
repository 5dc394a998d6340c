//! The mutants that are no mistakes: they do the same as the original, or nothing that a test could see.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::source::Mutant;

/// The file, which belongs to this program as it was built.
const LIST: &str = include_str!("equivalent.toml");

/// The place of the file in the repository, for messages.
pub const PLACE: &str = "host/xtask/src/mutants/equivalent.toml";

/// A mutant of which nobody needs to be told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equivalent {
    file: String,
    function: String,
    change: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    equivalent: Vec<Equivalent>,
}

impl Equivalent {
    pub fn is(&self, mutant: &Mutant) -> bool {
        Path::new(&self.file) == mutant.file
            && self.function == mutant.function
            && self.change == mutant.change
    }
}

impl std::fmt::Display for Equivalent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.file, self.function, self.change)
    }
}

/// Reads the list and checks that each entry is of exactly one mutant, and says why.
pub fn list(mutants: &[Mutant]) -> Result<Vec<Equivalent>> {
    parse(LIST, mutants)
}

fn parse(text: &str, mutants: &[Mutant]) -> Result<Vec<Equivalent>> {
    let list: List = toml::from_str(text).with_context(|| format!("{PLACE} is not understood"))?;
    for entry in &list.equivalent {
        let count = mutants.iter().filter(|mutant| entry.is(mutant)).count();
        ensure!(count > 0, "{PLACE}: there is no mutant \"{entry}\"; has the code changed?");
        ensure!(!entry.reason.trim().is_empty(), "{PLACE}: no reason is given for \"{entry}\"");
        let entries = list.equivalent.iter().filter(|other| {
            (&other.file, &other.function, &other.change)
                == (&entry.file, &entry.function, &entry.change)
        });
        ensure!(entries.count() == 1, "{PLACE}: \"{entry}\" is there twice");
    }
    Ok(list.equivalent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutants() -> Vec<Mutant> {
        let text = "fn f() { g(); h(); }".to_owned();
        super::super::source::number(vec![("a.rs".into(), text)], |_| true).unwrap().mutants
    }

    fn entry(function: &str, change: &str, reason: &str) -> String {
        format!(
            "[[equivalent]]\nfile = \"a.rs\"\nfunction = \"{function}\"\nchange = '{change}'\n\
             reason = \"{reason}\"\n"
        )
    }

    #[test]
    fn an_entry_is_of_one_mutant_and_has_a_reason() {
        let good = entry("f", "leave out `g();`", "because");
        let list = parse(&good, &mutants()).unwrap();
        assert_eq!(mutants().iter().filter(|mutant| list[0].is(mutant)).count(), 1);
        for (bad, words) in [
            (entry("f", "leave out `i();`", "because"), "there is no mutant"),
            (entry("g", "leave out `g();`", "because"), "there is no mutant"),
            (entry("f", "leave out `g();`", " "), "no reason"),
            (format!("{good}{good}"), "twice"),
            (format!("{good}line = 3\n"), "not understood"),
        ] {
            let error = parse(&bad, &mutants()).unwrap_err();
            assert!(error.to_string().contains(words), "{error:#}");
        }
    }
}
