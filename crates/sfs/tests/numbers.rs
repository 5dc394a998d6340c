//! Numbers of inodes that are gone, and what has them now.

mod common;

use common::{Memory, assert_clean, image, mount};
use sfs::{BLOCK_SIZE, Error};

/// Lets ".." of a directory name another inode.
fn set_parent(memory: &Memory, directory: u32, parent: u32) {
    let start = |number: u32, name: &str| [&number.to_le_bytes(), name.as_bytes(), &[0]].concat();
    let capacity = sfs::Storage::capacity(memory);
    let is_it = |at: &u64| {
        let mut bytes = [0; 6];
        memory.get(*at, &mut bytes);
        bytes == start(directory, ".")[..]
    };
    let block = (0..capacity).step_by(BLOCK_SIZE).find(is_it).expect("the directory's block");
    memory.put(block + 260, &parent.to_le_bytes());
}

#[test]
fn nothing_is_looked_up_in_a_removed_directory() {
    for forge in [false, true] {
        let memory = Memory::formatted(100);
        let system = mount(&memory);
        let root = system.root();
        let file = root.create("file").unwrap();
        let a = root.mkdir("a").unwrap();
        let number = a.number();
        let held = a.mkdir("d").unwrap();
        a.rmdir("d").unwrap();
        root.rmdir("a").unwrap();
        drop(a);
        system.sync().unwrap();
        // Its parent's number is free, and gets a new owner: another directory, or what looks like an inode.
        if forge {
            let mut block = [0; BLOCK_SIZE];
            memory.get(u64::from(root.number()) * BLOCK_SIZE as u64, &mut block);
            file.write_at(0, &block).unwrap();
        } else {
            assert_eq!(root.mkdir("g").unwrap().number(), number);
        }
        for name in ["..", ".", "x"] {
            assert_eq!(held.lookup(name).map(drop), Err(Error::Removed), "{name}");
        }
        assert_eq!(system.resolve(&held, "../file").map(drop), Err(Error::Removed));
        assert_eq!(system.resolve(&held, "/file").map(|file| file.number()), Ok(file.number()));
        drop(held);
        system.sync().unwrap();
        assert_clean(&memory);
    }
}

/// The reference implementation leaves ".." as it is when a directory moves.
#[test]
fn the_way_up_leads_to_a_directory_that_holds_this_one() {
    let memory = Memory::formatted(100);
    let (directory, others) = {
        let system = mount(&memory);
        let root = system.root();
        let parent = root.mkdir("parent").unwrap();
        let directory = parent.mkdir("directory").unwrap();
        directory.mkdir("below").unwrap();
        let other = root.mkdir("other").unwrap();
        let file = root.create("file").unwrap();
        file.write_at(0, b"no inode").unwrap();
        system.sync().unwrap();
        let numbers = [other.number(), file.number(), file.number() + 1, 90, 0, 2, 5000];
        (directory.number(), numbers)
    };
    let up = |from: &str| {
        let system = mount(&memory);
        system.resolve(&system.root(), from)?.lookup("..").map(|parent| parent.number())
    };
    let parent = up("/parent/directory/below/..").unwrap();
    for other in others {
        set_parent(&memory, directory, other);
        let found = up("/parent/directory");
        assert!(matches!(found, Err(Error::Corrupt { .. })), "{other}: {found:?}");
        // On the way down nobody asks for it.
        assert_eq!(up("/parent/directory/below"), Ok(directory));
    }
    // The root is there always.
    set_parent(&memory, directory, 1);
    assert_eq!(up("/parent/directory"), Ok(1));
    assert_eq!(up("/"), Ok(1));
    set_parent(&memory, directory, parent);
    assert_eq!(up("/parent/directory"), Ok(parent));
    assert_clean(&memory);
}

#[test]
fn a_listed_entry_is_opened_as_long_as_it_is_there() {
    let memory = Memory::formatted(200);
    let system = mount(&memory);
    let root = system.root();
    let directory = root.mkdir("directory").unwrap();
    for number in 0..30 {
        directory.create(&format!("{number}")).unwrap();
    }
    let listed = directory.entries().unwrap();
    let open = |place: usize| {
        let (name, number) = &listed[place];
        directory.open_entry(place, name, *number).map(|inode| inode.number())
    };
    for (place, (name, number)) in listed.iter().enumerate() {
        assert_eq!(open(place), Ok(*number), "{name}");
        // The place is no more than a hint.
        assert_eq!(
            directory.open_entry(77, name, *number).map(|inode| inode.number()),
            Ok(*number)
        );
    }
    // The last one takes the place of this one, whose number is another one's soon.
    directory.unlink("3").unwrap();
    system.sync().unwrap();
    let reused = root.create("reused").unwrap().number();
    assert_eq!(listed[5], ("3".into(), reused));
    assert_eq!(open(5), Err(Error::NotFound));
    assert_eq!(open(31), Ok(listed[31].1));
    // The same name, but of another inode.
    directory.create("3").unwrap();
    assert_eq!(open(5), Err(Error::NotFound));
    directory.rename("4", &root, "4").unwrap();
    assert_eq!(open(6), Err(Error::NotFound));
    for (name, _) in directory.entries().unwrap().iter().skip(2) {
        directory.unlink(name).unwrap();
    }
    root.rmdir("directory").unwrap();
    assert_eq!(open(7), Err(Error::Removed));
}

/// All that an image of the reference implementation lists can be opened.
#[test]
fn listed_entries_of_the_reference_are_opened() {
    for name in ["a-small", "d-deep", "e-churn"] {
        let bytes = image(name);
        let memory = Memory::of_bytes(&bytes, bytes.len() as u64);
        let system = mount(&memory);
        let mut open = vec![system.root()];
        let mut seen = 0;
        while let Some(directory) = open.pop() {
            for (place, (name, number)) in directory.entries().unwrap().iter().enumerate().skip(2) {
                let inode = directory.open_entry(place, name, *number).unwrap();
                assert_eq!(inode.number(), *number);
                seen += 1;
                if inode.kind() == sfs::Kind::Directory {
                    open.push(inode);
                }
            }
        }
        assert!(seen > 4, "{name}");
    }
}
