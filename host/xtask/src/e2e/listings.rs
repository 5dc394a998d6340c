//! Lists of names that are longer, and trees that are deeper, than people make them.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use lab::qemu::Disk;
use sfs_proof::{
    disk::{self, Image},
    run::{File, Files, mount},
    start,
};

use super::{Case, lab::Lab};

pub const CASES: &[Case] = &[
    Case::once("files-many-names", many_names),
    Case::once("files-tree-of-many-names", tree_of_many_names),
    Case::once("files-deep-tree", deep_tree),
];

/// The most names that the kernel sorts.
const MOST: usize = 1 << 16;
/// The widest indentation of a tree.
const WIDEST: usize = 200;
/// The blocks of the file system: 64 MiB.
const BLOCKS: u32 = 16 << 10;
/// The bytes of a directory entry.
const ENTRY: usize = 260;
/// The byte of an inode in which its kind stands, and the kind of a directory.
const KIND: usize = 4;
const DIRECTORY: u8 = 2;

/// A disk on which `fill` has made files and directories. The files whose numbers it returns become directories: so
/// they get as many entries as one wants at once.
fn disk_with(lab: &Lab, fill: impl Fn(&Files) -> Result<Vec<u32>>) -> Result<PathBuf> {
    let disk = disk::Disk::new(start::on_disk_of(0, BLOCKS).map_err(|what| anyhow!(what))?);
    let files = mount(&disk)?;
    let directories = fill(&files)?;
    files.sync()?;
    let mut image = disk.image();
    for number in directories {
        let inode = image.block_mut(number).context("an inode lies behind the disk's end")?;
        inode[KIND] = DIRECTORY;
    }
    let path = lab.file("names.img");
    fs::write(&path, content(&image))?;
    Ok(path)
}

fn content(image: &Image) -> Vec<u8> {
    (0..).map_while(|number| image.block(number)).flatten().copied().collect()
}

/// Makes the entries of a directory with so many names for the inode `number`, and of "0", the first of them, for another
/// one.
fn fill_directory(
    directory: &File,
    parent: u32,
    count: usize,
    number: u32,
    first: Option<u32>,
) -> Result<()> {
    let mut bytes = Vec::with_capacity((count + 3) * ENTRY);
    let mut add = |number: u32, name: &str| {
        let end = bytes.len() + ENTRY;
        bytes.extend(number.to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.resize(end, 0);
    };
    add(directory.number(), ".");
    add(parent, "..");
    if let Some(first) = first {
        add(first, "0");
    }
    (0..count).for_each(|index| add(number, &format!("{index:x}.n")));
    ensure!(directory.write_at(0, &bytes)? == bytes.len(), "the disk is too small");
    Ok(())
}

/// All names of a large directory are listed in order, and those of a larger one are not, as a damaged disk may claim
/// any number.
fn many_names(lab: &Lab) -> Result<()> {
    let path = disk_with(lab, |files| {
        let root = files.root();
        let file = root.create("file")?;
        let mut directories = vec![];
        for (name, count) in [("many", MOST), ("more", MOST + 1)] {
            let directory = root.create(name)?;
            fill_directory(&directory, root.number(), count, file.number(), None)?;
            directories.push(directory.number());
        }
        Ok(directories)
    })?;
    let machine = lab.machine().disk(Disk::file(&path)).limit_seconds(240);
    let outcome = machine.boot("job=ls path=/many")?;
    outcome.expect_words(&["job ls: ok", &format!("{MOST} names")])?;
    let listed: Vec<_> = outcome.lines().filter(|line| line.ends_with(".n")).collect();
    ensure!(listed.len() == MOST && listed.is_sorted(), "{} names are listed", listed.len());
    for job in ["ls", "tree"] {
        let outcome = machine.boot(&format!("job={job} path=/more"))?;
        outcome.expect_failed_with(job, &["/more", &format!("more than {MOST} names")])?;
    }
    Ok(())
}

/// The names of all directories on the way down are in memory, so it is all of them that are counted.
fn tree_of_many_names(lab: &Lab) -> Result<()> {
    let path = disk_with(lab, |files| {
        let root = files.root();
        let file = root.create("file")?.number();
        let [outer, inner] = [root.create("outer")?, root.create("inner")?];
        fill_directory(&outer, root.number(), MOST / 2, file, Some(inner.number()))?;
        fill_directory(&inner, outer.number(), MOST / 2 + 1, file, None)?;
        Ok(vec![outer.number(), inner.number()])
    })?;
    let machine = lab.machine().disk(Disk::file(&path)).limit_seconds(240);
    let outcome = machine.boot("job=tree path=/outer")?;
    outcome.expect_failed_with("tree", &["/outer", &format!("more than {MOST} names")])?;
    Ok(())
}

/// Every name is shown, those that lie deep no further in than the lines are wide.
fn deep_tree(lab: &Lab) -> Result<()> {
    const DEPTH: usize = 90;
    let path = disk_with(lab, |files| {
        let mut directory = files.root();
        for depth in 1..=DEPTH {
            directory = directory.mkdir(&format!("d{depth}"))?;
        }
        directory.create("end")?;
        Ok(vec![])
    })?;
    let outcome = lab.machine().disk(Disk::file(&path)).boot("job=tree")?;
    outcome.expect_words(&["job tree: ok", &format!("{DEPTH} folders, 1 file")])?;
    let expect = |depth: usize, name: &str| {
        outcome.expect_line(&format!("{:indent$}{name}", "", indent = WIDEST.min(4 * depth)))
    };
    for depth in 1..=DEPTH {
        expect(depth, &format!("d{depth}/"))?;
    }
    expect(DEPTH + 1, "end")?;
    Ok(())
}
