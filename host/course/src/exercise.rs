//! The exercises, as the folders under `exercises/` describe them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, Result, anyhow, ensure};
use serde::Deserialize;

use crate::{
    catalog::Catalog,
    check::Check,
    language::{Language, Text},
    place,
};

/// The folder of the exercises, from the root of the tree.
pub const FOLDER: &str = "exercises";

/// All exercises, in the order of their numbers, and the texts that they share.
#[derive(Debug)]
pub struct Course {
    /// The exercises.
    pub exercises: Vec<Exercise>,
    /// The likely causes by name.
    pub catalog: Catalog,
}

/// One exercise: `exercise.toml` of its folder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exercise {
    /// Its number.
    pub number: u32,
    /// Its name in a few words.
    pub title: Text,
    /// The exercises that must be solved before it can be judged in a student's tree.
    #[serde(default)]
    pub needs: Vec<u32>,
    /// The files of a submission that belong to it.
    pub files: Vec<PathBuf>,
    /// The places of the solution in these files.
    #[serde(rename = "place")]
    pub places: Vec<Place>,
    /// Its checks, in the order in which they are judged.
    #[serde(rename = "check")]
    pub checks: Vec<Check>,
    /// Its folder.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// A marked place in the source, and the stub for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The file, from the root of the tree.
    pub file: PathBuf,
    /// The name of its marks.
    pub anchor: String,
}

impl Course {
    /// Reads the exercises of the tree at `root`.
    ///
    /// # Errors
    ///
    /// A file is missing or does not say what it must.
    pub fn load(root: &Path) -> Result<Self> {
        let folder = root.join(FOLDER);
        let mut exercises = Vec::new();
        let entries = fs::read_dir(&folder)
            .with_context(|| format!("cannot read the folder {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.join("exercise.toml").is_file() {
                exercises.push(Exercise::load(root, &path)?);
            }
        }
        exercises.sort_by_key(|exercise| exercise.number);
        for pair in exercises.windows(2) {
            ensure!(
                pair[0].number != pair[1].number,
                "two exercises have the number {}",
                pair[0].number
            );
        }
        Ok(Self { exercises, catalog: Catalog::load(&folder)? })
    }

    /// The exercise with this number.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn exercise(&self, number: u32) -> Result<&Exercise> {
        let found = self.exercises.iter().find(|exercise| exercise.number == number);
        found.ok_or_else(|| anyhow!("there is no exercise {number}; there are {}", self.numbers()))
    }

    /// The chosen exercises, or all of them.
    ///
    /// # Errors
    ///
    /// One that is chosen does not exist.
    pub fn chosen(&self, choice: Option<&Choice>) -> Result<Vec<&Exercise>> {
        match choice {
            None => Ok(self.exercises.iter().collect()),
            Some(Choice(numbers)) => numbers.iter().map(|number| self.exercise(*number)).collect(),
        }
    }

    fn numbers(&self) -> String {
        let numbers: Vec<_> = self.exercises.iter().map(|e| e.number.to_string()).collect();
        numbers.join(", ")
    }

    /// Prints the exercises.
    pub fn list(&self, language: Language) {
        for exercise in &self.exercises {
            let Exercise { number, title, .. } = exercise;
            println!("{number}. {} ({})", title.in_language(language), exercise.points());
            for place in &exercise.places {
                println!("     {} ({})", place.file.display(), place.anchor);
            }
            for check in &exercise.checks {
                println!("  {:>2} {}", check.points, check.title.in_language(language));
            }
        }
    }
}

impl Exercise {
    fn load(root: &Path, folder: &Path) -> Result<Self> {
        let file = folder.join("exercise.toml");
        let read = || -> Result<Self> {
            let mut exercise: Self = toml::from_str(&fs::read_to_string(&file)?)?;
            exercise.folder = folder.to_owned();
            exercise.check(root)?;
            Ok(exercise)
        };
        read().with_context(|| format!("{} is not a description of an exercise", file.display()))
    }

    /// Makes sure that everything is there that the description names.
    fn check(&self, root: &Path) -> Result<()> {
        ensure!(!self.checks.is_empty(), "it has no check");
        for place in &self.places {
            let file = place.file.display();
            ensure!(self.files.contains(&place.file), "{file} is not one of its files");
            // Its attributes hold for the whole crate: `forbid(unsafe_code)` is one.
            let is_root = ["lib.rs", "main.rs"].iter().any(|root| place.file.ends_with(root));
            ensure!(!is_root, "{file} is the root of a crate, which stays the grader's");
            self.stub(place)?;
            place::find(&fs::read_to_string(root.join(&place.file))?, &place.anchor)
                .with_context(|| format!("in {file}"))?;
        }
        let names: BTreeSet<_> = self.checks.iter().map(|check| &check.name).collect();
        ensure!(names.len() == self.checks.len(), "two checks have one name");
        Ok(())
    }

    /// The name of its folder.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The subject of the check with this name.
    pub fn check_title(&self, name: &str, language: Language) -> &str {
        let check = self.checks.iter().find(|check| check.name == name);
        check.map_or("", |check| check.title.in_language(language))
    }

    /// The points that can be had.
    pub fn points(&self) -> u32 {
        self.checks.iter().map(|check| check.points).sum()
    }

    /// The stub: the content of a place until the exercise is solved.
    ///
    /// # Errors
    ///
    /// There is no such file.
    pub fn stub(&self, place: &Place) -> Result<String> {
        let prefix = format!("exercise-{}-", self.number);
        let name = place
            .anchor
            .strip_prefix(&prefix)
            .with_context(|| format!("the anchor {} does not begin with {prefix}", place.anchor))?;
        let path = self.folder.join("stub").join(format!("{name}.rs"));
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// A text of its folder in one language, such as its task.
    ///
    /// # Errors
    ///
    /// There is no such file.
    pub fn text(&self, name: &str, language: Language) -> Result<String> {
        let path = self.folder.join(format!("{name}.{}.md", language.code()));
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}

/// Numbers of exercises, such as `1-4` or `1,3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice(BTreeSet<u32>);

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |word: &str| {
            word.trim()
                .parse::<u32>()
                .map_err(|_| format!("\"{word}\" is no number of an exercise"))
        };
        let mut numbers = BTreeSet::new();
        for part in text.split(',') {
            match part.split_once('-') {
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if first > last || last > 1000 {
                        return Err(format!("\"{part}\" is no range of exercises"));
                    }
                    numbers.extend(first..=last);
                }
                None => _ = numbers.insert(number(part)?),
            }
        }
        Ok(Self(numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exercises_are_chosen_by_number_and_range() {
        let choice = |text: &str| text.parse::<Choice>().map(|Choice(numbers)| numbers);
        assert_eq!(choice("1-3,5").unwrap(), BTreeSet::from([1, 2, 3, 5]));
        assert_eq!(choice("7").unwrap(), BTreeSet::from([7]));
        for bad in ["", "a", "3-1", "1-", "0-999999999"] {
            assert!(choice(bad).is_err(), "{bad}");
        }
    }
}
