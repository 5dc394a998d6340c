//! Operations done by the file system itself.

use std::{collections::BTreeMap, panic};

use sfs::{Error, FileSystem, Inode, MountOptions, StdLocks, Time};

use crate::{
    disk::{Disk, Trouble},
    model::{Answer, Base, Done, Op, Path, Refusal, SLOTS},
};

/// A mounted file system on the disk of the proof.
pub type Files = FileSystem<Disk, StdLocks>;
/// An inode of it.
pub type File = Inode<Disk, StdLocks>;
/// Its errors.
pub type Failure = Error<Trouble>;

/// A file system with what is held open.
pub struct Mounted {
    disk: Disk,
    /// `None` only while it is mounted anew.
    files: Option<Files>,
    slots: [Option<File>; SLOTS],
}

impl Mounted {
    /// Mounts.
    ///
    /// # Errors
    ///
    /// Those of the crate.
    pub fn mount(disk: &Disk) -> Result<Self, Failure> {
        let files = mount(disk)?;
        Ok(Self { disk: disk.clone(), files: Some(files), slots: Default::default() })
    }

    /// The file system.
    ///
    /// # Errors
    ///
    /// It could not be mounted anew.
    pub fn files(&self) -> Result<&Files, Refusal> {
        self.files.as_ref().ok_or(Refusal::Closed)
    }

    /// Does one operation.
    pub fn run(&mut self, op: &Op) -> Answer {
        match op {
            Op::Create(path) => {
                let (directory, name) = self.parent(path)?;
                Ok(Done::Inode(directory.create(name)?.number()))
            }
            Op::Mkdir(path) => {
                let (directory, name) = self.parent(path)?;
                Ok(Done::Inode(directory.mkdir(name)?.number()))
            }
            Op::Symlink(path, target) => {
                let (directory, name) = self.parent(path)?;
                Ok(Done::Inode(directory.symlink(name, target)?.number()))
            }
            Op::Unlink(path) => {
                let (directory, name) = self.parent(path)?;
                directory.unlink(name)?;
                Ok(Done::Nothing)
            }
            Op::Rmdir(path) => {
                let (directory, name) = self.parent(path)?;
                directory.rmdir(name)?;
                Ok(Done::Nothing)
            }
            Op::Rename(old, new) => {
                let (from, old_name) = self.parent(old)?;
                let (to, new_name) = self.parent(new)?;
                from.rename(old_name, &to, new_name)?;
                Ok(Done::Nothing)
            }
            Op::Link(old, new) => {
                let file = self.find(old)?;
                let (directory, name) = self.parent(new)?;
                directory.link(name, &file)?;
                Ok(Done::Nothing)
            }
            Op::Truncate(path, size) => {
                self.find(path)?.truncate(*size)?;
                Ok(Done::Nothing)
            }
            Op::Write(path, offset, count, fill) => {
                let file = self.find(path)?;
                let bytes = crate::model::bytes(*fill, *offset, *count);
                Ok(Done::Count(file.write_at(*offset, &bytes)?))
            }
            Op::Read(path, offset, count) => {
                let mut bytes = vec![0; *count];
                let count = self.find(path)?.read_at(*offset, &mut bytes)?;
                bytes.truncate(count);
                Ok(Done::Bytes(bytes))
            }
            Op::ReadLink(path) => Ok(Done::Text(self.find(path)?.read_link()?)),
            Op::List(path) => Ok(Done::Names(names(&self.find(path)?)?)),
            Op::Stat(path) => {
                let stat = self.find(path)?.stat();
                let (number, size) = (stat.number, stat.size.into());
                Ok(Done::Stat { number, size, links: stat.links.into() })
            }
            Op::Fsync(path) => {
                self.find(path)?.fsync()?;
                Ok(Done::Nothing)
            }
            Op::Sync => {
                self.files()?.sync()?;
                Ok(Done::Nothing)
            }
            Op::Open(slot, path) => {
                let file = self.find(path)?;
                let number = file.number();
                self.slots[*slot] = Some(file);
                Ok(Done::Inode(number))
            }
            Op::Close(slot) => {
                self.slots[*slot] = None;
                Ok(Done::Nothing)
            }
            Op::Remount => {
                self.slots = Default::default();
                // What had no name any more is given back by the sync after the last handle is gone.
                self.files()?.sync()?;
                self.files = None;
                self.files = Some(mount(&self.disk)?);
                Ok(Done::Nothing)
            }
        }
    }

    fn find(&self, path: &Path) -> Result<File, Refusal> {
        let mut file = match path.base {
            Base::Root => self.files()?.root(),
            Base::Slot(slot) => self.slots[slot].clone().ok_or(Refusal::Closed)?,
        };
        for name in &path.names {
            file = file.lookup(name)?;
        }
        Ok(file)
    }

    fn parent<'a>(&self, path: &'a Path) -> Result<(File, &'a str), Refusal> {
        let (name, way) = path.names.split_last().ok_or(Refusal::Closed)?;
        let directory = self.find(&Path { base: path.base, names: way.to_vec() })?;
        match directory.kind() {
            sfs::Kind::Directory => Ok((directory, name)),
            _ => Err(Refusal::NotDirectory),
        }
    }
}

/// Mounts, with a time that stands still.
///
/// # Errors
///
/// Those of the crate.
pub fn mount(disk: &Disk) -> Result<Files, Failure> {
    let now = || Time { seconds: 1_700_000_000, nanoseconds: 5 };
    FileSystem::mount(disk.clone(), MountOptions { read_only: false, now })
}

/// The names in a directory without "." and "..", or `Other` if these two are not the first.
fn names(directory: &File) -> Result<BTreeMap<String, u32>, Refusal> {
    let entries = directory.entries()?;
    match &entries[..] {
        [(this, number), (parent, _), rest @ ..]
            if this == "." && parent == ".." && *number == directory.number() =>
        {
            let names: BTreeMap<_, _> = rest.iter().cloned().collect();
            match names.len() == rest.len() {
                true => Ok(names),
                false => Err(Refusal::Other(format!("a name is there twice: {rest:?}"))),
            }
        }
        _ => Err(Refusal::Other(format!("entries without . and ..: {entries:?}"))),
    }
}

impl From<Failure> for Refusal {
    fn from(error: Failure) -> Self {
        match error {
            Error::NotFound => Self::NotFound,
            Error::Exists => Self::Exists,
            Error::NotDirectory => Self::NotDirectory,
            Error::IsDirectory => Self::IsDirectory,
            Error::NotFile => Self::NotFile,
            Error::NotSymlink => Self::NotSymlink,
            Error::NotEmpty => Self::NotEmpty,
            Error::InvalidName(_) => Self::InvalidName,
            Error::NoSpace => Self::NoSpace,
            Error::TooLarge => Self::TooLarge,
            Error::IntoItself => Self::IntoItself,
            Error::Removed => Self::Removed,
            Error::Storage(_) => Self::Disk,
            Error::Failed => Self::Failed,
            other => Self::Other(other.to_string()),
        }
    }
}

/// Does something that must not panic.
///
/// # Errors
///
/// Words on the panic.
pub fn calmly<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(panic::AssertUnwindSafe(run)).map_err(|payload| {
        let words = payload.downcast_ref::<String>().cloned();
        let words = words.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let place = PANIC.with_borrow_mut(Option::take).unwrap_or_default();
        format!("a panic at {place}: {}", words.unwrap_or_default())
    })
}

std::thread_local! {
    /// Where the last panic of this thread was.
    static PANIC: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
}

/// Lets panics be noted instead of printed.
pub fn note_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        PANIC.set(place);
    }));
}
