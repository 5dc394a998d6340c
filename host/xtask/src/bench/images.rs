//! Disks with files: a large file, a directory with many names, and an empty one. The same content in the Simple
//! File System and in ext4.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use lab::{process, workspace::Workspace};

/// The large file.
pub const LARGE: &str = "large";
/// The directory with many names.
pub const NAMES: &str = "names";
/// The empty directory.
pub const NEW: &str = "new";

/// The entries of [`NAMES`], "." and ".." included.
pub const ENTRIES: u64 = FILES + 2;
const FILES: u64 = 500;

/// The bytes of the large file, where its reading is timed.
const LARGE_BYTES: usize = 64 << 20;

/// The way to make the ext4: with the options that a disk of this size gets by itself, and complete, so that Linux
/// has nothing left to initialise while it is measured.
pub const MAKE_EXT4: &[&str] =
    &["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"];

/// The disks, as files on the host.
pub struct Images {
    /// With the Simple File System.
    pub sfs: PathBuf,
    /// With ext4, or the reason why it is left out.
    pub ext4: Result<PathBuf>,
}

impl Images {
    /// Makes what is missing in a folder: disks of `bytes` bytes.
    ///
    /// # Errors
    ///
    /// There is no room, or the program that packs does not build.
    pub fn prepare(workspace: &Workspace, folder: &Path, bytes: u64, log: &Path) -> Result<Self> {
        let [sfs, ext4] = ["sfs.raw", "ext4.raw"].map(|name| folder.join(name));
        let is_there = |path: &Path| path.metadata().is_ok_and(|file| file.len() == bytes);
        if is_there(&sfs) && is_there(&ext4) {
            return Ok(Self { sfs, ext4: Ok(ext4) });
        }
        eprintln!("bench: making the disks with files, {} MiB each", bytes >> 20);
        let work = tempfile::tempdir_in(folder)?;
        let [content, image] = ["content", "image"].map(|name| work.path().join(name));
        fill(&content, LARGE_BYTES)?;
        pack(workspace, &content, &image, bytes, log)?;
        place(&image, &sfs)?;
        let make_ext4 = || -> Result<PathBuf> {
            let (program, options) = MAKE_EXT4.split_first().context("no program")?;
            let mut make = Command::new(program);
            make.args(options).arg("-d").args([&content, &image]).arg(format!("{}k", bytes >> 10));
            fs::remove_file(&image)?;
            process::run(make, workspace.limit(120), log)
                .and_then(|finished| finished.expect_success())
                .context("there is no mkfs.ext4 (Debian, Ubuntu: package e2fsprogs)")?;
            place(&image, &ext4)?;
            Ok(ext4)
        };
        Ok(Self { sfs, ext4: make_ext4() })
    }
}

/// Fills a new folder: a large file of so many random bytes, many empty ones, and an empty folder.
///
/// # Errors
///
/// There is no room.
pub fn fill(folder: &Path, large: usize) -> Result<()> {
    let names = folder.join(NAMES);
    for folder in [folder, &names, &folder.join(NEW)] {
        fs::create_dir(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let mut content = vec![0; large];
    fastrand::Rng::with_seed(1).fill(&mut content);
    fs::write(folder.join(LARGE), content).context("cannot write the large file")?;
    for number in 0..FILES {
        File::create(names.join(format!("file-{number}"))).context("cannot make files")?;
    }
    Ok(())
}

/// Packs a folder into an image of `bytes` bytes, by the program that students use.
///
/// # Errors
///
/// The program does not build, or fails.
pub fn pack(
    workspace: &Workspace,
    folder: &Path,
    image: &Path,
    bytes: u64,
    log: &Path,
) -> Result<()> {
    let mut sfs = workspace.cargo();
    sfs.args(["run", "--quiet", "--package", "sfs-image", "--", "pack"]);
    sfs.args([folder, image]).arg(format!("--size={}K", bytes >> 10));
    Ok(process::run(sfs, workspace.limit(600), log)?.expect_success()?)
}

/// Puts an image into its place, every byte of it: what was never written would be read faster than a disk can.
fn place(image: &Path, place: &Path) -> Result<()> {
    let write = || -> Result<()> {
        // It gets its name when it is complete.
        let part = place.with_extension("part");
        let (mut from, mut to) = (File::open(image)?, File::create(&part)?);
        let mut piece = vec![0; 1 << 20];
        loop {
            let count = from.read(&mut piece)?;
            if count == 0 {
                break;
            }
            to.write_all(&piece[..count])?;
        }
        to.sync_all()?;
        ensure!(to.metadata()?.len() > 0, "it is empty");
        Ok(fs::rename(part, place)?)
    };
    write().with_context(|| format!("cannot write {}", place.display()))
}
