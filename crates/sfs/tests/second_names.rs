//! Directories with two names, as a power cut in the course of a move leaves them: used without a repair, nothing gets
//! lost.

mod common;

use common::{Event, Memory, System, assert_clean, check, mount};
use sfs::{Error, Fault};

/// Makes directories, and returns what a cut leaves of a move after so many flushes: 1 leaves a count that is too high, 2 both
/// names, 3 both names and the new "..".
fn cut(directories: &[&str], old: &str, new: &str, flushes: usize) -> Memory {
    let memory = Memory::formatted(200);
    let system = mount(&memory);
    let parent = |path| system.resolve_parent(&system.root(), path).unwrap();
    for path in directories {
        let (directory, name) = parent(path);
        directory.mkdir(name).unwrap();
    }
    system.sync().unwrap();
    let left = memory.copy();
    memory.record();
    let ((from, name), (to, new_name)) = (parent(old), parent(new));
    from.rename(name, &to, new_name).unwrap();
    system.sync().unwrap();
    let mut seen = 0;
    for event in memory.log() {
        match event {
            Event::Write(writes) => writes.iter().for_each(|write| left.apply(write)),
            Event::Flush => seen += 1,
        }
        if seen == flushes {
            break;
        }
    }
    let faults: Vec<_> = check(&left).problems.into_iter().map(|problem| problem.fault).collect();
    let two = faults.iter().any(|fault| matches!(fault, Fault::SeveralNames { .. }));
    let high = faults.iter().any(|fault| matches!(fault, Fault::HighLinks { .. }));
    assert_eq!((two, high), (flushes > 1, flushes == 1), "{faults:?}");
    left
}

/// The blocks that are in use for nothing.
fn leaked(memory: &Memory) -> u32 {
    let blocks = |fault| if let Fault::Leaked { blocks } = fault { blocks } else { 0 };
    check(memory).problems.into_iter().map(|problem| blocks(problem.fault)).sum()
}

fn find<'m>(system: &System<'m>, path: &str) -> common::Node<'m> {
    system.resolve(&system.root(), path).unwrap()
}

/// Syncs, looks, repairs and looks again; these are all directories then.
#[track_caller]
fn end(memory: &Memory, system: System<'_>, directories: &[&str]) {
    system.sync().unwrap();
    drop(system);
    assert!(!check(memory).is_broken(), "{:?}", check(memory).problems);
    sfs::repair(&memory).unwrap();
    assert_clean(memory);
    assert_eq!(check(memory).directories as usize, directories.len() + 1);
    let system = mount(memory);
    directories.iter().for_each(|path| drop(find(&system, path)));
}

#[test]
fn what_is_in_a_removed_name_is_in_the_other() {
    for flushes in [2, 3] {
        for (removed, kept) in [("a", "q"), ("q", "a")] {
            let memory = cut(&["/a", "/a/v", "/q"], "/a/v", "/q/v", flushes);
            let system = mount(&memory);
            find(&system, removed).rmdir("v").unwrap();
            let v = find(&system, &format!("/{kept}/v"));
            assert_eq!(v.lookup("..").unwrap().number(), find(&system, kept).number());
            v.mkdir("x").unwrap();
            assert_eq!(system.root().rename(kept, &v, "y"), Err(Error::IntoItself));
            assert_eq!(
                system.root().rename(kept, &v.lookup("x").unwrap(), "y"),
                Err(Error::IntoItself)
            );
            system.root().rename(removed, &v, "y").unwrap();
            drop(v);
            let paths = [
                kept.to_owned(),
                format!("{kept}/v"),
                format!("{kept}/v/x"),
                format!("{kept}/v/y"),
            ];
            end(&memory, system, &paths.each_ref().map(String::as_str));
        }
    }
}

/// Also if ".." names the other directory.
#[test]
fn a_directory_is_not_moved_into_its_second_child() {
    for flushes in [2, 3] {
        for parent in ["d", "b"] {
            let memory = cut(&["/d", "/d/e", "/d/e/f", "/b"], "/d/e", "/b/e", flushes);
            let system = mount(&memory);
            for below in ["e", "e/f"] {
                let into = find(&system, &format!("/{parent}/{below}"));
                assert_eq!(system.root().rename(parent, &into, "x"), Err(Error::IntoItself));
            }
            let kept = if flushes == 2 { "/d/e" } else { "/b/e" };
            end(&memory, system, &["/d", "/b", kept, &format!("{kept}/f")]);
        }
    }
}

#[test]
fn a_directory_with_a_high_count_is_removed() {
    let memory = cut(&["/a", "/a/v", "/q"], "/a/v", "/q/v", 1);
    let before = leaked(&memory);
    let system = mount(&memory);
    system.root().create("file").unwrap();
    let v = find(&system, "/a/v");
    find(&system, "/a").rmdir("v").unwrap();
    assert_eq!(v.create("x").map(drop), Err(Error::Removed));
    assert_eq!(system.root().rename("file", &v, "x"), Err(Error::Removed));
    drop(v);
    system.sync().unwrap();
    assert_eq!(leaked(&memory), before, "its blocks are free");
    end(&memory, system, &["/a", "/q"]);
}

#[test]
fn a_directory_is_removed_with_its_second_name() {
    for sync in [false, true] {
        let memory = cut(&["/a", "/a/v", "/q"], "/a/v", "/q/v", 2);
        let before = leaked(&memory);
        let system = mount(&memory);
        let v = find(&system, "/a/v");
        find(&system, "/a").rmdir("v").unwrap();
        v.create("x").unwrap();
        v.unlink("x").unwrap();
        if sync {
            system.sync().unwrap();
        }
        find(&system, "/q").rmdir("v").unwrap();
        assert_eq!(v.create("x").map(drop), Err(Error::Removed));
        drop(v);
        system.sync().unwrap();
        assert_eq!(leaked(&memory), before, "its blocks are free");
        end(&memory, system, &["/a", "/q"]);
    }
}

#[test]
fn a_second_name_is_replaced() {
    for flushes in [2, 3] {
        for from in ["/", "/a"] {
            let memory = cut(&["/a", "/a/v", "/q", "/w", "/a/w"], "/a/v", "/q/v", flushes);
            let system = mount(&memory);
            let v = find(&system, "/a/v");
            find(&system, from).rename("w", &find(&system, "/a"), "v").unwrap();
            assert_ne!(find(&system, "/a/v").number(), v.number());
            assert_eq!(find(&system, "/q/v").number(), v.number());
            assert_eq!(v.lookup("..").unwrap().number(), find(&system, "/q").number());
            drop(v);
            let other = if from == "/" { "/a/w" } else { "/w" };
            end(&memory, system, &["/a", "/a/v", "/q", "/q/v", other]);
        }
    }
}

/// Once a name is gone, no cut brings it back alone, whatever becomes of the other one.
#[test]
fn the_names_go_one_after_the_other() {
    let memory = cut(&["/b", "/b/c"], "/b/c", "/a", 3);
    let left = memory.copy();
    memory.record();
    let system = mount(&memory);
    find(&system, "b").rmdir("c").unwrap();
    system.root().rename("b", &system.root(), "a").unwrap();
    system.sync().unwrap();
    for event in memory.log() {
        let Event::Write(writes) = event else { continue };
        for write in writes {
            left.apply(&write);
            assert!(!check(&left).is_broken(), "{:?}", check(&left).problems);
        }
    }
}
