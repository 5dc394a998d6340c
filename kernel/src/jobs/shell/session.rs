//! Where the user of the shell is, and what paths mean there.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::ops::ControlFlow;

use ostd::sync::Mutex;
use sfs::Kind;

use super::super::{Failure, failure, text::Name};
use crate::fs::{Error, FileSystem, Inode};

/// The most directories on the way to the root that the prompt looks for.
const DEEPEST: usize = 256;

/// A file system, and the directory that relative paths start from.
pub(super) struct Session {
    pub(super) fs: FileSystem,
    directory: Mutex<Inode>,
}

impl Session {
    /// Starts in the root directory.
    pub(super) fn new(fs: FileSystem) -> Self {
        Self { directory: Mutex::new(fs.root()), fs }
    }

    /// The directory that relative paths start from.
    pub(super) fn directory(&self) -> Inode {
        self.directory.lock().clone()
    }

    /// Goes to a directory.
    pub(super) fn enter(&self, path: &str) -> Result<(), Failure> {
        let inode = self.resolve(path)?;
        if inode.kind() != Kind::Directory {
            return Err(failure::file(path)(Error::NotDirectory));
        }
        *self.directory.lock() = inode;
        Ok(())
    }

    /// The path of the directory, as the disk has it now; a question mark where that cannot be told, as when the
    /// directory has been removed.
    pub(super) fn path(&self) -> String {
        self.names_from_root().map_or_else(
            |_| "?".to_owned(),
            |names| {
                let path: String = names.iter().rev().flat_map(|name| ["/", name]).collect();
                if path.is_empty() { "/".to_owned() } else { path }
            },
        )
    }

    /// The names on the way from the directory up to the root.
    fn names_from_root(&self) -> Result<Vec<String>, Error> {
        let root = self.fs.root().number();
        let mut directory = self.directory();
        let mut names = Vec::new();
        while directory.number() != root {
            let parent = directory.lookup("..")?;
            let mut found = None;
            parent.visit(&mut |entry| {
                if entry.inode == directory.number() && !matches!(entry.name, "." | "..") {
                    found = Some(format!("{}", Name(entry.name)));
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })?;
            names.push(found.ok_or(Error::Removed)?);
            if names.len() > DEEPEST {
                return Err(Error::Loop);
            }
            directory = parent;
        }
        Ok(names)
    }

    /// Follows a path to its end.
    pub(super) fn resolve(&self, path: &str) -> Result<Inode, Failure> {
        self.fs.resolve(&self.directory(), path).map_err(failure::file(path))
    }

    /// The directory that the last name of a path is in, and that name.
    pub(super) fn parent<'p>(&self, path: &'p str) -> Result<(Inode, &'p str), Failure> {
        self.fs.resolve_parent(&self.directory(), path).map_err(failure::file(path))
    }

    /// The place that something of this name gets when it goes to `path`: in the directory that is there, or else
    /// with the name that the path says.
    pub(super) fn place<'p>(
        &self,
        path: &'p str,
        name: &'p str,
    ) -> Result<(Inode, &'p str), Failure> {
        match self.fs.resolve(&self.directory(), path) {
            Ok(directory) if directory.kind() == Kind::Directory => Ok((directory, name)),
            _ => self.parent(path),
        }
    }

    /// The file at a path, which is made if there is none.
    pub(super) fn file_to_write(&self, path: &str) -> Result<Inode, Failure> {
        match self.fs.resolve(&self.directory(), path) {
            Ok(inode) => match inode.kind() {
                Kind::File => Ok(inode),
                Kind::Directory => Err(failure::file(path)(Error::IsDirectory)),
                _ => Err(failure::file(path)(Error::NotFile)),
            },
            Err(Error::NotFound) => {
                let (directory, name) = self.parent(path)?;
                directory.create(name).map_err(failure::file(path))
            }
            Err(error) => Err(failure::file(path)(error)),
        }
    }
}
