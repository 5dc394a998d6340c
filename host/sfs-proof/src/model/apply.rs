//! The changes of an operation to a tree, or the reasons for which it must be refused.

use std::collections::BTreeMap;

use super::{
    answer::{Answer, Done, Expected, Refusal},
    op::{Op, Path, bytes},
    state::{Body, Id, State},
};

/// The largest size of a file.
const LARGEST: u64 = u32::MAX as u64;
/// The longest target of a symlink: what a path may have elsewhere, too.
const LONGEST_TARGET: usize = 4095;
/// The longest name.
const LONGEST: usize = 255;

impl State {
    /// Does an operation here that the file system has done with this answer, and says what the answer should
    /// have been. What the file system alone can decide is taken from the answer: the number of a new
    /// inode, and how much of a write fits on the disk.
    pub fn apply(&mut self, op: &Op, answer: &Answer) -> Expected {
        if answer == &Err(Refusal::NoSpace) && op.takes_space() {
            return Err(vec![Refusal::NoSpace]);
        }
        let expected = self.perform(op, answer);
        self.forget();
        expected
    }

    fn perform(&mut self, op: &Op, answer: &Answer) -> Expected {
        match op {
            Op::Create(path) => self.make(path, Body::File(Vec::new()), answer),
            Op::Symlink(path, target) => self.make(path, Body::Symlink(target.clone()), answer),
            Op::Mkdir(path) => {
                let (parent, _) = self.parent(path)?;
                let names = BTreeMap::new();
                let made = self.make(path, Body::Directory { names }, answer)?;
                self.count(parent, 1);
                Ok(made)
            }
            Op::Unlink(path) => {
                let (directory, name) = self.parent(path)?;
                let id = self.entry(directory, name)?;
                self.expect(!self.is_directory(id), Refusal::IsDirectory)?;
                self.take_away(directory, name);
                self.count(id, -1);
                Ok(Done::Nothing)
            }
            Op::Rmdir(path) => {
                let (directory, name) = self.parent(path)?;
                let id = self.entry(directory, name)?;
                let names = self.names(id).ok_or(Refusal::NotDirectory)?;
                self.expect(names.is_empty(), Refusal::NotEmpty)?;
                self.take_away(directory, name);
                self.remove_directory(id);
                self.count(directory, -1);
                Ok(Done::Nothing)
            }
            Op::Rename(old, new) => self.rename(old, new),
            Op::Link(old, new) => self.link(old, new),
            Op::Truncate(path, size) => {
                let file = self.file(path)?;
                if *size > LARGEST {
                    return Err(vec![Refusal::TooLarge]);
                }
                file.resize(*size as usize, 0);
                Ok(Done::Nothing)
            }
            Op::Write(path, offset, count, fill) => {
                let file = self.file(path)?;
                if *count > 0 && offset + *count as u64 > LARGEST {
                    return Err(vec![Refusal::TooLarge]);
                }
                // A full disk takes a part.
                let done = match answer {
                    Ok(Done::Count(done)) if done < count && *done > 0 => *done,
                    _ => *count,
                };
                let start = *offset as usize;
                if done > 0 {
                    file.resize(file.len().max(start + done), 0);
                    file[start..start + done].copy_from_slice(&bytes(*fill, *offset, done));
                }
                Ok(Done::Count(done))
            }
            Op::Read(path, offset, count) => {
                let file = self.file(path)?;
                let start = file.len().min(*offset as usize);
                let end = file.len().min(start + count);
                Ok(Done::Bytes(file[start..end].to_vec()))
            }
            Op::ReadLink(path) => match &self.node(self.find(path)?).ok_or(Refusal::NotFound)?.body
            {
                Body::Symlink(target) => Ok(Done::Text(target.clone())),
                _ => Err(vec![Refusal::NotSymlink]),
            },
            Op::List(path) => {
                let names = self.names(self.find(path)?).ok_or(Refusal::NotDirectory)?;
                let number = |id: &Id| self.node(*id).map_or(0, |node| node.number);
                let names = names.iter().map(|(name, id)| (name.clone(), number(id)));
                Ok(Done::Names(names.collect()))
            }
            Op::Stat(path) => {
                let node = self.node(self.find(path)?).ok_or(Refusal::NotFound)?;
                let size = match &node.body {
                    Body::File(content) => content.len(),
                    Body::Symlink(target) => target.len(),
                    Body::Directory { names, .. } => (names.len() + 2) * 260,
                };
                let (number, size, links) = (node.number, size as u64, node.links);
                Ok(Done::Stat { number, size, links })
            }
            Op::Fsync(path) => {
                self.find(path)?;
                Ok(Done::Nothing)
            }
            Op::Sync => Ok(Done::Nothing),
            Op::Open(slot, path) => {
                let id = self.find(path)?;
                self.slots[*slot] = Some(id);
                Ok(Done::Inode(self.node(id).map_or(0, |node| node.number)))
            }
            Op::Close(slot) => {
                self.slots[*slot] = None;
                Ok(Done::Nothing)
            }
            Op::Remount => {
                self.slots = Default::default();
                Ok(Done::Nothing)
            }
        }
    }

    fn expect(&self, holds: bool, otherwise: Refusal) -> Result<(), Vec<Refusal>> {
        if holds { Ok(()) } else { Err(vec![otherwise]) }
    }

    fn entry(&self, directory: Id, name: &str) -> Result<Id, Vec<Refusal>> {
        let id = self.names(directory).and_then(|names| names.get(name)).copied();
        id.ok_or_else(|| {
            let mut why = vec![Refusal::NotFound];
            if !is_valid(name) {
                why.push(Refusal::InvalidName);
            }
            if self.is_removed(directory) {
                why.push(Refusal::Removed);
            }
            why
        })
    }

