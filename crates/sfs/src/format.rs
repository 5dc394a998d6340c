//! Making a file system.

use alloc::{vec, vec::Vec};

use zerocopy::IntoBytes;

use super::{
    BLOCK_SIZE, Error, Kind, Result, Storage, Times,
    entries::DIRECTORY_LINKS,
    layout::{BITS, DiskEntry, DiskInode, FREE_MAP, MIN_BLOCKS, ROOT, SUPERBLOCK, Superblock},
};

/// Makes an empty file system of `blocks` blocks on `storage`, and makes it durable. What lay there
/// before is lost. All times are 0.
///
/// The superblock is written last, behind a flush: a power cut before that leaves no file system.
///
/// # Errors
///
/// [`Error::TooSmall`] if the storage has fewer blocks, or if a file system cannot be so small, and those of the storage.
pub fn format<S: Storage>(storage: &S, blocks: u32) -> Result<(), S::Error> {
    let found = storage.capacity() / BLOCK_SIZE as u64;
    let map_blocks = blocks.div_ceil(BITS);
    // The data of the root lies behind the map.
    let root_data = FREE_MAP + map_blocks;
    let needed = blocks.max(MIN_BLOCKS);
    if found < needed.into() || blocks < needed {
        return Err(Error::TooSmall { needed: needed.into(), found: found.min(blocks.into()) });
    }
    let write = |block, bytes: &[u8]| storage.write(block, 0, bytes).map_err(Error::Storage);
    let mut block = vec![0; BLOCK_SIZE];
    write(SUPERBLOCK, &block)?;
    storage.flush().map_err(Error::Storage)?;

    for index in 0..map_blocks {
        for (at, byte) in block.iter_mut().enumerate() {
            let first = u64::from(index * BITS) + 8 * at as u64;
            let free =
                |bit: u64| (u64::from(root_data) + 1..blocks.into()).contains(&(first + bit));
            *byte = (0..8).fold(0, |byte, bit| byte | u8::from(free(bit)) << bit);
        }
        write(FREE_MAP + index, &block)?;
    }
    let entries = [DiskEntry::new(ROOT, "."), DiskEntry::new(ROOT, "..")];
    write(root_data, &whole(entries.as_bytes()))?;
    let mut root = DiskInode::new(Kind::Directory, DIRECTORY_LINKS, Times::default());
    root.size = (entries.as_bytes().len() as u32).into();
    root.blocks = 1.into();
    if let Some(first) = root.direct.first_mut() {
        *first = root_data.into();
    }
    write(ROOT, &whole(root.as_bytes()))?;
    storage.flush().map_err(Error::Storage)?;

    let unused = blocks - root_data - 1;
    write(SUPERBLOCK, &whole(Superblock::new(blocks, unused).as_bytes()))?;
    storage.flush().map_err(Error::Storage)
}

/// A block that starts with these bytes; the rest is 0.
fn whole(bytes: &[u8]) -> Vec<u8> {
    let mut block = bytes.to_vec();
    block.resize(BLOCK_SIZE, 0);
    block
}
