//! Jobs on files, on a disk that another program has packed.

use std::{fs, io::Read as _, path::PathBuf};

use anyhow::{Context, Result, ensure};
use lab::{image::noise, outcome::Outcome, qemu::Disk};

use super::{Case, lab::Lab};

pub const CASES: &[Case] = &[
    Case::anywhere("files-story-twice", story_twice),
    Case::once_anywhere("files-read", read),
    Case::once_anywhere("files-missing", missing),
    Case::once_anywhere("files-disk-of-serial-sfs", by_serial),
    Case::once_anywhere("files-none-on-the-disk", no_file_system),
];

/// An image that the reference's own tool has packed.
const REFERENCE: &str = "crates/sfs/tests/fixtures/a-small.img.gz";
/// The bytes of the disk that it is put on. It claims to be larger than that.
const SPACE: u64 = 16 << 20;

/// A disk with the files of the reference's image, and room for more.
pub fn disk_with_files(lab: &Lab) -> Result<PathBuf> {
    let packed = fs::File::open(lab.root.join(REFERENCE)).context("cannot open the image")?;
    let mut contents = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut contents)?;
    ensure!(contents.len() as u64 <= SPACE, "the image is larger than the disk");
    let path = lab.file("sfs.img");
    fs::write(&path, contents)?;
    fs::OpenOptions::new().write(true).open(&path)?.set_len(SPACE)?;
    Ok(path)
}

/// The names behind `files in /:`, each time that it is printed.
fn listings(outcome: &Outcome) -> Vec<Vec<&str>> {
    let lines: Vec<_> = outcome.lines().collect();
    let listed = lines.windows(2).filter(|pair| pair[0] == "files in /:");
    listed.map(|pair| pair[1].split_whitespace().collect()).collect()
}

/// The story is told in order, and the second time as well.
fn story_twice(lab: &Lab) -> Result<()> {
    let path = disk_with_files(lab)?;
    let machine = lab.machine().disk(Disk::file(&path)).cpus(2);
    for (is_first, ticks) in [(true, "200"), (false, "350")] {
        let outcome = machine.boot(&format!("job=fs ticks={ticks}"))?;
        outcome.expect_ok("fs")?;
        let story = [
            "mod driver initialized",
            "files in /:",
            "mod fs initialized",
            "hello from thread id 0",
            "files in /:",
            "100 tick",
            "200 tick",
        ];
        let said: Vec<_> = outcome.lines().filter(|line| story.contains(line)).collect();
        ensure!(said == story, outcome.complaint(&format!("the story is {said:?}")));
        ensure!(
            outcome.lines().any(|line| line == "300 tick") != is_first,
            outcome.complaint("the number of ticks is not the one that was asked for")
        );
        let listings = listings(&outcome);
        let [before, after] = listings.as_slice() else {
            anyhow::bail!(outcome.complaint("there are not two lists of the root directory"));
        };
        for list in [before, after] {
            ensure!(list.starts_with(&[".", ".."]), "the list does not start with . and ..");
            ensure!(list.contains(&"temp") && list.contains(&"rust"), "{list:?}");
        }
        ensure!(before.contains(&"tmp") != is_first && after.contains(&"tmp"), "{listings:?}");
        let told = outcome.lines().any(|line| line.starts_with("/tmp is there already"));
        ensure!(told != is_first, outcome.complaint("what is there already is told when it is"));
    }
    Ok(())
}

fn read(lab: &Lab) -> Result<()> {
    let path = disk_with_files(lab)?;
    let before = fs::read(&path)?;
    let machine = lab.machine().disk(Disk::file(&path));
    let outcome = machine.boot("job=ls")?;
    outcome.expect_ok("ls")?;
    for line in ["link@", "readme.txt", "rust/", "temp/"] {
        outcome.expect_line(line)?;
    }
    let outcome = machine.boot("job=ls path=/rust/bin")?;
    outcome.expect_line("prog")?;
    let outcome = machine.boot("job=cat path=rust/hello.rs")?;
    outcome.expect_ok("cat")?;
    ensure!(outcome.expect_ok("cat")?.contains("45 bytes"), "the length of the file");
    let outcome = machine.boot("job=stat path=/rust/exact4096")?;
    for line in ["kind      file", "size      4096 bytes", "blocks    1", "links     1"] {
        outcome.expect_line(line)?;
    }
    machine.boot("job=stat path=/link")?.expect_line("kind      symlink")?;
    let outcome = machine.boot("job=tree")?;
    outcome.expect_ok("tree")?;
    for line in ["    rust/", "        bin/", "            prog", "        emptydir/"] {
        outcome.expect_line(line)?;
    }
    outcome.expect_words(&["job tree: ok", "4 folders, 7 files"])?;
    ensure!(fs::read(&path)? == before, "jobs that only read have written");
    Ok(())
}

fn missing(lab: &Lab) -> Result<()> {
    let path = disk_with_files(lab)?;
    let machine = lab.machine().disk(Disk::file(&path));
    for (line, job, words) in [
        ("job=cat path=/none", "cat", ["/none: ", "no entry of this name"]),
        ("job=cat path=/temp", "cat", ["/temp: ", "directory"]),
        ("job=ls path=/readme.txt/x", "ls", ["/readme.txt/x: ", "not a directory"]),
        ("job=stat path=/rust/none", "stat", ["/rust/none: ", "no entry of this name"]),
    ] {
        machine.boot(line)?.expect_failed_with(job, &words)?;
    }
    Ok(())
}

/// The disk with this serial number is taken before the first one, and `disk=` before it. Where no disk has a number, the
/// one with files is taken.
fn by_serial(lab: &Lab) -> Result<()> {
    let path = disk_with_files(lab)?;
    let image = lab.image("disk", noise(64, 7))?;
    let disks = || lab.machine().disk(Disk::new(&image)).disk(Disk::file(&path).serial("sfs"));
    disks().boot("job=ls")?.expect_line("rust/")?;
    disks().boot("job=ls disk=1")?.expect_line("rust/")?;
    // A driver without serial numbers, as in a student's tree: the content tells.
    let nameless = |file| Disk::file(file).serial("");
    lab.machine()
        .disk(nameless(image.path()))
        .disk(nameless(&path))
        .boot("job=ls")?
        .expect_line("rust/")?;
    disks().boot("job=ls disk=lab")?.expect_failed_with("ls", &["\"lab\" cannot be mounted"])?;
    Ok(image.expect_unchanged()?)
}

fn no_file_system(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(64, 8))?;
    let outcome = lab.machine().disk(Disk::new(&image)).boot("job=fs")?;
    outcome.expect_failed_with("fs", &["cannot be mounted", "no Simple File System"])?;
    lab.machine().boot("job=shell")?.expect_failed_with("shell", &["no disk found"])?;
    Ok(image.expect_unchanged()?)
}
