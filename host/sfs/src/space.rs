//! The space that things take in an image, in blocks.

use sfs::BLOCK_SIZE;

/// The size of an entry in a directory.
const ENTRY: u64 = 260;
/// The pointers in an inode, and in a block of pointers.
const DIRECT: u64 = 12;
const POINTERS: u64 = BLOCK_SIZE as u64 / 4;
/// The blocks that one block of the map stands for.
const MAPPED: u64 = BLOCK_SIZE as u64 * 8;
/// The superblock.
const SUPERBLOCK: u64 = 1;
/// The file system keeps one of so many blocks, and at most so many, for the copies that a change of a full image needs.
const KEPT_SHARE: u64 = 32;
const KEPT_MOST: u64 = 16;
/// The smallest image that the format knows.
const SMALLEST: u64 = 16;

/// The blocks of a file or symlink of so many bytes: inode, contents, pointers.
pub fn of_file(size: u64) -> u64 {
    let data = size.div_ceil(BLOCK_SIZE as u64);
    // Each kind of pointer block comes with the block before the first one that needs it.
    let pointers = match data.checked_sub(DIRECT) {
        None => 0,
        Some(beyond) => match beyond.checked_sub(POINTERS) {
            None => 1,
            Some(beyond) => 2 + beyond / POINTERS + 1,
        },
    };
    1 + data + pointers
}

/// The blocks of a folder with so many names, "." and ".." not counted.
pub fn of_folder(names: u64) -> u64 {
    of_file((names + 2) * ENTRY)
}

/// The blocks of the smallest image for so many blocks of files and folders: superblock, map and what is kept come on
/// top.
pub fn of_image(contents: u64) -> u64 {
    let mut blocks = SMALLEST;
    loop {
        let kept = (blocks / KEPT_SHARE).min(KEPT_MOST);
        let needed = contents + SUPERBLOCK + blocks.div_ceil(MAPPED) + kept;
        if needed <= blocks {
            return blocks;
        }
        blocks = needed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_come_a_block_early() {
        let blocks = |count: u64| of_file(count * BLOCK_SIZE as u64);
        assert_eq!(of_file(0), 1);
        assert_eq!(of_file(1), 2);
        assert_eq!(blocks(11), 1 + 11);
        assert_eq!(blocks(12), 1 + 12 + 1);
        assert_eq!(blocks(1035), 1 + 1035 + 1);
        assert_eq!(blocks(1036), 1 + 1036 + 3);
        assert_eq!(blocks(2059), 1 + 2059 + 3);
        assert_eq!(blocks(2060), 1 + 2060 + 4);
        assert_eq!(of_folder(0), 2);
        assert_eq!(of_folder(14), 3);
    }

    #[test]
    fn the_map_grows_with_the_image() {
        assert_eq!(of_image(2), SMALLEST);
        assert_eq!(of_image(14), 16);
        // From 32 blocks on some are kept, from 512 on no more.
        assert_eq!(of_image(29), 31);
        assert_eq!(of_image(30), 33);
        assert_eq!(of_image(509), 527);
        // From 32,769 blocks on the map has two.
        assert_eq!(of_image(32_750), 32_768);
        assert_eq!(of_image(32_751), 32_770);
    }
}
