//! Images of the reference implementation: everything in them is read, and they can be changed.

mod common;

use std::collections::BTreeMap;

use common::{Memory, Node, assert_clean, check, content, fixture, image, mount, names, pattern};
use sfs::Kind;
use sha2::{Digest, Sha256};

const IMAGES: [&str; 3] = ["a-small", "d-deep", "e-churn"];

type Lines = BTreeMap<String, String>;

fn hash(data: &[u8]) -> String {
    Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn list(directory: &Node<'_>, path: &str, lines: &mut Lines) {
    for name in names(directory) {
        let (path, node) = (format!("{path}/{name}"), directory.lookup(&name).unwrap());
        let line = match node.kind() {
            Kind::File => {
                let data = content(&node);
                format!("file\t{}\t{}", data.len(), hash(&data))
            }
            Kind::Symlink => {
                let target = node.read_link().unwrap();
                format!("symlink\t{}\t{}", target.len(), hash(target.as_bytes()))
            }
            Kind::Directory => {
                list(&node, &path, lines);
                format!("dir\t{}\t-", node.stat().size / 260 - 2)
            }
            kind => panic!("{path} is a {kind:?}"),
        };
        lines.insert(path, line);
    }
}

fn manifest(name: &str) -> Lines {
    let text = String::from_utf8(fixture(&format!("{name}.manifest.tsv"))).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split_once('\t').unwrap())
        .map(|(path, rest)| (path.to_owned(), rest.to_owned()))
        .collect()
}

#[test]
fn every_byte_is_read() {
    for name in IMAGES {
        let bytes = image(name);
        let memory = Memory::of_bytes(&bytes, bytes.len() as u64);
        let (system, mut lines) = (mount(&memory), Lines::new());
        list(&system.root(), "", &mut lines);
        assert_eq!(lines, manifest(name), "{name}");
        let blocks = system.statfs().blocks;
        assert_eq!(u64::from(blocks), bytes.len() as u64 / 4096);
        // Its packer says so of every image; the third one was made in another way.
        let claimed = if name == "e-churn" { blocks } else { 4_194_304 };
        assert_eq!(system.statfs().claimed, claimed);
        let report = check(&memory);
        assert!(report.is_clean(), "{name}: {:#?}", report.problems);
    }
}

/// An image ends with its last byte, so there is no space in it; with a longer file there is.
#[test]
fn a_longer_image_is_changed() {
    for name in IMAGES {
        let bytes = image(name);
        let memory = Memory::of_bytes(&bytes, 16 << 20);
        let system = mount(&memory);
        let mut expected = Lines::new();
        list(&system.root(), "", &mut expected);
        let directory = system.root().mkdir("new").unwrap();
        let file = directory.create("file").unwrap();
        assert_eq!(file.write_at(0, &[7; 70_000]).unwrap(), 70_000);
        system.sync().unwrap();
        assert_clean(&memory);

        let (system, mut lines) = (mount(&memory), Lines::new());
        list(&system.root(), "", &mut lines);
        expected.insert("/new".into(), "dir\t1\t-".into());
        expected.insert("/new/file".into(), format!("file\t70000\t{}", hash(&[7; 70_000])));
        assert_eq!(lines, expected, "{name}");

        // Everything can be removed again.
        remove_all(&system.root());
        system.sync().unwrap();
        assert_clean(&memory);
        assert_eq!(names(&mount(&memory).root()), [""; 0]);
    }
}

fn remove_all(directory: &Node<'_>) {
    for name in names(directory) {
        let node = directory.lookup(&name).unwrap();
        if node.kind() == Kind::Directory {
            remove_all(&node);
            directory.rmdir(&name).unwrap();
        } else {
            directory.unlink(&name).unwrap();
        }
    }
}

/// The last block of such an image is not wholly there. Its file can be changed all the same, in another block.
#[test]
fn a_short_last_block_moves() {
    let bytes = image("a-small");
    assert_ne!(bytes.len() % 4096, 0);
    for spare in [0, 16 * 4096] {
        let memory = Memory::of_bytes(&bytes, bytes.len() as u64 + spare);
        let system = mount(&memory);
        let mut files = Vec::new();
        collect(&system.root(), &mut files);
        for file in files {
            let mut expected = content(&file);
            expected.resize(4096, 0);
            expected[4000..].fill(9);
            let before = file.stat();
            match file.write_at(4000, &[9; 96]) {
                Ok(96) => assert_eq!(content(&file)[..4096], expected),
                Err(sfs::Error::NoSpace) => assert_eq!((spare, file.stat()), (0, before)),
                other => panic!("{other:?}"),
            }
        }
        system.sync().unwrap();
        assert!(!check(&memory).is_broken(), "{:?}", check(&memory));
    }
}

/// The last blocks of such an image may be tables, without the room behind the end for the pointers of a longer file.
#[test]
fn a_short_table_moves() {
    for (blocks, missing, there) in
        [(12, 1, 0), (12, 1, 1000), (1036, 1, 0), (1036, 1, 1000), (1036, 2, 1000)]
    {
        let memory = Memory::formatted(3000);
        let system = mount(&memory);
        system.root().create("other").unwrap().write_at(0, &[1; 100_000]).unwrap();
        let mut data = pattern(1, blocks * 4096 - 10);
        system.root().create("file").unwrap().write_at(0, &data).unwrap();
        system.sync().unwrap();
        let used = (3000 - system.statfs().unused) as usize;
        let mut bytes = vec![0; (used - missing) * 4096 + there];
        memory.get(0, &mut bytes);
        let memory = Memory::of_bytes(&bytes, bytes.len() as u64);
        let system = mount(&memory);
        let file = system.root().lookup("file").unwrap();
        assert!(content(&file) == data);
        system.root().lookup("other").unwrap().truncate(0).unwrap();
        system.sync().unwrap();
        assert_eq!(file.write_at(data.len() as u64, &[2; 20_000]), Ok(20_000));
        data.extend([2; 20_000]);
        assert!(content(&file) == data, "{blocks} blocks, {missing} tables, {there} bytes");
        system.sync().unwrap();
        assert!(!check(&memory).is_broken(), "{:?}", check(&memory));
        assert!(content(&mount(&memory).root().lookup("file").unwrap()) == data);
    }
}

fn collect<'m>(directory: &Node<'m>, files: &mut Vec<Node<'m>>) {
    for name in names(directory) {
        let node = directory.lookup(&name).unwrap();
        match node.kind() {
            Kind::Directory => collect(&node, files),
            Kind::File if node.stat().size < 4000 => files.push(node),
            _ => (),
        }
    }
}
