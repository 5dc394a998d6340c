//! Images that are not sound.

use std::fs;

use crate::work::Work;

/// An image of 256 blocks, and a change of one byte of its map, which is block 2.
fn image(byte: usize, change: fn(&mut u8)) -> Work {
    let work = Work::new();
    work.write("in/file", "x");
    work.good("pack in x.img --size 1M");
    assert!(work.good("check x.img").contains("nothing is wrong"));
    let mut data = work.read("x.img");
    change(&mut data[2 * 4096 + byte]);
    fs::write(work.path("x.img"), data).unwrap();
    work
}

#[test]
fn what_a_power_cut_leaves_is_no_damage() {
    let work = image(31, |bits| *bits &= 0x7f);
    let said = work.good("check x.img");
    assert!(said.contains("left by a power cut") && said.contains("; sound"), "{said}");
    // A check changes nothing.
    assert_eq!(work.good("check x.img"), said);
    assert!(work.good("repair x.img").contains(" mended"));
    assert!(work.good("check x.img").contains("nothing is wrong"));
}

#[test]
fn damage_is_told_and_mended() {
    // The root is in use, and the map says that it is not.
    let work = image(0, |bits| *bits |= 2);
    let ended = work.run(["check", "x.img"]);
    let said = String::from_utf8(ended.out).unwrap();
    assert!(!ended.good && said.contains("; broken"), "{said}");
    work.good("repair x.img");
    assert!(work.good("check x.img").contains("nothing is wrong"));
    assert_eq!(work.good("cat x.img file"), "x");
}

#[test]
fn any_byte_may_be_wrong() {
    let work = Work::new();
    work.write("in/folder/file", "x");
    work.good("pack in x.img --size 64K");
    let sound = work.read("x.img");
    // The superblock, the root's inode, the map; all of the small image in steps.
    let places =
        (0..48).chain(4096..4224).chain(8192..8194).chain((8195..sound.len()).step_by(517));
    for at in places.step_by(3) {
        let mut data = sound.clone();
        data[at] ^= 0xff;
        fs::write(work.path("y.img"), data).unwrap();
        for arguments in [&["check", "y.img"][..], &["tree", "y.img"], &["unpack", "y.img", "out"]]
        {
            let ended = work.run(arguments);
            assert!(!ended.errors.contains("panicked"), "byte {at}: {ended:?}");
        }
        drop(fs::remove_dir_all(work.path("out")));
    }
}
