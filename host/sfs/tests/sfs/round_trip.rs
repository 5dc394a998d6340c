//! Everything that goes into an image comes out of it.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        net::UnixListener,
    },
};

use crate::work::{Thing, Work, list};

/// A folder with all that an image can hold, `reverse` made in the opposite order.
fn folder(work: &Work, name: &str, reverse: bool) {
    let mut files = vec![
        ("readme.txt", b"hello".to_vec()),
        ("empty", Vec::new()),
        ("a/b/c/deep", vec![7; 5000]),
        ("a/12 blocks", vec![1; 12 * 4096]),
        ("Ünïcode 文件", b"x".to_vec()),
        // Past both levels of pointers, and past the first table of the second.
        ("large", (0..9_000_001_u32).map(|i| (i % 251) as u8).collect()),
    ];
    if reverse {
        files.reverse();
    }
    for (file, data) in files {
        work.write(&format!("{name}/{file}"), data);
    }
    let at = |file: &str| work.path(&format!("{name}/{file}"));
    fs::create_dir(at("none")).unwrap();
    fs::hard_link(at("readme.txt"), at("a/same")).unwrap();
    symlink("../../nowhere", at("a/link")).unwrap();
    fs::hard_link(at("a/link"), at("z")).unwrap();
    for i in 0..40 {
        let i = if reverse { 39 - i } else { i };
        work.write(&format!("{name}/many/file {i}"), i.to_string());
    }
}

#[test]
fn everything_comes_back() {
    let work = Work::new();
    folder(&work, "in", false);
    let said = work.good("pack in x.img");
    assert!(said.contains("5 folders, 46 files"), "{said}");
    assert!(said.contains("1 symlink, 2 hard links"), "{said}");
    work.good("check x.img");
    let said = work.good("unpack x.img out");
    assert!(said.contains("5 folders, 46 files"), "{said}");
    let (before, after) = (list(&work.path("in")), list(&work.path("out")));
    assert_eq!(before["a/same"], Thing::File(b"hello".to_vec()));
    assert_eq!(before["readme.txt"], Thing::Link("a/same".to_owned()));
    assert!(before == after, "{:?} became {:?}", before.keys(), after.keys());
}

#[test]
fn the_same_folder_gives_the_same_bytes() {
    let work = Work::new();
    folder(&work, "first", false);
    folder(&work, "second", true);
    work.good("pack first 1.img");
    work.good("pack second 2.img");
    assert!(work.read("1.img") == work.read("2.img"));
}

#[test]
fn the_image_has_the_size_that_is_said() {
    let work = Work::new();
    work.write("in/file", "x");
    let said = work.good("pack in x.img --size 1M");
    assert!(said.contains("256 blocks (1.00 MiB)"), "{said}");
    let metadata = fs::metadata(work.path("x.img")).unwrap();
    assert_eq!(metadata.len(), 1 << 20);
    assert_ne!(metadata.permissions().mode() & 0o400, 0);
    // The superblock says so too.
    assert_eq!(work.read("x.img")[4..8], 256_u32.to_le_bytes());
    // Without a size there is a reserve.
    work.good("pack in y.img");
    let blocks = fs::metadata(work.path("y.img")).unwrap().len() / 4096;
    assert_eq!(blocks, 16 + 4096);
}

#[test]
fn what_just_fits_is_packed_and_no_more() {
    let work = Work::new();
    folder(&work, "in", false);
    let error = work.bad("pack in x.img --size 4M");
    assert!(error.contains("it does not fit") && error.contains("are missing"), "{error}");
    assert_eq!(work.names(), ["in"], "something was left behind");
    let (_, least) = error.split_once("say --size ").unwrap();
    let (least, _) = least.split_once("K or").unwrap();
    let least: u64 = least.parse().unwrap();
    let error = work.bad(&format!("pack in x.img --size {}K", least - 4));
    assert!(error.contains("1 are missing (4.00 KiB)"), "{error}");
    let said = work.good(&format!("pack in x.img --size {least}K"));
    assert!(said.contains(", room for 0 more"), "{said}");
    work.good("check x.img");
    work.good("unpack x.img out");
    assert!(list(&work.path("in")) == list(&work.path("out")));
}

#[test]
fn an_older_image_is_replaced_and_nothing_else() {
    let work = Work::new();
    work.write("in/new", "x");
    work.write("old/old", "x");
    work.good("pack old x.img");
    work.good("pack in x.img");
    assert!(work.good("ls x.img").contains("new"));
    for (notes, reason) in [("not to be lost", "14 bytes"), (&*"x".repeat(5000), "something else")]
    {
        work.write("notes", notes);
        let error = work.bad("pack in notes");
        assert!(error.contains("notes is there already") && error.contains(reason), "{error}");
        assert_eq!(work.read("notes"), notes.as_bytes());
    }
    assert!(work.bad("pack in old").contains("no file"));
    // As `mktemp` makes it.
    work.write("empty", "");
    work.good("pack in empty");
    assert!(work.bad("pack in in/x.img").contains("choose another place"));
    assert_eq!(work.names(), ["empty", "in", "notes", "old", "x.img"]);
}

#[test]
fn what_no_image_can_hold_is_left_out_and_said() {
    let work = Work::new();
    work.write("in/file", "x");
    let _socket = UnixListener::bind(work.path("in/socket")).unwrap();
    let ended = work.run(["pack", "in", "x.img"]);
    assert!(ended.good);
    assert!(ended.errors.contains("in/socket: left out, as it is a socket"), "{}", ended.errors);
    assert!(!work.good("ls x.img").contains("socket"));
}

#[test]
fn a_hard_link_is_one_file() {
    let work = Work::new();
    work.write("in/one", vec![0; 1 << 20]);
    fs::hard_link(work.path("in/one"), work.path("in/two")).unwrap();
    work.good("pack in x.img --size 1100K");
    work.good("unpack x.img out");
    let inode = |name: &str| fs::metadata(work.path(name)).unwrap().ino();
    assert_eq!(inode("out/one"), inode("out/two"));
}
