//! The project's source: its functions, with their lines and the types that they name.

mod names;
mod outline;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

use self::outline::Outline;
use crate::{files, syntax};

/// A function with its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// With the type or trait that it belongs to.
    pub name: String,
    /// From the repository's root on.
    pub file: PathBuf,
    /// The line of its name.
    pub line: usize,
    /// The lines of its body, those of the braces included.
    body: (usize, usize),
    /// The project's types that it names.
    pub types: BTreeSet<Type>,
}

impl Function {
    /// The number of lines of its body.
    pub fn lines(&self) -> usize {
        self.body.1 - self.body.0 + 1
    }

    /// Returns true if this is the same function.
    pub fn is(&self, other: &Self) -> bool {
        (&self.file, self.line) == (&other.file, other.line)
    }
}

/// A struct, an enum or a trait of the project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Type {
    /// The file that declares it, from the repository's root on.
    pub file: PathBuf,
    pub name: String,
}

/// The source of the kernel and of the crates that it consists of.
pub struct Source {
    crates: Vec<String>,
    files: BTreeMap<PathBuf, Outline>,
}

impl Source {
    /// Reads the source below `root`.
    pub fn read(root: &Path) -> Result<Self> {
        let mut folders = vec![PathBuf::from("kernel")];
        for entry in fs::read_dir(root.join("crates")).context("there is no folder crates/")? {
            folders.push(Path::new("crates").join(entry?.file_name()));
        }
        let mut files = Vec::new();
        for folder in &folders {
            let pattern = root.join(folder).join("src");
            files::list(&pattern, syntax::is_for_tests, &mut files)
                .with_context(|| format!("cannot list {}", pattern.display()))?;
        }
        let mut texts = Vec::new();
        for file in files {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            texts.push((file.strip_prefix(root)?.to_owned(), text));
        }
        let crates = folders.iter().filter_map(|folder| crate_of(folder)).collect();
        Self::parse(crates, texts)
    }

    fn parse(crates: Vec<String>, texts: Vec<(PathBuf, String)>) -> Result<Self> {
        let mut files = BTreeMap::new();
        for (path, text) in texts {
            let outline = Outline::parse(&text)
                .with_context(|| format!("{} is not understood", path.display()))?;
            files.insert(path, outline);
        }
        Ok(Self { crates, files })
    }

    /// The names of the crates.
    pub fn crates(&self) -> &[String] {
        &self.crates
    }

    /// The function to whose body a line belongs; none for derived code.
    pub fn function_at(&self, path: &Path, line: usize) -> Result<Option<Function>> {
        let Some(outline) = self.files.get(path) else {
            ensure!(!self.is_project(path), "{} runs and was not read", path.display());
            return Ok(None);
        };
        if outline.macros.iter().any(|(first, last)| (*first..=*last).contains(&line)) {
            bail!(
                "{}:{line} runs and lies in a macro, where functions are not seen",
                path.display()
            );
        }
        let around = outline.functions.iter().filter(|it| (it.first..=it.body.1).contains(&line));
        // The innermost one.
        let Some(found) = around.max_by_key(|it| it.first) else { return Ok(None) };
        let types =
            found.names.iter().filter_map(|name| self.resolve(path, outline, name)).collect();
        Ok(Some(Function {
            name: found.name.clone(),
            file: path.to_owned(),
            line: found.line,
            body: found.body,
            types,
        }))
    }

    /// The type behind a name that is used in a file, if it is one of the project.
    fn resolve(&self, file: &Path, outline: &Outline, name: &[String]) -> Option<Type> {
        let [modules @ .., name] = name else { return None };
        let own = |name: &str| Type { file: file.to_owned(), name: name.to_owned() };
        match modules {
            [] if outline.types.contains(name) => Some(own(name)),
            [] => {
                let (_, import) = outline.imports.iter().find(|(local, _)| local == name)?;
                let [modules @ .., name] = &import[..] else { return None };
                self.look_up(file, outline, modules, name)
            }
            _ => self.look_up(file, outline, modules, name),
        }
    }

