//! Operations.

use std::fmt;

/// A path: from the root or from an open inode, through these names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path {
    /// The beginning.
    pub base: Base,
    /// The names; without any, the path is the beginning itself.
    pub names: Vec<String>,
}

/// The beginning of a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Base {
    /// The root.
    Root,
    /// The inode that this slot holds open.
    Slot(usize),
}

impl Path {
    /// A path from the root, written with slashes.
    pub fn new(path: &str) -> Self {
        let names = path.split('/').filter(|name| !name.is_empty());
        Self { base: Base::Root, names: names.map(str::to_owned).collect() }
    }

    /// The inode that this slot holds open.
    pub fn slot(slot: usize) -> Self {
        Self { base: Base::Slot(slot), names: Vec::new() }
    }

    /// The path of an entry of this directory.
    pub fn join(&self, name: &str) -> Self {
        let names = self.names.iter().cloned().chain([name.to_owned()]).collect();
        Self { base: self.base, names }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.base {
            Base::Root if self.names.is_empty() => return f.write_str("/"),
            Base::Root => (),
            Base::Slot(slot) => write!(f, "<{slot}>")?,
        }
        for name in &self.names {
            let short: String = name.chars().take(12).collect();
            match name.len() {
                0 => f.write_str("/\"\"")?,
                1..=12 => write!(f, "/{name}")?,
                long => write!(f, "/{short}..({long} bytes)")?,
            }
        }
        Ok(())
    }
}

/// An operation on a file system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Op {
    /// Makes an empty file.
    Create(Path),
    /// Makes a directory.
    Mkdir(Path),
    /// Removes a name that is not that of a directory.
    Unlink(Path),
    /// Removes an empty directory.
    Rmdir(Path),
    /// Gives the first the name of the second.
    Rename(Path, Path),
    /// Gives the first the second name as well.
    Link(Path, Path),
    /// Makes a symlink to this target.
    Symlink(Path, String),
    /// Cuts a file to this size, or makes it so large.
    Truncate(Path, u64),
    /// So many bytes from this offset on; the last number says which bytes.
    Write(Path, u64, usize, u32),
    /// Reads so many bytes from this offset on.
    Read(Path, u64, usize),
    /// Reads a symlink's target.
    ReadLink(Path),
    /// Lists a directory.
    List(Path),
    /// Asks what is known about an inode.
    Stat(Path),
    /// Makes everything durable.
    Fsync(Path),
    /// Makes everything durable, and the disk clean.
    Sync,
    /// Holds an inode open in this slot.
    Open(usize, Path),
    /// Empties this slot.
    Close(usize),
    /// Syncs, and mounts anew; the slots are closed.
    Remount,
}

impl Op {
    /// True if it may be refused because the disk is full. A change to a directory needs space even where a name
    /// is taken away, as the directory's blocks are not changed in place.
    pub fn takes_space(&self) -> bool {
        !matches!(
            self,
            Self::Read(..)
                | Self::ReadLink(_)
                | Self::List(_)
                | Self::Stat(_)
                | Self::Open(..)
                | Self::Close(_)
        )
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(path) => write!(f, "create {path}"),
            Self::Mkdir(path) => write!(f, "mkdir {path}"),
            Self::Unlink(path) => write!(f, "unlink {path}"),
            Self::Rmdir(path) => write!(f, "rmdir {path}"),
            Self::Rename(old, new) => write!(f, "rename {old} to {new}"),
            Self::Link(old, new) => write!(f, "link {old} as {new}"),
            Self::Symlink(path, target) => write!(f, "symlink {path} to {} bytes", target.len()),
            Self::Truncate(path, size) => write!(f, "truncate {path} to {size}"),
            Self::Write(path, offset, count, _) => write!(f, "write {path} {offset}+{count}"),
            Self::Read(path, offset, count) => write!(f, "read {path} {offset}+{count}"),
            Self::ReadLink(path) => write!(f, "readlink {path}"),
            Self::List(path) => write!(f, "list {path}"),
            Self::Stat(path) => write!(f, "stat {path}"),
            Self::Fsync(path) => write!(f, "fsync {path}"),
            Self::Sync => f.write_str("sync"),
            Self::Open(slot, path) => write!(f, "open {path} as <{slot}>"),
            Self::Close(slot) => write!(f, "close <{slot}>"),
            Self::Remount => f.write_str("remount"),
        }
    }
}

/// The bytes of a write: never 0, and different for every `fill` and at every place.
pub fn bytes(fill: u32, offset: u64, count: usize) -> Vec<u8> {
    let mixed = |position: u64| {
        let mixed = (u64::from(fill) << 32 ^ position).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        1 + (mixed >> 40) as u8 % 255
    };
    (offset..).take(count).map(mixed).collect()
}
