//! The format on the disk, byte for byte. All numbers are little-endian.

use zerocopy::{
    FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{I32, I64, U16, U32, U64},
};

/// The number with which block 0 starts, and so the file system: four bytes, the lowest one first.
pub const MAGIC: u32 = 0x2f8d_be2b;
/// The superblock's words about itself.
pub(crate) const INFO: &[u8] = b"simple file system";
/// The block of the superblock.
pub(crate) const SUPERBLOCK: u32 = 0;
/// The number of the root directory's inode.
pub(crate) const ROOT: u32 = 1;
/// The first block of the free map.
pub(crate) const FREE_MAP: u32 = 2;
/// The blocks that one block of the free map stands for.
pub(crate) const BITS: u32 = 8 * crate::BLOCK_SIZE as u32;
/// The fewest blocks that a file system has.
pub(crate) const MIN_BLOCKS: u32 = 16;
/// The numbers of blocks that an inode holds itself.
pub(crate) const DIRECT: u32 = 12;
/// The numbers of blocks that a pointer block holds.
pub(crate) const POINTERS: u32 = 1024;
/// The first block of a file that is found through the double indirect block.
pub(crate) const DOUBLE_START: u32 = DIRECT + POINTERS;
/// The size of a directory entry in bytes.
pub(crate) const ENTRY: u32 = 260;
/// The longest target of a symlink in bytes, as long as a path may be elsewhere.
pub(crate) const TARGET_MAX: usize = 4095;
/// The device number of an inode that is no device.
const NO_DEVICE: u64 = 100;

/// The content of block 0.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Superblock {
    pub magic: U32,
    pub blocks: U32,
    pub unused_blocks: U32,
    pub info: [u8; 32],
    pub free_map_blocks: U32,
}

impl Superblock {
    pub(crate) fn new(blocks: u32, unused_blocks: u32) -> Self {
        let mut info = [0; 32];
        for (to, from) in info.iter_mut().zip(INFO) {
            *to = *from;
        }
        Self {
            magic: MAGIC.into(),
            blocks: blocks.into(),
            unused_blocks: unused_blocks.into(),
            info,
            free_map_blocks: blocks.div_ceil(BITS).into(),
        }
    }
}

/// The first bytes of an inode's block.
// ANCHOR: inode
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct DiskInode {
    pub size: U32,
    pub kind: U16,
    pub links: U16,
    pub blocks: U32,
    pub direct: [U32; DIRECT as usize],
    pub indirect: U32,
    pub double: U32,
    padding: [u8; 4],
    device: U64,
    accessed: DiskTime,
    modified: DiskTime,
    changed: DiskTime,
}
// ANCHOR_END: inode

impl DiskInode {
    /// Makes an inode without content.
    pub(crate) fn new(kind: Kind, links: u16, times: Times) -> Self {
        let mut inode = Self::new_zeroed();
        inode.kind = kind.number().into();
        inode.links = links.into();
        inode.device = NO_DEVICE.into();
        inode.set_times(times);
        inode
    }

    /// The same with another count of links.
    pub(crate) fn with_links(self, links: u16) -> Self {
        Self { links: links.into(), ..self }
    }

    pub(crate) fn times(&self) -> Times {
        Times {
            accessed: self.accessed.get(),
            modified: self.modified.get(),
            changed: self.changed.get(),
        }
    }

    pub(crate) fn set_times(&mut self, times: Times) {
        self.accessed = times.accessed.into();
        self.modified = times.modified.into();
        self.changed = times.changed.into();
    }
}

/// A point in time.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct DiskTime {
    seconds: I64,
    nanoseconds: I32,
    padding: [u8; 4],
}

impl DiskTime {
    fn get(self) -> Time {
        Time { seconds: self.seconds.get(), nanoseconds: self.nanoseconds.get() }
    }
}

impl From<Time> for DiskTime {
    fn from(time: Time) -> Self {
        Self { seconds: time.seconds.into(), nanoseconds: time.nanoseconds.into(), padding: [0; 4] }
    }
}

/// One entry of a directory. Entries are packed, so that one may straddle two blocks.
// ANCHOR: entry
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct DiskEntry {
    pub inode: U32,
    pub name: [u8; 256],
}
// ANCHOR_END: entry

impl DiskEntry {
    /// Makes an entry for a name of at most 255 bytes; more are cut off.
    pub(crate) fn new(inode: u32, name: &str) -> Self {
        let mut entry = Self { inode: inode.into(), name: [0; 256] };
        for (to, from) in entry.name.iter_mut().take(crate::NAME_MAX).zip(name.bytes()) {
            *to = from;
        }
        entry
    }
}

/// The kind of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symlink; its content is the path that it stands for.
    Symlink,
    /// A character device. This crate reads such an inode and never makes one.
    CharacterDevice,
    /// A block device. This crate reads such an inode and never makes one.
    BlockDevice,
}

impl Kind {
    /// The kind that a number on the disk stands for; 0 stands for none.
    pub(crate) fn of_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::File,
            2 => Self::Directory,
            3 => Self::Symlink,
            4 => Self::CharacterDevice,
            5 => Self::BlockDevice,
            _ => return None,
        })
    }

    pub(crate) fn number(self) -> u16 {
        match self {
            Self::File => 1,
            Self::Directory => 2,
            Self::Symlink => 3,
            Self::CharacterDevice => 4,
            Self::BlockDevice => 5,
        }
    }
}

/// A point in time, counted from 1 January 1970 UTC, or from the start of a machine without a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// The whole seconds.
    pub seconds: i64,
    /// The rest, in nanoseconds.
    pub nanoseconds: i32,
}

/// The times of an inode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When it was made. Reading does not change it.
    pub accessed: Time,
    /// When its content changed last.
    pub modified: Time,
    /// When the inode changed last.
    pub changed: Time,
}
