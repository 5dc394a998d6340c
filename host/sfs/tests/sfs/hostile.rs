//! Images that were made to do harm.

use std::{fs, os::unix::fs::symlink, path::Path};

use crate::work::{Thing, Work, list};

/// Puts other names into an image; each has as many bytes as the one before, or ends with bytes 0.
fn patch(work: &Work, image: &str, names: &[(&str, &str)]) {
    let mut data = work.read(image);
    for (old, new) in names {
        let found: Vec<_> = (0..data.len() - old.len())
            .filter(|&at| data[at..].starts_with(old.as_bytes()))
            .collect();
        assert_eq!(found.len(), 1, "{old}");
        let mut new = new.as_bytes().to_vec();
        new.resize(old.len(), 0);
        data[found[0]..][..old.len()].copy_from_slice(&new);
    }
    fs::write(work.path(image), data).unwrap();
}

#[test]
fn no_name_leads_out_of_the_folder() {
    for name in ["../out", "..", ".", "/tmp/a", "a/b", "a/../b", "", "/"] {
        let work = Work::new();
        work.write("in/NAME-IN-QUESTION/inside", "harm");
        work.write("in/aaa", "first");
        work.write("in/sub/zzz", "last");
        work.good("pack in x.img --size 1M");
        patch(&work, "x.img", &[("NAME-IN-QUESTION", name)]);
        let error = work.bad("unpack x.img away/to");
        assert!(error.contains("not taken out") || error.contains("cannot be read"), "{error}");
        assert_eq!(work.names(), ["away", "in", "x.img"], "{name:?}");
        let things = list(&work.path("away"));
        assert!(
            things.keys().all(|path| ["to", "to/aaa", "to/sub", "to/sub/zzz"].contains(&&**path)),
            "{name:?}: {things:?}"
        );
        assert!(!work.run(["check", "x.img"]).good, "{name:?}");
    }
}

#[test]
fn a_name_of_a_file_leads_out_neither() {
    let work = Work::new();
    work.write("in/NAME-IN-QUESTION", "harm");
    work.good("pack in x.img --size 1M");
    patch(&work, "x.img", &[("NAME-IN-QUESTION", "../../outside")]);
    work.bad("unpack x.img away/to");
    assert_eq!(work.names(), ["away", "in", "x.img"]);
    assert_eq!(list(&work.path("away")).len(), 1);
}

#[test]
fn nothing_is_written_through_a_symlink() {
    let work = Work::new();
    let outside = work.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("victim"), "safe").unwrap();
    // The symlink comes first, and then a folder and a file have its name.
    work.write("in/folder-two/victim", "harm");
    work.write("in/folder-two/another", "harm");
    work.write("in/file-two", "harm");
    symlink(&outside, work.path("in/folder-one")).unwrap();
    symlink(outside.join("victim"), work.path("in/file-one")).unwrap();
    work.good("pack in x.img --size 1M");
    patch(&work, "x.img", &[("folder-two", "folder-one"), ("file-two", "file-one")]);
    work.bad("unpack x.img out");
    assert_eq!(fs::read(outside.join("victim")).unwrap(), b"safe");
    assert_eq!(list(&outside).len(), 1);
    // The symlinks came out, as they came first.
    for (path, thing) in list(&work.path("out")) {
        assert!(["folder-one", "file-one"].contains(&&*path), "{path}");
        assert!(matches!(thing, Thing::Symlink(_)), "{path}");
    }
    // A symlink that leads out is kept as it is.
    symlink("/etc/passwd", work.path("in/leads-out")).unwrap();
    work.good("pack in y.img");
    work.good("unpack y.img kept");
    assert_eq!(fs::read_link(work.path("kept/leads-out")).unwrap(), Path::new("/etc/passwd"));
}

#[test]
fn a_circle_of_folders_has_an_end() {
    let work = Work::new();
    work.write("in/sub/CIRCLE/inside", "x");
    work.good("pack in x.img --size 1M");
    // The entry's number, in front of its name, becomes that of the root.
    let mut data = work.read("x.img");
    let at = data.windows(7).position(|name| name == b"CIRCLE\0").unwrap();
    data[at - 4..at].copy_from_slice(&1_u32.to_le_bytes());
    fs::write(work.path("x.img"), data).unwrap();
    let error = work.bad("unpack x.img out");
    assert!(error.contains("CIRCLE: not taken out"), "{error}");
    assert!(work.good("tree x.img").contains("CIRCLE/ (shown above"));
    assert!(!work.run(["check", "x.img"]).good);
}

#[test]
fn a_name_cannot_steer_the_terminal() {
    let work = Work::new();
    work.write("in/\u{1b}[2J", "x");
    work.good("pack in x.img --size 1M");
    for command in ["ls", "tree"] {
        let said = work.good(&format!("{command} x.img"));
        assert!(said.contains("\\u{1b}[2J") && !said.contains('\u{1b}'), "{said:?}");
    }
}
