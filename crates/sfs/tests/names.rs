//! Names: what may be done with them, and what may not.

mod common;

use std::sync::atomic::Ordering::Relaxed;

use common::{Memory, assert_clean, content, mount, names};
use sfs::{Error, Kind, NameError};

#[test]
fn names_are_checked() {
    let memory = Memory::formatted(100);
    let system = mount(&memory);
    let root = system.root();
    let long = "x".repeat(256);
    let wrong = [
        ("", NameError::Empty),
        ("a/b", NameError::Slash),
        ("a\0b", NameError::Nul),
        (".", NameError::Dots),
        ("..", NameError::Dots),
        (long.as_str(), NameError::TooLong { length: 256 }),
    ];
    let file = root.create("file").unwrap();
    for (name, error) in wrong {
        let error = Err(Error::InvalidName(error));
        assert_eq!(root.create(name).map(drop), error);
        assert_eq!(root.mkdir(name).map(drop), error);
        assert_eq!(root.symlink(name, "file").map(drop), error);
        assert_eq!(root.link(name, &file), error);
        assert_eq!(root.unlink(name), error);
        assert_eq!(root.rmdir(name), error);
        assert_eq!(root.rename("file", &root, name), error);
        assert_eq!(root.rename(name, &root, "other"), error);
        if !name.starts_with('.') {
            assert_eq!(root.lookup(name).map(drop), error);
        }
    }
    let longest = "ü".repeat(127) + "x";
    root.create(&longest).unwrap();
    assert_eq!(names(&root), ["file", &longest]);
    system.sync().unwrap();
    assert_clean(&memory);
    assert_eq!(mount(&memory).root().lookup(&longest).unwrap().kind(), Kind::File);
}

#[test]
fn each_operation_has_its_errors() {
    let memory = Memory::formatted(200);
    let system = mount(&memory);
    let root = system.root();
    let (file, directory) = (root.create("file").unwrap(), root.mkdir("directory").unwrap());
    directory.create("inner").unwrap();
    let symlink = root.symlink("symlink", "file").unwrap();
    assert_eq!(root.create("file").map(drop), Err(Error::Exists));
    assert_eq!(root.mkdir("file").map(drop), Err(Error::Exists));
    assert_eq!(root.unlink("none"), Err(Error::NotFound));
    assert_eq!(root.unlink("directory"), Err(Error::IsDirectory));
    assert_eq!(root.rmdir("file"), Err(Error::NotDirectory));
    assert_eq!(root.rmdir("directory"), Err(Error::NotEmpty));
    assert_eq!(root.link("other", &directory), Err(Error::IsDirectory));
    assert_eq!(file.lookup("x").map(drop), Err(Error::NotDirectory));
    assert_eq!(file.create("x").map(drop), Err(Error::NotDirectory));
    assert_eq!(file.read_link(), Err(Error::NotSymlink));
    assert_eq!(directory.read_at(0, &mut [0; 4]), Err(Error::IsDirectory));
    assert_eq!(directory.write_at(0, &[0; 4]), Err(Error::IsDirectory));
    assert_eq!(symlink.truncate(0), Err(Error::NotFile));
    assert_eq!(root.symlink("long", &"x".repeat(4096)).map(drop), Err(Error::TooLarge));
    assert_eq!(root.symlink("s", &"x".repeat(4095)).unwrap().read_link().unwrap().len(), 4095);
    let other = Memory::formatted(100);
    let other = mount(&other);
    assert_eq!(other.root().link("x", &file), Err(Error::OtherFileSystem));
    assert_eq!(root.rename("file", &other.root(), "x"), Err(Error::OtherFileSystem));
    let gone = root.mkdir("gone").unwrap();
    root.rmdir("gone").unwrap();
    assert_eq!(gone.create("x").map(drop), Err(Error::Removed));
    drop(gone);
    system.sync().unwrap();
    assert_clean(&memory);
}

