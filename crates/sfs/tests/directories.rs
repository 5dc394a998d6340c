//! Directories that are large, shared, or listed while they change.

mod common;

use std::{ops::ControlFlow, sync::atomic::Ordering::Relaxed, thread};

use common::{Memory, assert_clean, content, mount, names};
use sfs::Kind;

#[test]
fn a_directory_of_thousands() {
    let memory = Memory::formatted(8000);
    let system = mount(&memory);
    let directory = system.root().mkdir("directory").unwrap();
    let name = |number: u32| format!("file number {number}");
    for number in 0..3000 {
        assert_eq!(directory.create(&name(number)).unwrap().kind(), Kind::File);
        if number % 500 == 0 {
            system.sync().unwrap();
        }
    }
    for number in (0..3000).filter(|number| number % 3 != 0) {
        directory.unlink(&name(number)).unwrap();
    }
    system.sync().unwrap();
    assert_clean(&memory);
    let mut expected: Vec<_> = (0..3000).filter(|number| number % 3 == 0).map(name).collect();
    expected.sort();
    assert_eq!(names(&mount(&memory).root().lookup("directory").unwrap()), expected);
    let mut seen = 0;
    let stop = &mut |_: sfs::Entry<'_>| {
        seen += 1;
        if seen == 17 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    directory.visit(stop).unwrap();
    assert_eq!(seen, 17);
}

#[test]
fn threads_share_a_directory() {
    let memory = Memory::formatted(4000);
    let system = mount(&memory);
    let directory = system.root().mkdir("directory").unwrap();
    thread::scope(|scope| {
        for thread in 0..8 {
            let (system, directory) = (system.clone(), directory.clone());
            scope.spawn(move || {
                for number in 0..100 {
                    let name = |what: &str| format!("{what}-{thread}-{number}");
                    let file = directory.create(&name("new")).unwrap();
                    file.write_at(0, name("content").as_bytes()).unwrap();
                    directory.rename(&name("new"), &directory, &name("kept")).unwrap();
                    if number % 10 == 0 {
                        file.fsync().unwrap();
                        directory.entries().unwrap();
                    }
                    if number % 2 == 1 {
                        directory.unlink(&name("kept")).unwrap();
                    }
                    if number % 32 == 0 {
                        system.sync().unwrap();
                    }
                }
            });
        }
    });
    system.sync().unwrap();
    assert_clean(&memory);
    let system = mount(&memory);
    let directory = system.root().lookup("directory").unwrap();
    assert_eq!(names(&directory).len(), 8 * 50);
    for thread in 0..8 {
        for number in (0..100).step_by(2) {
            let file = directory.lookup(&format!("kept-{thread}-{number}")).unwrap();
            assert_eq!(content(&file), format!("content-{thread}-{number}").as_bytes());
        }
    }
}

/// Whoever lists a directory again sees what has changed, wherever the names come from.
#[test]
fn a_listing_is_as_the_directory_is() {
    let memory = Memory::formatted(1000);
    let system = mount(&memory);
    let root = system.root();
    let twice = |expected: &[&str]| {
        let mut expected = expected.to_vec();
        expected.sort();
        for _ in 0..2 {
            assert_eq!(names(&root), expected);
        }
    };
    twice(&[]);
    let other = root.mkdir("other").unwrap();
    root.create("ä").unwrap();
    twice(&["other", "ä"]);
    let reads = memory.reads.load(Relaxed);
    twice(&["other", "ä"]);
    assert_eq!(memory.reads.load(Relaxed), reads, "the names are in memory");
    root.link("b", &root.lookup("ä").unwrap()).unwrap();
    twice(&["b", "other", "ä"]);
    root.rename("ä", &root, "c").unwrap();
    twice(&["b", "c", "other"]);
    root.rename("b", &other, "b").unwrap();
    twice(&["c", "other"]);
    other.rename("b", &root, "c").unwrap();
    twice(&["c", "other"]);
    // Both are names of one file, so both are there.
    other.unlink("b").unwrap();
    root.rmdir("other").unwrap();
    twice(&["c"]);
    root.unlink("c").unwrap();
    twice(&[]);
    // A look that is broken off leaves nothing behind.
    let names: Vec<_> = (0..100).map(|number| format!("{number:03}")).collect();
    names.iter().for_each(|name| drop(root.create(name).unwrap()));
    for entries in [3, 102, 50, 102] {
        let mut seen = 0;
        let look = &mut |_: sfs::Entry<'_>| {
            seen += 1;
            if seen < entries { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        root.visit(look).unwrap();
        assert_eq!(seen, entries);
    }
    assert_eq!(root.entries().unwrap().len(), 102);
}
