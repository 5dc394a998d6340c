//! The errors of a file system.

use core::fmt;

use embedded_io::ErrorKind;

use super::{FILE_MAX, NAME_MAX};

/// The result of an operation on a file system; `E` is the error of its storage.
pub type Result<T, E> = core::result::Result<T, Error<E>>;

/// The reason for which an operation failed. Unless a variant says otherwise, the operation has
/// changed nothing then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// The storage failed.
    Storage(E),
    /// A write failed earlier that must not stay half done, so nothing can be changed. If it was one of a commit,
    /// [`FileSystem::sync`](crate::FileSystem::sync) may complete it; else the file system must be mounted again.
    /// Reading goes on.
    Failed,
    /// No entry has this name.
    NotFound,
    /// An entry has this name already.
    Exists,
    /// The operation needs a directory.
    NotDirectory,
    /// The operation is not one for directories.
    IsDirectory,
    /// The operation needs a regular file.
    NotFile,
    /// The operation needs a symlink.
    NotSymlink,
    /// The directory has entries.
    NotEmpty,
    /// No entry may have this name.
    InvalidName(NameError),
    /// All space is in use.
    NoSpace,
    /// The size would exceed [`FILE_MAX`], or the target of a symlink 4095 bytes.
    TooLarge,
    /// The file system is mounted read-only, or its storage cannot be written.
    ReadOnly,
    /// A directory would be moved into itself or into a directory below it.
    IntoItself,
    /// The count of links is at its limit.
    TooManyLinks,
    /// A path leads through too many symlinks.
    Loop,
    /// Two inodes of different file systems were named.
    OtherFileSystem,
    /// The inode has been removed from its last directory.
    Removed,
    /// The superblock starts with another number than that of a Simple File System.
    WrongMagic {
        /// The number.
        found: u32,
    },
    /// The storage does not have the blocks that a new file system needs.
    TooSmall {
        /// The blocks that are needed.
        needed: u64,
        /// The whole blocks that the storage has.
        found: u64,
    },
    /// The disk holds something that no sound file system has.
    Corrupt {
        /// The thing that is wrong.
        what: &'static str,
        /// The number of the block or inode where that was found.
        at: u32,
    },
}

impl<E> Error<E> {
    /// A short name for messages and for counting errors by kind.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Storage(_) => "storage",
            Self::Failed => "failed",
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::NotDirectory => "not_directory",
            Self::IsDirectory => "is_directory",
            Self::NotFile => "not_file",
            Self::NotSymlink => "not_symlink",
            Self::NotEmpty => "not_empty",
            Self::InvalidName(_) => "invalid_name",
            Self::NoSpace => "no_space",
            Self::TooLarge => "too_large",
            Self::ReadOnly => "read_only",
            Self::IntoItself => "into_itself",
            Self::TooManyLinks => "too_many_links",
            Self::Loop => "loop",
            Self::OtherFileSystem => "other_file_system",
            Self::Removed => "removed",
            Self::WrongMagic { .. } => "wrong_magic",
            Self::TooSmall { .. } => "too_small",
            Self::Corrupt { .. } => "corrupt",
        }
    }
}

impl<E> From<NameError> for Error<E> {
    fn from(error: NameError) -> Self {
        Self::InvalidName(error)
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(error) => write!(f, "the storage failed: {error}"),
            Self::Failed => f.write_str(
                "an earlier write failed, so the file system can only be read; try sync, else mount it again",
            ),
            Self::NotFound => f.write_str("there is no entry of this name"),
            Self::Exists => f.write_str("an entry of this name exists already"),
            Self::NotDirectory => f.write_str("it is not a directory"),
            Self::IsDirectory => f.write_str("it is a directory"),
            Self::NotFile => f.write_str("it is not a regular file"),
            Self::NotSymlink => f.write_str("it is not a symlink"),
            Self::NotEmpty => f.write_str("the directory is not empty"),
            Self::InvalidName(error) => write!(f, "{error}"),
            Self::NoSpace => f.write_str("there is no space left"),
            Self::TooLarge => write!(
                f,
                "a file cannot have more than {FILE_MAX} bytes, the target of a symlink not more than {}",
                super::layout::TARGET_MAX
            ),
            Self::ReadOnly => f.write_str("the file system is read-only"),
            Self::IntoItself => {
                f.write_str("a directory cannot be moved into itself or into one below it")
            }
            Self::TooManyLinks => f.write_str("it has as many links as the format can count"),
            Self::Loop => f.write_str("the path leads through too many symlinks"),
            Self::OtherFileSystem => f.write_str("the two belong to different file systems"),
            Self::Removed => f.write_str("it has been removed"),
            Self::WrongMagic { found } => write!(
                f,
                "no Simple File System: block 0 starts with {found:#010x}, not with {:#010x}",
                super::layout::MAGIC
            ),
            Self::TooSmall { needed, found } => write!(
                f,
                "the file system needs {needed} blocks of 4096 bytes, but the storage has {found}"
            ),
            Self::Corrupt { what, at } => write!(
                f,
                "the file system is damaged at block {at}: {what}; check it, and repair it or make it anew"
            ),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Storage(error) => Some(error),
            _ => None,
        }
    }
}

impl<E: core::error::Error + 'static> embedded_io::Error for Error<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound | Self::Removed => ErrorKind::NotFound,
            Self::Exists => ErrorKind::AlreadyExists,
            Self::NoSpace => ErrorKind::WriteZero,
            Self::ReadOnly => ErrorKind::PermissionDenied,
            Self::InvalidName(_) | Self::TooLarge | Self::IntoItself => ErrorKind::InvalidInput,
            Self::WrongMagic { .. } | Self::Corrupt { .. } => ErrorKind::InvalidData,
            _ => ErrorKind::Other,
        }
    }
}

/// The reason for which no entry may have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It has no bytes.
    Empty,
    /// It contains a slash.
    Slash,
    /// It contains a byte 0.
    Nul,
    /// It is "." or "..", which every directory has from the start.
    Dots,
    /// It is longer than [`NAME_MAX`].
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty"),
            Self::Slash => f.write_str("the name contains a slash"),
            Self::Nul => f.write_str("the name contains a byte 0"),
            Self::Dots => f.write_str("the names \".\" and \"..\" are taken in every directory"),
            Self::TooLong { length } => {
                write!(f, "the name has {length} bytes, {NAME_MAX} are allowed")
            }
        }
    }
}

impl core::error::Error for NameError {}
