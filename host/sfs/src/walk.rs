//! A walk through an image: every name below a folder, in whatever state the image is.

use std::{collections::HashSet, vec};

use anyhow::{Context, Result};
use sfs::Kind;

use crate::image::Inode;

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
pub struct Walk {
    /// The folders on the way, and what is left of each.
    way: Vec<(Inode, vec::IntoIter<Listed>)>,
    folders: HashSet<u32>,
}

impl Walk {
    /// Begins a walk in a folder.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn new(folder: Inode) -> Result<Self> {
        let (names, number) = (names(&folder)?, folder.number());
        Ok(Self { way: vec![(folder, names.into_iter())], folders: [number].into() })
    }

    fn what(&mut self, inode: Inode) -> Result<What> {
        let kind = inode.kind();
        if kind != Kind::Directory {
            return Ok(What::Other(inode, kind));
        }
        if self.folders.contains(&inode.number()) {
            return Ok(What::FolderAgain);
        }
        // One that cannot be read says so under each of its names.
        let names = names(&inode)?;
        self.folders.insert(inode.number());
        self.way.push((inode, names.into_iter()));
        Ok(What::Folder)
    }
}

impl Iterator for Walk {
    type Item = Met;

    fn next(&mut self) -> Option<Met> {
        loop {
            let depth = self.way.len().checked_sub(1)?;
            let (folder, names) = self.way.last_mut()?;
            let Some(listed) = names.next() else {
                self.way.pop();
                continue;
            };
            let last = names.as_slice().is_empty();
            let inode = listed.open(folder);
            let what = inode.and_then(|inode| self.what(inode));
            return Some(Met { depth, name: listed.name, last, what });
        }
    }
}

/// A name in a folder.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The name.
    pub name: String,
    /// The number of what it names.
    number: u32,
    /// Its place in the folder.
    place: usize,
}

impl Listed {
    /// Opens what it names in the folder.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn open(&self, folder: &Inode) -> Result<Inode> {
        Ok(folder.open_entry(self.place, &self.name, self.number)?)
    }
}

/// The names in a folder, in the order of their bytes; without the "." and ".." with which a folder starts, but with
/// those that a broken one has elsewhere.
///
/// # Errors
///
/// The folder cannot be read.
pub fn names(folder: &Inode) -> Result<Vec<Listed>> {
    let entries = folder.entries().context("the folder cannot be read")?;
    let is_start = |place: usize, name: &str| [".", ".."].get(place) == Some(&name);
    let mut names: Vec<_> = entries
        .into_iter()
        .enumerate()
        .filter(|(place, (name, _))| !is_start(*place, name))
        .map(|(place, (name, number))| Listed { name, number, place })
        .collect();
    names.sort();
    Ok(names)
}
