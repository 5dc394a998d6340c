//! A walk through an image: every name below a folder, in whatever state the image is.

use std::{collections::HashSet, vec};

use anyhow::{Context, Result};
use sfs::Kind;

use crate::image::{Fs, Inode};

/// One name of an image.
pub struct Met {
    /// The number of folders in which it is, the one where the walk began not counted.
    pub depth: usize,
    /// The name.
    pub name: String,
    /// True for the last name of its folder.
    pub last: bool,
    /// The thing of that name, or the reason why it cannot be read.
    pub what: Result<What>,
}

/// A thing that has a name.
pub enum What {
    /// A folder; what is in it comes next.
    Folder,
    /// A folder that has come before, under another name. A power cut while it was moved leaves that, and a broken
    /// image has it in every form, circles too. What is in it does not come again.
    FolderAgain,
    /// Anything else.
    Other(Inode, Kind),
}

/// A walk. The names of a folder come in the order of their bytes, each folder's before what is in it.
pub struct Walk<'a> {
    fs: &'a Fs,
    /// What is left of each folder on the way.
    way: Vec<vec::IntoIter<(String, u32)>>,
    folders: HashSet<u32>,
}

impl<'a> Walk<'a> {
    /// Begins a walk in a folder.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn new(fs: &'a Fs, folder: &Inode) -> Result<Self> {
        Ok(Self { fs, way: vec![names(folder)?.into_iter()], folders: [folder.number()].into() })
    }

    fn what(&mut self, number: u32) -> Result<What> {
        let inode = self.fs.open(number)?;
        let kind = inode.kind();
        if kind != Kind::Directory {
            return Ok(What::Other(inode, kind));
        }
        if self.folders.contains(&number) {
            return Ok(What::FolderAgain);
        }
        // One that cannot be read says so under each of its names.
        self.way.push(names(&inode)?.into_iter());
        self.folders.insert(number);
        Ok(What::Folder)
    }
}

impl Iterator for Walk<'_> {
    type Item = Met;

    fn next(&mut self) -> Option<Met> {
        loop {
            let depth = self.way.len().checked_sub(1)?;
            let folder = self.way.last_mut()?;
            let Some((name, number)) = folder.next() else {
                self.way.pop();
                continue;
            };
            let last = folder.as_slice().is_empty();
            return Some(Met { depth, name, last, what: self.what(number) });
        }
    }
}

/// The names in a folder, in the order of their bytes, and the inodes that they name; without the "." and ".." with
/// which a folder starts, but with those that a broken one has elsewhere.
///
/// # Errors
///
/// The folder cannot be read.
pub fn names(folder: &Inode) -> Result<Vec<(String, u32)>> {
    let entries = folder.entries().context("the folder cannot be read")?;
    let is_start = |place: usize, name: &str| [".", ".."].get(place) == Some(&name);
    let mut names: Vec<_> = entries
        .into_iter()
        .enumerate()
        .filter_map(|(place, entry)| (!is_start(place, &entry.0)).then_some(entry))
        .collect();
    names.sort();
    Ok(names)
}