#[test]
fn renaming_within_a_directory() {
    let memory = Memory::formatted(200);
    let system = mount(&memory);
    let root = system.root();
    for name in ["a", "b", "c"] {
        root.create(name).unwrap().write_at(0, name.as_bytes()).unwrap();
    }
    let read = |name: &str| content(&root.lookup(name).unwrap());
    root.rename("a", &root, "a").unwrap();
    assert_eq!(names(&root), ["a", "b", "c"]);
    assert_eq!(root.rename("x", &root, "b"), Err(Error::NotFound));
    assert_eq!(names(&root), ["a", "b", "c"]);
    root.rename("a", &root, "d").unwrap();
    assert_eq!((names(&root).join(" "), read("d")), ("b c d".into(), b"a".into()));
    // Over the last entry, and the last one over another.
    root.rename("b", &root, "c").unwrap();
    assert_eq!((names(&root).join(" "), read("c")), ("c d".into(), b"b".into()));
    root.rename("c", &root, "d").unwrap();
    assert_eq!((names(&root).join(" "), read("d")), ("d".into(), b"b".into()));
    // Two names of one file.
    root.link("e", &root.lookup("d").unwrap()).unwrap();
    root.rename("d", &root, "e").unwrap();
    assert_eq!(names(&root), ["d", "e"]);
    root.mkdir("f").unwrap();
    root.mkdir("g").unwrap();
    assert_eq!(root.rename("d", &root, "f"), Err(Error::IsDirectory));
    assert_eq!(root.rename("f", &root, "d"), Err(Error::NotDirectory));
    root.rename("f", &root, "g").unwrap();
    assert_eq!(names(&root), ["d", "e", "g"]);
    assert_eq!(root.stat().links, 3);
    assert_eq!(root.rename("g", &root.lookup("g").unwrap(), "x"), Err(Error::IntoItself));
    system.sync().unwrap();
    assert_clean(&memory);
}

#[test]
fn renaming_between_directories() {
    let memory = Memory::formatted(200);
    let system = mount(&memory);
    let root = system.root();
    let (a, b) = (root.mkdir("a").unwrap(), root.mkdir("b").unwrap());
    let below = a.mkdir("c").unwrap().mkdir("d").unwrap();
    a.create("file").unwrap().write_at(0, b"content").unwrap();
    for round in 0..2 {
        a.rename("file", &b, "moved").unwrap();
        assert_eq!(content(&b.lookup("moved").unwrap()), b"content");
        assert_eq!(a.lookup("file").map(drop), Err(Error::NotFound));
        a.rename("c", &b, "c").unwrap();
        assert_eq!(b.lookup("c").unwrap().lookup("..").unwrap().number(), b.number());
        assert_eq!((a.stat().links, b.stat().links), (2, 3));
        assert_eq!(root.rename("b", &below, "x"), Err(Error::IntoItself));
        // Over an empty directory, and not over one that is not.
        a.mkdir("c").unwrap().create("full").unwrap();
        assert_eq!(b.rename("c", &a, "c"), Err(Error::NotEmpty));
        a.lookup("c").unwrap().unlink("full").unwrap();
        b.rename("c", &a, "c").unwrap();
        b.rename("moved", &a, "file").unwrap();
        assert_eq!((a.stat().links, b.stat().links), (3, 2));
        // A directory cannot replace the one that it is in.
        assert_eq!(a.rename("c", &root, "a"), Err(Error::NotEmpty));
        assert_eq!(a.rename("file", &root, "a"), Err(Error::IsDirectory));
        if round == 0 {
            system.sync().unwrap();
            assert_clean(&memory);
        }
    }
    system.sync().unwrap();
    assert_clean(&memory);
    let system = mount(&memory);
    let found = system.resolve(&system.root(), "/a/c/d/../../file").unwrap();
    assert_eq!(content(&found), b"content");
}

#[test]
fn hard_links_count() {
    let memory = Memory::formatted(200);
    let system = mount(&memory);
    let root = system.root();
    let directory = root.mkdir("directory").unwrap();
    let file = root.create("file").unwrap();
    file.write_at(0, b"content").unwrap();
    directory.link("second", &file).unwrap();
    root.link("third", &file).unwrap();
    assert_eq!(file.stat().links, 3);
    root.unlink("file").unwrap();
    system.sync().unwrap();
    assert_clean(&memory);
    root.unlink("third").unwrap();
    assert_eq!(file.stat().links, 1);
    assert_eq!(directory.lookup("second").unwrap().number(), file.number());
    system.sync().unwrap();
    assert_clean(&memory);
}