    /// The type of this name in these modules. A name may also be exported by a crate that does not declare
    /// it: so that declaration is taken whose place has most in common with the path.
    fn look_up(
        &self,
        file: &Path,
        outline: &Outline,
        modules: &[String],
        name: &str,
    ) -> Option<Type> {
        let first = modules.first()?;
        let relative = ["crate", "super", "self"].contains(&first.as_str());
        if !relative && !self.crates.contains(first) && !outline.modules.contains(first) {
            return None;
        }
        let inside = crate_of(file).filter(|_| !self.crates.contains(first));
        let path: Vec<&str> =
            inside.as_deref().into_iter().chain(modules.iter().map(String::as_str)).collect();
        let declaring = self.files.iter().filter(|(_, outline)| outline.types.contains(name));
        let place = |file: &Path| {
            let of = crate_of(file).unwrap_or_default();
            let modules = file.with_extension("");
            let modules = modules.iter().filter_map(|part| part.to_str());
            let common = modules.filter(|part| path.contains(part)).count();
            (path.first() == Some(&&*of), common)
        };
        let found = declaring.max_by_key(|(file, _)| place(file));
        found.map(|(file, _)| Type { file: file.clone(), name: name.to_owned() })
    }

    fn is_project(&self, path: &Path) -> bool {
        crate_of(path).is_some_and(|name| self.crates.contains(&name))
    }
}

/// The name of the crate that a file or folder belongs to.
fn crate_of(path: &Path) -> Option<String> {
    let mut parts = path.iter().filter_map(|part| part.to_str());
    let name = match parts.next()? {
        "crates" => parts.next()?,
        first => first,
    };
    Some(name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: &str = "
use wait::Sleeper;
use ostd::Error;
use super::error::Violation;

pub struct Inner;

impl Inner {
    fn pop(&mut self, sleeper: Sleeper) -> Result<u16, Violation> {
        let error = Error::NoMemory;
        let closure = || {
            wait::Waiting::new()
        };
        fn inner() {
            Inner
        }
        matches!(self, block::Buffer(_))
    }
}

#[derive(Debug)]
struct Derived;

macro_rules! of_macros {
    () => {
        fn unseen() {}
    };
}
";

    fn source() -> Source {
        let files = [
            ("crates/virtio/src/queue/mod.rs", QUEUE),
            ("crates/virtio/src/queue/error.rs", "pub enum Violation {}"),
            ("crates/virtio/src/other.rs", "pub enum Violation {}"),
            ("crates/wait/src/lib.rs", "pub struct Sleeper; pub struct Waiting; struct Inner;"),
            ("crates/block/src/lib.rs", "pub use dma::Buffer; pub enum Error {}"),
            ("crates/dma/src/lib.rs", "pub struct Buffer;"),
        ];
        let crates = ["block", "dma", "virtio", "wait"].map(str::to_owned).into();
        let files = files.map(|(path, text)| (PathBuf::from(path), text.to_owned()));
        Source::parse(crates, files.into()).unwrap()
    }

    fn at(line: usize) -> Option<Function> {
        source().function_at(Path::new("crates/virtio/src/queue/mod.rs"), line).unwrap()
    }

    #[test]
    fn a_line_leads_to_its_function() {
        let pop = at(9).unwrap();
        assert_eq!((pop.name.as_str(), pop.line, pop.lines()), ("Inner::pop", 9, 10));
        // A closure belongs to the function, a function in it does not.
        assert!(at(11).unwrap().is(&pop));
        assert_eq!(at(14).unwrap().name, "inner");
        assert!(at(21).is_none(), "derived code");
    }

    #[test]
    fn types_are_found_through_imports_and_paths() {
        let types = at(9).unwrap().types;
        let found: Vec<_> =
            types.iter().map(|it| (it.file.to_str().unwrap(), it.name.as_str())).collect();
        assert_eq!(
            found,
            [
                ("crates/dma/src/lib.rs", "Buffer"),
                ("crates/virtio/src/queue/error.rs", "Violation"),
                ("crates/virtio/src/queue/mod.rs", "Inner"),
                ("crates/wait/src/lib.rs", "Sleeper"),
                ("crates/wait/src/lib.rs", "Waiting"),
            ]
        );
    }

    #[test]
    fn what_cannot_be_seen_is_said() {
        let source = source();
        let error =
            source.function_at(Path::new("crates/virtio/src/queue/mod.rs"), 25).unwrap_err();
        assert!(error.to_string().contains("lies in a macro"), "{error}");
        let error = source.function_at(Path::new("crates/virtio/src/new.rs"), 1).unwrap_err();
        assert!(error.to_string().contains("was not read"), "{error}");
        assert_eq!(source.function_at(Path::new("host/lab/src/lib.rs"), 1).unwrap(), None);
    }
}
