//! The power is cut at every write, and sectors since the last flush are lost at random.

mod common;

use std::collections::BTreeMap;

use common::{Event, Memory, Node, SectorWrite, check, content, mount, pattern};
use fastrand::Rng;
use sfs::{Error, Kind};

/// The files by their paths, and what is in them; nothing for a directory. Once more by their numbers, as a file that moves
/// must be somewhere.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

fn tree(directory: &Node<'_>, path: &str, tree: &mut Tree) {
    assert!(path.len() < 200, "endless: {path}");
    for (name, _) in directory.entries().unwrap().into_iter().skip(2) {
        let node = directory.lookup(&name).unwrap();
        let path = format!("{path}/{name}");
        let data = match node.kind() {
            Kind::Directory => {
                self::tree(&node, &path, tree);
                None
            }
            Kind::Symlink => Some(node.read_link().unwrap().into_bytes()),
            _ => Some(content(&node)),
        };
        tree.insert(format!("number {}", node.number()), data.clone());
        tree.insert(path, data);
    }
}

fn live(system: &common::System<'_>) -> Tree {
    let mut all = Tree::new();
    tree(&system.root(), "", &mut all);
    all
}

fn tree_of(memory: &Memory) -> Tree {
    live(&mount(memory))
}

/// Any operation on a handful of names in three directories. Errors are results like others.
fn operate(system: &common::System<'_>, random: &mut Rng, number: u64) {
    let directories = ["/", "/a", "/b", "/a/d"];
    let mut directory = || {
        let path = directories[random.usize(..directories.len())];
        system.resolve(&system.root(), path).ok().filter(|node| node.kind() == Kind::Directory)
    };
    let (Some(from), Some(to)) = (directory(), directory()) else {
        return;
    };
    // More than fit into one block, so that entries straddle two.
    let mut name = || format!("{}", char::from(b'a' + random.u8(..24)));
    let (name, other) = (&name(), &name());
    let result = match random.u32(..13) {
        0 | 1 => from.create(name).map(drop),
        2 => from.mkdir(name).map(drop),
        3 => from.unlink(name),
        4 => from.rmdir(name),
        5 | 6 => from.rename(name, &to, other),
        7 => from.symlink(name, other).map(drop),
        8 => from.lookup(name).and_then(|target| to.link(other, &target)),
        9 | 10 => from.lookup(name).and_then(|file| {
            let offset = random.u64(..30_000);
            file.write_at(offset, &pattern(number, random.usize(1..20_000))).map(drop)
        }),
        // Short, and long again: with other blocks, which a table knows.
        11 => from.lookup(name).and_then(|file| {
            let mut size = || random.u64(40_000..70_000);
            let sizes = [size(), size(), size()];
            sizes.into_iter().try_for_each(|size| file.truncate(size))
        }),
        _ => from.lookup(name).and_then(|file| file.truncate(random.u64(..60_000))),
    };
    match result {
        Ok(())
        | Err(
            Error::NotFound
            | Error::Exists
            | Error::IsDirectory
            | Error::NotDirectory
            | Error::NotEmpty
            | Error::NotFile
            | Error::IntoItself
            | Error::NoSpace,
        ) => (),
        Err(error) => panic!("{error}"),
    }
}

/// Looks at what a cut has left, then uses and mends it.
fn judge(memory: &Memory, what: &str, random: &mut Rng) -> Tree {
    let report = check(memory);
    assert!(!report.is_broken(), "{what}: {:#?}", report.problems);
    let found = tree_of(memory);
    if random.u32(..4) == 0 {
        let used = memory.copy();
        let system = mount(&used);
        for number in 0..6 {
            operate(&system, random, number);
        }
        system.sync().unwrap();
        let report = check(&used);
        assert!(!report.is_broken(), "{what}, then used: {:#?}", report.problems);
        drop(system);
        sfs::repair(&&used).unwrap();
        common::assert_clean(&used);
    }
    found
}