/// While a cut may leave both the old and the new name, the count is that of both; so it must have room for them.
#[test]
fn a_count_of_links_never_overflows() {
    let memory = Memory::formatted(200);
    let system = mount(&memory);
    let root = system.root();
    let (a, b) = (root.mkdir("a").unwrap(), root.mkdir("b").unwrap());
    let file = a.create("file").unwrap();
    a.link("second", &file).unwrap();
    system.sync().unwrap();
    // A count may be too high.
    memory.put(u64::from(file.number()) * 4096 + 6, &u16::MAX.to_le_bytes());
    drop((system, root, a, b, file));
    let system = mount(&memory);
    let root = system.root();
    let (a, b) = (root.lookup("a").unwrap(), root.lookup("b").unwrap());
    let file = a.lookup("file").unwrap();
    assert_eq!(root.link("third", &file), Err(Error::TooManyLinks));
    assert_eq!(a.rename("file", &b, "file"), Err(Error::TooManyLinks));
    assert_eq!((names(&a).join(" "), names(&b).len()), ("file second".into(), 0));
    a.rename("file", &a, "first").unwrap();
    // With a name less on the disk, there is room.
    a.unlink("second").unwrap();
    let flushes = memory.flushes.load(Relaxed);
    b.link("second", &file).unwrap();
    assert!(memory.flushes.load(Relaxed) > flushes, "the count on the disk is as high as can be");
    assert_eq!(a.rename("first", &b, "first"), Err(Error::TooManyLinks));
    b.unlink("second").unwrap();
    a.rename("first", &b, "first").unwrap();
    system.sync().unwrap();
    assert!(!common::check(&memory).is_broken());
}

#[test]
fn paths_are_followed() {
    let memory = Memory::formatted(200);
    let system = mount(&memory);
    let root = system.root();
    let a = root.mkdir("a").unwrap();
    let b = a.mkdir("b").unwrap();
    b.create("file").unwrap();
    a.symlink("relative", "b/file").unwrap();
    a.symlink("absolute", "/a/b").unwrap();
    root.symlink("loop", "loop").unwrap();
    let number = |path: &str| system.resolve(&a, path).map(|node| node.number());
    let file = b.lookup("file").unwrap().number();
    for path in
        ["/a/b/file", "b/file", "./b//./file", "relative", "absolute/file", "/a/../a/relative"]
    {
        assert_eq!(number(path), Ok(file), "{path}");
    }
    for path in ["/a/b", "b", "b/", "absolute", "absolute//", "/a/b/.", "b/../b"] {
        assert_eq!(number(path), Ok(b.number()), "{path}");
    }
    for path in ["/", "//", "/..", "..", "../.."] {
        assert_eq!(number(path), Ok(root.number()), "{path}");
    }
    assert_eq!(number("/loop"), Err(Error::Loop));
    assert_eq!(number("b/none"), Err(Error::NotFound));
    assert_eq!(number("b/file/"), Err(Error::NotDirectory));
    assert_eq!(number("b/file/x"), Err(Error::NotDirectory));
    assert_eq!(number(""), Err(Error::InvalidName(NameError::Empty)));
    let parent = |path| {
        let found = system.resolve_parent(&a, path);
        found.map(|(directory, name)| (directory.number(), name.to_owned()))
    };
    assert_eq!(parent("new"), Ok((a.number(), "new".into())));
    assert_eq!(parent("/new/"), Ok((root.number(), "new".into())));
    assert_eq!(parent("absolute/new"), Ok((b.number(), "new".into())));
    assert_eq!(parent("relative/new"), Err(Error::NotDirectory));
    assert_eq!(parent("/"), Err(Error::InvalidName(NameError::Empty)));
}

#[test]
fn a_read_only_mount_changes_nothing() {
    let memory = Memory::formatted(100);
    mount(&memory).root().create("file").unwrap().fsync().unwrap();
    memory.record();
    let options = sfs::MountOptions { read_only: true, ..common::options() };
    let system = common::System::mount(&memory, options).unwrap();
    let file = system.root().lookup("file").unwrap();
    assert_eq!(system.root().create("x").map(drop), Err(Error::ReadOnly));
    assert_eq!(system.root().unlink("file"), Err(Error::ReadOnly));
    assert_eq!(file.write_at(0, b"x"), Err(Error::ReadOnly));
    assert_eq!(file.truncate(9), Err(Error::ReadOnly));
    system.sync().unwrap();
    assert_eq!(memory.log().len(), 0);
}
