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

    /// The files, from `root` on, and lines of source of an instruction: several where functions were
    /// inlined. None for what comes from elsewhere.
    pub fn lines(&self, address: u64, root: &Path) -> Result<Vec<(PathBuf, usize)>> {
        let unknown = |error| anyhow!("no debug information for {address:#x}: {error}");
        let mut frames =
            self.debug.find_frames(address).map_err(|error| unknown(error.to_string()))?;
        let mut lines = Vec::new();
        while let Some(frame) = frames.next().map_err(|error| unknown(error.to_string()))? {
            let Some(location) = frame.location else { continue };
            let file = location.file.and_then(|file| Path::new(file).strip_prefix(root).ok());
            // The outermost was called first.
            if let (Some(file), Some(line)) = (file, location.line) {
                lines.insert(0, (file.to_owned(), line as usize));
            }
        }
        Ok(lines)
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
