//! Files to be damaged, and ways to damage them.

use super::common::{self, Memory, content, mount};

pub const BLOCK: u64 = sfs::BLOCK_SIZE as u64;
pub const ENTRY: u64 = 260;
pub const ROOT: u32 = 1;
/// The entries of a directory that lie in its first block.
pub const FIRST_ENTRIES: u64 = BLOCK / ENTRY;
/// Where an inode has its size, kind, count of links, blocks, and first pointers.
pub const SIZE: u64 = 0;
pub const KIND: u64 = 4;
pub const LINKS: u64 = 6;
pub const BLOCKS: u64 = 8;
pub const DIRECT: u64 = 12;
pub const INDIRECT: u64 = 60;

/// A place in a block, counted from the start of the storage.
pub fn place(block: u32, offset: u64) -> u64 {
    u64::from(block) * BLOCK + offset
}

pub fn number(memory: &Memory, block: u32, offset: u64) -> u32 {
    let mut bytes = [0; 4];
    memory.get(place(block, offset), &mut bytes);
    u32::from_le_bytes(bytes)
}

pub fn set_number(memory: &Memory, block: u32, offset: u64, number: u32) {
    memory.put(place(block, offset), &number.to_le_bytes());
}

/// The place of an entry in the first block of a directory.
pub fn entry(memory: &Memory, directory: u32, name: &str) -> u64 {
    let block = number(memory, directory, DIRECT);
    let found = (0..FIRST_ENTRIES).map(|slot| place(block, slot * ENTRY)).find(|at| {
        let mut bytes = vec![0; name.len() + 1];
        memory.get(at + 4, &mut bytes);
        bytes.strip_suffix(&[0]) == Some(name.as_bytes())
    });
    found.unwrap()
}

/// Gives an entry another name, up to its NUL.
pub fn set_name(memory: &Memory, directory: u32, name: &str, new: &[u8]) {
    let at = entry(memory, directory, name) + 4;
    memory.put(at, &[0; 256]);
    memory.put(at, new);
}

/// Makes a file with its path as the content, and the directories above it. Returns the file's number.
pub fn make(system: &common::System<'_>, path: &str) -> u32 {
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut directory = system.root();
    for part in above.split('/').filter(|part| !part.is_empty()) {
        directory = directory.lookup(part).or_else(|_| directory.mkdir(part)).unwrap();
    }
    let file = directory.create(name).unwrap();
    file.write_at(0, path.as_bytes()).unwrap();
    file.number()
}

/// A file system with files of these paths.
pub fn with_files(paths: &[&str]) -> Memory {
    let memory = Memory::formatted(200);
    let system = mount(&memory);
    for path in paths {
        make(&system, path);
    }
    system.sync().unwrap();
    drop(system);
    memory
}

pub fn number_of(memory: &Memory, path: &str) -> u32 {
    let system = mount(memory);
    system.resolve(&system.root(), path).unwrap().number()
}

/// All files must be there, with their paths as the content.
#[track_caller]
pub fn assert_files(memory: &Memory, paths: &[&str]) {
    let system = mount(memory);
    for path in paths {
        let file = system.resolve(&system.root(), path).unwrap();
        assert_eq!(content(&file), path.as_bytes());
    }
}

pub fn repair(memory: &Memory) -> sfs::Report {
    sfs::repair(&memory).unwrap()
}
