//! The initial file system: an archive in the format `newc` of cpio, which Linux unpacks.

use std::{fs, io, path::Path};

use anyhow::{Context, Result};
use cpio::newc::{Builder, trailer};

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

/// The first process.
const INIT: &str = include_str!("init.sh");

/// Packs the files below `root`, and the first process.
pub fn pack(root: &Path, archive: &Path) -> Result<()> {
    let pack = || -> Result<()> {
        let mut packed = io::BufWriter::new(fs::File::create(archive)?);
        add(&mut packed, "init", PROGRAM, INIT.as_bytes())?;
        add_below(&mut packed, root, "")?;
        trailer(packed)?;
        Ok(())
    };
    pack().with_context(|| format!("cannot pack {} into {}", root.display(), archive.display()))
}

fn add_below(packed: &mut impl io::Write, folder: &Path, prefix: &str) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            add(packed, &name, FOLDER, &[])?;
            add_below(packed, &entry.path(), &format!("{name}/"))?;
        } else {
            add(packed, &name, PROGRAM, &fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

fn add(packed: &mut impl io::Write, name: &str, mode: u32, content: &[u8]) -> Result<()> {
    let size = u32::try_from(content.len()).context("a file of 4 GiB")?;
    let mut entry = Builder::new(name).mode(mode).write(packed, size);
    io::Write::write_all(&mut entry, content)?;
    entry.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_holds_everything() {
        let folder = tempfile::tempdir().unwrap();
        let (root, archive) = (folder.path().join("root"), folder.path().join("archive"));
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::write(root.join("bin/sh"), "text").unwrap();
        pack(&root, &archive).unwrap();

        let mut rest: Box<dyn io::Read> = Box::new(fs::File::open(&archive).unwrap());
        let mut names = Vec::new();
        loop {
            let entry = cpio::newc::Reader::new(rest).unwrap();
            if entry.entry().is_trailer() {
                break;
            }
            names.push((entry.entry().name().to_owned(), entry.entry().file_size()));
            rest = Box::new(entry.finish().unwrap());
        }
        let init = ("init".to_owned(), INIT.len() as u32);
        assert_eq!(names, [init, ("bin".to_owned(), 0), ("bin/sh".to_owned(), 4)]);
    }
}
