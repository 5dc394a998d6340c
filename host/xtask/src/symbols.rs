//! The kernel's file: the addresses of its functions, and the lines of source behind an address.

use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use addr2line::Loader;
use anyhow::{Context, Result, anyhow};
use object::{Object as _, ObjectSymbol as _, SymbolKind};

/// A kernel's file.
pub struct Kernel {
    debug: Loader,
    /// By their first address: the end, and the name as in the source.
    functions: BTreeMap<u64, (u64, String)>,
}

/// A place in a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function's name.
    pub function: String,
    /// The file, from the repository's root on.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

impl Kernel {
    /// Reads the file.
    pub fn open(path: &Path) -> Result<Self> {
        let unreadable = || format!("cannot read the kernel {}", path.display());
        let contents = fs::read(path).with_context(unreadable)?;
        let file = object::File::parse(&*contents).with_context(unreadable)?;
        let functions = file
            .symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
            .filter_map(|symbol| {
                let name = format!("{:#}", rustc_demangle::demangle(symbol.name().ok()?));
                Some((symbol.address(), (symbol.address() + symbol.size(), name)))
            })
            .collect();
        let debug =
            Loader::new(path).map_err(|error| anyhow!("{error}")).with_context(unreadable)?;
        Ok(Self { debug, functions })
    }

    /// The addresses of the function of this name.
    pub fn function(&self, name: &str) -> Result<Range<u64>> {
        let mut functions = self.functions.iter();
        let found = functions.find(|(_, (_, known))| known == name);
        let (begin, (end, _)) =
            found.with_context(|| format!("the kernel has no function {name}"))?;
        Ok(*begin..*end)
    }

    /// The first address of the function around `address`.
    pub fn beginning(&self, address: u64) -> Option<u64> {
        let (begin, (end, _)) = self.functions.range(..=address).next_back()?;
        (address < *end).then_some(*begin)
    }

    /// The addresses of all functions in whose name one of `crates` occurs: their own ones, and those of
    /// others with types of theirs, into which a function of theirs may have been inlined.
    pub fn mentioning(&self, crates: &[String]) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (begin, (end, name)) in &self.functions {
            if !crates.iter().any(|of| mentions(name, of)) {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if *begin < last.end + NEAR => last.end = *end,
                _ => ranges.push(*begin..*end),
            }
        }
        ranges
    }

    /// The addresses of all functions whose name begins so.
    pub fn functions_beginning(&self, name: &str) -> Vec<Range<u64>> {
        let functions = self.functions.iter().filter(|(_, (_, known))| known.starts_with(name));
        functions.map(|(begin, (end, _))| *begin..*end).collect()
    }

    /// The files, from `root` on, and lines of source of an instruction: several where functions were
    /// inlined. None for what comes from elsewhere.
    pub fn lines(&self, address: u64, root: &Path) -> Result<Vec<(PathBuf, usize)>> {
        // The outermost was called first.
        let frames = self.frames(address, root)?.into_iter().rev();
        Ok(frames.map(|frame| (frame.file, frame.line)).collect())
    }

    /// The functions of an instruction with their places in the source below `root`, the innermost first: several
    /// where functions were inlined. None for what comes from elsewhere.
    pub fn frames(&self, address: u64, root: &Path) -> Result<Vec<Frame>> {
        let unknown = |error| anyhow!("no debug information for {address:#x}: {error}");
        let mut found =
            self.debug.find_frames(address).map_err(|error| unknown(error.to_string()))?;
        let mut frames = Vec::new();
        while let Some(frame) = found.next().map_err(|error| unknown(error.to_string()))? {
            let Some(location) = frame.location else { continue };
            let file = location.file.and_then(|file| Path::new(file).strip_prefix(root).ok());
            if let (Some(file), Some(line)) = (file, location.line) {
                let name = frame.function.as_ref().and_then(|name| name.raw_name().ok());
                let name = name.map(|name| format!("{:#}", rustc_demangle::demangle(&name)));
                let function = name.unwrap_or_default();
                frames.push(Frame { function, file: file.to_owned(), line: line as usize });
            }
        }
        Ok(frames)
    }

    /// The names of the functions of an instruction, the outermost first: several where functions were inlined.
    /// None outside of the kernel.
    pub fn functions_at(&self, address: u64) -> Vec<String> {
        let mut names = Vec::new();
        if let Ok(mut frames) = self.debug.find_frames(address) {
            while let Ok(Some(frame)) = frames.next() {
                let name = frame.function.as_ref().and_then(|name| name.raw_name().ok());
                names.extend(name.map(|name| format!("{:#}", rustc_demangle::demangle(&name))));
            }
        }
        names.reverse();
        // Assembly has symbols only.
        if names.is_empty()
            && let Some((_, (end, name))) = self.functions.range(..=address).next_back()
            && address < *end
        {
            names.push(name.clone());
        }
        names
    }
}

/// Two functions with fewer bytes between them are watched together, which makes a longer log in less time:
/// QEMU looks through all ranges for each block that it runs.
const NEAR: u64 = 4096;

/// Returns true if a demangled name has a path that begins with this crate.
fn mentions(name: &str, of: &str) -> bool {
    name.match_indices(of).any(|(at, _)| {
        let before = name[..at].chars().next_back();
        let starts = before.is_none_or(|c| c != ':' && c != '_' && !c.is_alphanumeric());
        starts && name[at + of.len()..].starts_with("::")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_told_from_a_module_of_that_name() {
        assert!(mentions("<virtio::Queue as wait::Awaited>::look", "wait"));
        assert!(mentions("wait::wait::<virtio::Room>", "wait"));
        assert!(mentions("<alloc::vec::Vec<block::Request>>::push", "block"));
        assert!(!mentions("ostd::sync::wait::Waker::wake_up", "wait"));
        assert!(!mentions("device_wait::run", "wait"));
        assert!(!mentions("ostd::await", "wait"));
    }
}