    pub(super) fn is_removed(&self, id: Id) -> bool {
        self.node(id).is_some_and(|node| node.links == 0)
    }

    fn file(&mut self, path: &Path) -> Result<&mut Vec<u8>, Vec<Refusal>> {
        let id = self.find(path)?;
        match self.node_mut(id).map(|node| &mut node.body) {
            Some(Body::File(content)) => Ok(content),
            Some(Body::Symlink(_)) => Err(vec![Refusal::NotFile]),
            Some(Body::Directory { .. }) => Err(vec![Refusal::IsDirectory, Refusal::NotFile]),
            None => Err(vec![Refusal::NotFound]),
        }
    }

    /// All reasons for which a directory cannot get a new entry.
    fn no_room(&self, directory: Id, name: &str) -> Vec<Refusal> {
        let mut why = Vec::new();
        if !is_valid(name) {
            why.push(Refusal::InvalidName);
        }
        if self.names(directory).is_some_and(|names| names.contains_key(name)) {
            why.push(Refusal::Exists);
        }
        if self.is_removed(directory) {
            why.push(Refusal::Removed);
        }
        why
    }

    fn make(&mut self, path: &Path, body: Body, answer: &Answer) -> Expected {
        let (directory, name) = self.parent(path)?;
        let mut why = self.no_room(directory, name);
        if matches!(&body, Body::Symlink(target) if target.is_empty()) {
            why.push(Refusal::InvalidName);
        }
        if matches!(&body, Body::Symlink(target) if target.len() > LONGEST_TARGET) {
            why.push(Refusal::TooLarge);
        }
        if !why.is_empty() {
            return Err(why);
        }
        let links = if matches!(body, Body::Directory { .. }) { 2 } else { 1 };
        let id = self.add(body, links);
        let number = match answer {
            Ok(Done::Inode(number)) => *number,
            _ => 0,
        };
        if let Some(node) = self.node_mut(id) {
            node.number = number;
        }
        self.put(directory, name, id);
        Ok(Done::Inode(number))
    }

    fn put(&mut self, directory: Id, name: &str, id: Id) {
        if let Some(names) = self.names_mut(directory) {
            names.insert(name.to_owned(), id);
        }
    }

    fn take_away(&mut self, directory: Id, name: &str) {
        if let Some(names) = self.names_mut(directory) {
            names.remove(name);
        }
    }

    /// Takes note that a directory has lost a name.
    fn remove_directory(&mut self, id: Id) {
        if !self.is_named(id) {
            self.count(id, -2);
        }
    }

    fn link(&mut self, old: &Path, new: &Path) -> Expected {
        let (id, (directory, name)) = both(self.find(old), self.parent(new))?;
        let mut why = self.no_room(directory, name);
        if self.is_directory(id) {
            why.push(Refusal::IsDirectory);
        } else if self.is_removed(id) {
            why.push(Refusal::Removed);
        }
        if !why.is_empty() {
            return Err(why);
        }
        self.put(directory, name, id);
        self.count(id, 1);
        Ok(Done::Nothing)
    }

    fn rename(&mut self, old: &Path, new: &Path) -> Expected {
        let ((from, old_name), (to, new_name)) = both(self.parent(old), self.parent(new))?;
        let mut why = Vec::new();
        if !is_valid(new_name) || !is_valid(old_name) {
            why.push(Refusal::InvalidName);
        }
        if self.is_removed(to) || self.is_removed(from) {
            why.push(Refusal::Removed);
        }
        let moved = match self.entry(from, old_name) {
            Ok(moved) => moved,
            Err(reasons) => return Err([why, reasons].concat()),
        };
        let replaced = self.names(to).and_then(|names| names.get(new_name)).copied();
        if replaced == Some(moved) && why.is_empty() {
            return Ok(Done::Nothing);
        }
        let is_directory = self.is_directory(moved);
        if is_directory && self.is_within(moved, to) {
            why.push(Refusal::IntoItself);
        }
        if let Some(replaced) = replaced {
            let names = self.names(replaced);
            match (is_directory, names) {
                (false, Some(_)) => why.push(Refusal::IsDirectory),
                (true, None) => why.push(Refusal::NotDirectory),
                _ => (),
            }
            if names.is_some_and(|names| !names.is_empty()) {
                why.push(Refusal::NotEmpty);
            }
        }
        if !why.is_empty() {
            return Err(why);
        }
        self.take_away(from, old_name);
        self.put(to, new_name, moved);
        match replaced {
            Some(replaced) if is_directory => {
                self.remove_directory(replaced);
                self.count(to, -1);
            }
            Some(replaced) => self.count(replaced, -1),
            None => (),
        }
        if is_directory {
            self.count(from, -1);
            self.count(to, 1);
        }
        Ok(Done::Nothing)
    }
}

/// Both, or the refusals of either: which one is seen first is nobody's business.
fn both<A, B>(one: Result<A, Refusal>, two: Result<B, Refusal>) -> Result<(A, B), Vec<Refusal>> {
    match (one, two) {
        (Ok(one), Ok(two)) => Ok((one, two)),
        (one, two) => Err(one.err().into_iter().chain(two.err()).collect()),
    }
}

/// True if an entry may have this name.
fn is_valid(name: &str) -> bool {
    let dots = name == "." || name == "..";
    !(name.is_empty() || name.len() > LONGEST || dots || name.contains(['/', '\0']))
}
