//! Takes everything out of an image.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use sfs::Kind;

use crate::{
    copy, image,
    walk::{Walk, What},
    words::{self, Counts},
};

/// Unpacks an image into a folder, which is made here or is empty, and says what there was.
///
/// Nothing outside of the folder is touched: every name is looked at, and everything is made anew, so that no symlink
/// is ever followed. What cannot be taken out is named, and the rest comes out all the same.
///
/// # Errors
///
/// The image cannot be read, the folder is not empty, or something could not be taken out.
pub fn unpack(image: &Path, folder: &Path) -> Result<()> {
    let fs = image::mount_for_reading(image)?;
    make_empty(folder)?;
    let statfs = fs.statfs();
    let bar = copy::progress(words::bytes(statfs.blocks.saturating_sub(statfs.unused)));
    let mut taken = Taken { paths: HashMap::new(), counts: Counts::default() };
    let mut failed = 0;
    // The folders on the way; `None` for one that could not be made.
    let mut way = vec![Some(folder.to_owned())];
    for met in Walk::new(fs.root())? {
        way.truncate(met.depth + 1);
        let holds_more = matches!(met.what, Ok(What::Folder));
        let made = match way.last() {
            Some(Some(home)) => match taken.take(home, &met.name, met.what, &bar) {
                Ok(path) => Some(path),
                Err(error) => {
                    let path = words::name(&home.join(&met.name).to_string_lossy());
                    bar.suspend(|| eprintln!("sfs: {path}: not taken out: {error:#}"));
                    failed += 1;
                    None
                }
            },
            _ => None,
        };
        if holds_more {
            way.push(made);
        }
    }
    bar.finish_and_clear();
    println!("{}: {} from {}", folder.display(), taken.counts, image.display());
    if failed > 0 {
        bail!("{} not taken out; `sfs check` says more", words::count(failed, "name"));
    }
    Ok(())
}

fn make_empty(folder: &Path) -> Result<()> {
    let context = || format!("cannot use the folder {}", folder.display());
    fs::create_dir_all(folder).with_context(context)?;
    if fs::read_dir(folder).with_context(context)?.next().is_some() {
        bail!("the folder {} is not empty; name a new one", folder.display());
    }
    Ok(())
}

/// The files that have been taken out so far.
struct Taken {
    /// The paths of files and symlinks by their number in the image.
    paths: HashMap<u32, PathBuf>,
    counts: Counts,
}

impl Taken {
    /// Makes what has this name in the folder `home`, and returns its path.
    fn take(
        &mut self,
        home: &Path,
        name: &str,
        what: Result<What>,
        bar: &ProgressBar,
    ) -> Result<PathBuf> {
        if !is_one_name(name) {
            bail!("no folder of the host can have this name, so what it names stays in the image");
        }
        let path = home.join(name);
        let (inode, kind) = match what? {
            What::Folder => {
                fs::create_dir(&path)?;
                self.counts.folders += 1;
                return Ok(path);
            }
            What::FolderAgain => {
                bail!("this folder has a second name, and comes out under the first")
            }
            What::Other(inode, kind) => (inode, kind),
        };
        let place = match self.paths.entry(inode.number()) {
            Entry::Occupied(first) => {
                fs::hard_link(first.get(), &path)?;
                self.counts.links += 1;
                return Ok(path);
            }
            Entry::Vacant(place) => place,
        };
        match kind {
            Kind::File => {
                copy::copy_out(&inode, &mut File::create_new(&path)?, bar)?;
                self.counts.files += 1;
                self.counts.bytes += u64::from(inode.stat().size);
            }
            Kind::Symlink => {
                symlink(inode.read_link()?, &path)?;
                self.counts.symlinks += 1;
            }
            _ => bail!("it is a device, and stays in the image"),
        }
        place.insert(path.clone());
        Ok(path)
    }
}

/// Returns true for a name that leads from a folder to something in it, and nowhere else.
fn is_one_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!(components.next(), Some(Component::Normal(first)) if first == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_nowhere_else() {
        assert!(["a", "...", " ", "a\\b", "-"].into_iter().all(is_one_name));
        let wrong = ["", ".", "..", "/", "/etc", "a/b", "a/", "../a", "./a", "a/.."];
        assert!(!wrong.into_iter().any(is_one_name));
    }
}
