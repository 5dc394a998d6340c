//! Images that the tool of the format's first implementation has made.

use std::{collections::BTreeMap, fs, io::Read, path::Path};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use crate::work::{Thing, Work, list};

/// Unpacks an image, and compares what comes out with the list that was made with it: path, kind, size, sum.
fn compare(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/sfs/tests/fixtures");
    let mut image = Vec::new();
    let packed = fs::File::open(folder.join(format!("{name}.img.gz"))).unwrap();
    GzDecoder::new(packed).read_to_end(&mut image).unwrap();
    let work = Work::new();
    work.write("x.img", &image);
    work.good("unpack x.img out");

    let things = list(&work.path("out"));
    let names_in = |folder: &str| {
        let inside =
            |path: &&String| path.rsplit_once('/').is_some_and(|(above, _)| above == folder);
        things.keys().filter(inside).count()
    };
    let mut found = BTreeMap::new();
    for (path, thing) in &things {
        let data = |data: &[u8]| {
            let sum: String =
                Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{}\t{sum}", data.len())
        };
        let mut thing = thing;
        while let Thing::Link(first) = thing {
            thing = &things[first];
        }
        let line = match thing {
            Thing::Folder => format!("dir\t{}\t-", names_in(path)),
            Thing::File(content) => format!("file\t{}", data(content)),
            Thing::Symlink(target) => {
                format!("symlink\t{}", data(target.as_os_str().as_encoded_bytes()))
            }
            Thing::Link(_) => unreachable!(),
        };
        found.insert(format!("/{path}"), line);
    }
    let manifest = fs::read_to_string(folder.join(format!("{name}.manifest.tsv"))).unwrap();
    let lines = manifest.lines().filter(|line| !line.starts_with('#'));
    let expected: BTreeMap<_, _> = lines
        .map(|line| line.split_once('\t').unwrap())
        .map(|(path, rest)| (path.to_owned(), rest.to_owned()))
        .collect();
    assert!(!expected.is_empty());
    assert_eq!(found, expected);
    // Nothing was changed in it.
    assert!(work.read("x.img") == image);
}

#[test]
fn a_small_one() {
    compare("a-small");
}

#[test]
fn a_deep_one() {
    compare("d-deep");
}

#[test]
fn one_that_was_worked_on() {
    compare("e-churn");
}