/// Shows what cuts leave of a log: at every sector, and of some subsets since the last flush, with the number of events that
/// were over. Returns the number of cuts.
fn cut_everywhere(
    durable: Memory,
    log: &[Event],
    random: &mut Rng,
    mut look: impl FnMut(&Memory, usize, &str),
) -> u64 {
    let (mut since, mut cuts) = (Vec::<SectorWrite>::new(), 0);
    for (index, event) in log.iter().enumerate() {
        let Event::Write(writes) = event else {
            since.drain(..).for_each(|write| durable.apply(&write));
            look(&durable, index + 1, &format!("flush at {index}"));
            continue;
        };
        for (sector, write) in writes.iter().enumerate() {
            since.push(write.clone());
            let cut = durable.copy();
            since.iter().for_each(|write| cut.apply(write));
            look(&cut, index, &format!("cut at {index}.{sector}"));
        }
        for round in 0..4 {
            let (cut, share) = (durable.copy(), random.f32());
            let kept = since.iter().filter(|_| random.f32() < share);
            kept.for_each(|write| cut.apply(write));
            look(&cut, index, &format!("subset {round} at {index}"));
        }
        cuts += writes.len() as u64 + 4;
    }
    cuts
}

/// A file becomes shorter and longer again, so that pointers which are durable change, in the indirect block and in a table.
#[test]
fn a_cut_finds_the_tables_of_before_or_after() {
    for [long, short] in [[20, 14], [1070, 1050], [2100, 1030]] {
        let memory = Memory::formatted(6000);
        let system = mount(&memory);
        let file = system.root().create("file").unwrap();
        file.write_at(0, &pattern(1, long * 4096)).unwrap();
        system.sync().unwrap();
        let base = memory.copy();
        memory.record();
        file.truncate(short as u64 * 4096).unwrap();
        file.truncate(long as u64 * 4096).unwrap();
        system.sync().unwrap();
        let (old, mut new) = (pattern(1, long * 4096), pattern(1, long * 4096));
        new[short * 4096..].fill(0);
        // Few of the many that only clear blocks, and all of the end.
        let log = memory.log();
        let rest = log.len().saturating_sub(80);
        let (start, end) = log.split_at(rest);
        start.iter().for_each(|event| match event {
            Event::Write(writes) => writes.iter().for_each(|write| base.apply(write)),
            Event::Flush => panic!("a flush in the middle"),
        });
        let mut both = [false; 2];
        cut_everywhere(base, end, &mut Rng::with_seed(1), |cut, _, what| {
            let report = check(cut);
            assert!(!report.is_broken(), "{long} blocks, {what}: {:#?}", report.problems);
            let found = content(&mount(cut).root().lookup("file").unwrap());
            let which = [&old, &new].map(|content| *content == found);
            assert!(which[0] != which[1], "{long} blocks, {what}: neither old nor new");
            both = [both[0] | which[0], both[1] | which[1]];
        });
        assert_eq!(both, [true; 2]);
    }
}

#[test]
fn a_cut_leaves_nothing_broken() {
    let sequences = std::env::var("SFS_SEQUENCES").map_or(40, |count| count.parse().unwrap());
    let mut cuts = 0;
    for seed in 0..sequences {
        let mut random = Rng::with_seed(seed);
        let memory = Memory::formatted([90, 250][random.usize(..2)]);
        let system = mount(&memory);
        for number in 0..random.u64(..120) {
            operate(&system, &mut random, number);
        }
        for directory in ["a", "b"] {
            let _ = system.root().mkdir(directory);
        }
        system.sync().unwrap();
        common::assert_clean(&memory);
        let base = memory.copy();
        memory.record();
        // What was there in all states since the last commit that was complete at so many events is there after a cut.
        let (mut kept, mut lasting) = (live(&system), Vec::new());
        for number in 0..random.u64(1..40) {
            operate(&system, &mut random, 100 + number);
            let now = live(&system);
            kept.retain(|path, data| now.get(path) == Some(data));
            if random.u32(..3) == 0 {
                system.root().fsync().unwrap();
                lasting.push((memory.log().len(), std::mem::replace(&mut kept, now)));
            }
        }
        let now = live(&system);
        system.sync().unwrap();
        let log = memory.log();
        lasting.push((log.len(), kept));
        assert_eq!(tree_of(&memory), now);
        common::assert_clean(&memory);
        let expect = |index: usize, found: &Tree, what: &str| {
            let lasting = lasting.iter().find(|(events, _)| index < *events);
            for (path, data) in lasting.map(|(_, tree)| tree).into_iter().flatten() {
                assert!(found.get(path) == Some(data), "{what}: {path} is lost or differs");
            }
        };

        cuts += cut_everywhere(base, &log, &mut random.clone(), |cut, index, what| {
            let what = format!("seed {seed}, {what}");
            let found = judge(cut, &what, &mut random);
            expect(index, &found, &what);
            if index == log.len() {
                assert_eq!(found, now, "{what}");
            }
        });
    }
    println!("{cuts} cuts");
    assert!(cuts > 100 * sequences);
}
