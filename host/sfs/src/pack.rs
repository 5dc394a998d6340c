//! Packs a folder into an image.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process,
    sync::Mutex,
};

use anyhow::{Context, Result, anyhow, bail};
use indicatif::ProgressBar;
use sfs::{BLOCK_SIZE, FileSystem, Kind, MountOptions};
use tempfile::NamedTempFile;

use crate::{
    copy,
    image::{self, Fs, Image, Inode},
    source::{Item, Source, What},
    space, words,
};

/// The room that is left in an image whose size nobody has said: 16 MiB, or a quarter of what is needed if that is more.
const RESERVE: u64 = 4096;

/// Packs a folder into an image of `size` bytes, or of what is needed and a reserve, and says so.
///
/// The image comes into its place in one step, complete; otherwise nothing is left behind. The same folder gives the
/// same bytes: names are sorted, all times are 0.
///
/// # Errors
///
/// The folder cannot be read or does not fit, or what stands in the image's place is something else.
pub fn pack(folder: &Path, image: &Path, size: Option<u64>) -> Result<()> {
    may_replace(image)?;
    let home = match image.parent() {
        Some(home) if home != Path::new("") => home,
        _ => Path::new("."),
    };
    may_stand_in(home, folder)?;
    let source = Source::list(folder)?;
    for (path, kind) in &source.skipped {
        eprintln!("sfs: {}: left out, as it is {kind}", path.display());
    }
    let blocks = blocks(space::of_image(source.blocks()), size)?;

    let file = temporary(home)?;
    let storage = Image::fresh(file.as_file().try_clone()?, blocks)?;
    let fs = fill(storage, blocks, &source)?;
    let room = fs.statfs().available;
    drop(fs);
    file.persist(image)
        .map_err(|error| error.error)
        .with_context(|| format!("cannot put the image in its place, {}", image.display()))?;

    println!(
        "{}: {} from {}; {blocks} blocks ({}), room for {room} more ({})",
        image.display(),
        source.counts(),
        folder.display(),
        words::size(words::bytes(blocks)),
        words::size(words::bytes(room)),
    );
    Ok(())
}

/// Refuses to replace anything but an image, damaged or not, that nobody uses, or an empty file.
fn may_replace(image: &Path) -> Result<()> {
    let kept = || format!("{} is there already and is not replaced", image.display());
    match fs::symlink_metadata(image) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(kept),
        Ok(metadata) if !metadata.is_file() => bail!("{}: it is no file", kept()),
        Ok(metadata) if metadata.len() == 0 => return Ok(()),
        Ok(_) => {}
    }
    let old = Image::for_writing(image).with_context(kept)?;
    image::refuse_other(image, &old).with_context(kept)
}

/// Refuses an image inside of the folder that is packed into it: the next one would hold this one.
fn may_stand_in(home: &Path, folder: &Path) -> Result<()> {
    let real = |path: &Path| {
        fs::canonicalize(path).with_context(|| format!("cannot find the folder {}", path.display()))
    };
    if real(home)?.starts_with(real(folder)?) {
        bail!(
            "the image would stand in {}, which it is packed from; choose another place",
            folder.display()
        );
    }
    Ok(())
}

/// The blocks of an image that needs at least so many.
fn blocks(needed: u64, size: Option<u64>) -> Result<u32> {
    let block = BLOCK_SIZE as u64;
    let blocks = match size {
        None => needed + RESERVE.max(needed / 4),
        Some(size) if !size.is_multiple_of(block) => bail!(
            "{size} bytes are no whole number of blocks of {block} bytes; {} would be one",
            size.next_multiple_of(block)
        ),
        Some(size) => size / block,
    };
    if blocks < needed {
        bail!(
            "it does not fit: an image of {} has {blocks} blocks, {needed} are needed, {} are missing ({}); \
             say --size {}K or more, or nothing at all",
            words::size(blocks * block),
            needed - blocks,
            words::size((needed - blocks) * block),
            needed * block / 1024,
        );
    }
    u32::try_from(blocks)
        .with_context(|| format!("an image has less than {}", words::size((1 << 32) * block)))
}

/// A file beside the image's place, which is removed when the program ends, also by Ctrl-C.
fn temporary(home: &Path) -> Result<NamedTempFile> {
    static MADE: Mutex<Option<PathBuf>> = Mutex::new(None);
    ctrlc::set_handler(|| {
        // Held to the end, so that none is made any more.
        let made = MADE.lock();
        if let Ok(Some(path)) = made.as_deref() {
            // It may be in its place already; then there is nothing to be removed.
            drop(fs::remove_file(path));
        }
        process::exit(130);
    })?;
    let mut made = MADE.lock().map_err(|_| anyhow!("the program was interrupted"))?;
    let file = tempfile::Builder::new()
        .prefix(".sfs-")
        // Less what the user's umask takes away.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(home)
        .with_context(|| format!("cannot make a file in {}", home.display()))?;
    *made = Some(file.path().to_owned());
    Ok(file)
}

/// Makes the file system and puts everything into it.
fn fill(storage: Image, blocks: u32, source: &Source) -> Result<Fs> {
    sfs::format(&storage, blocks)?;
    // Without a clock: all times are 0.
    let fs: Fs = FileSystem::mount(storage, MountOptions::default())?;
    let bar = copy::progress(source.counts().bytes);
    let mut made = HashMap::from([(0, fs.root())]);
    let first = |item: &Item| match item.what {
        What::Link { first } => Some(first),
        _ => None,
    };
    let linked: HashSet<usize> = source.items.iter().filter_map(first).collect();
    for (place, item) in source.items.iter().enumerate().skip(1) {
        let inode = add(item, &made, &bar)
            .with_context(|| format!("cannot pack {}", item.path.display()))?;
        if inode.kind() == Kind::Directory || linked.contains(&place) {
            made.insert(place, inode);
        }
    }
    fs.sync()?;
    bar.finish_and_clear();
    Ok(fs)
}

/// Puts one thing into the image, and returns it; `made` has the folders before it, and the first names of files that
/// have several.
fn add(item: &Item, made: &HashMap<usize, Inode>, bar: &ProgressBar) -> Result<Inode> {
    let earlier = |place: usize| made.get(&place).context("a folder comes before what it holds");
    let folder = earlier(item.parent)?;
    Ok(match &item.what {
        What::Folder { .. } => folder.mkdir(&item.name)?,
        What::Symlink { target } => folder.symlink(&item.name, target)?,
        What::Link { first } => {
            let inode = earlier(*first)?;
            folder.link(&item.name, inode)?;
            inode.clone()
        }
        What::File { size } => {
            let inode = folder.create(&item.name)?;
            copy::copy_in(&File::open(&item.path)?, *size, &inode, bar)?;
            inode
        }
    })
}
