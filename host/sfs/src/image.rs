//! An image: a file of the host on which the file system stands.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    time::SystemTime,
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::{fs::FlockOperation, io::Errno};
use sfs::{BLOCK_SIZE, Error, FileSystem, MountOptions, StdLocks, Storage, Time};

use crate::words;

/// The file system in a file of the host.
pub type Fs = FileSystem<Image, StdLocks>;
/// A file, folder or symlink in an image.
pub type Inode = sfs::Inode<Image, StdLocks>;

/// A file of the host, as storage. Beyond its end there are zeros to be read.
#[derive(Debug)]
pub struct Image {
    file: File,
    length: u64,
    read_only: bool,
}

/// The host failed to do something with the file.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot {doing} the image: {error}")]
pub struct HostError {
    doing: &'static str,
    error: Arc<io::Error>,
}

impl HostError {
    fn of(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self { doing, error: Arc::new(error) }
    }
}

impl Image {
    /// Opens an image to read it, while others read it too.
    ///
    /// # Errors
    ///
    /// There is no such file, or another run of this program changes it.
    pub fn for_reading(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().read(true).open(path);
        Self::open(path, file, FlockOperation::NonBlockingLockShared, true)
    }

    /// Opens an image to change it, while nobody else uses it: neither QEMU nor another run of this program.
    ///
    /// # Errors
    ///
    /// There is no such file, it may not be written, or it is in use.
    pub fn for_writing(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        Self::open(path, file, FlockOperation::NonBlockingLockExclusive, false)
    }

    fn open(
        path: &Path,
        file: io::Result<File>,
        lock: FlockOperation,
        read_only: bool,
    ) -> Result<Self> {
        if path.is_dir() {
            bail!("{} is a folder and no image; `sfs pack` makes an image of it", path.display());
        }
        let mut file = file.with_context(|| format!("cannot open the image {}", path.display()))?;
        match rustix::fs::fcntl_lock(&file, lock) {
            Ok(()) => {}
            Err(Errno::AGAIN | Errno::ACCESS) => bail!(
                "{} is in use, by QEMU or by another sfs; try again when that has ended",
                path.display()
            ),
            Err(error) => return Err(anyhow!(error).context("cannot lock the image")),
        }
        // The size of a disk too, whose metadata does not tell it.
        let length = file.seek(SeekFrom::End(0)).context("cannot tell the size of the image")?;
        let image = Self { file, length, read_only };
        if length < BLOCK_SIZE as u64 {
            let mut start = [0; 4];
            image.read(0, 0, &mut start)?;
            bail!(
                "{} is no image: it has {length} bytes, and the first block alone has {BLOCK_SIZE}; {}",
                path.display(),
                advice(start)
            );
        }
        Ok(image)
    }

    /// Takes a file that was made just now, and gives it so many blocks, all 0.
    ///
    /// # Errors
    ///
    /// The host has no files of this size.
    pub fn fresh(file: File, blocks: u32) -> Result<Self> {
        let length = words::bytes(blocks);
        file.set_len(length)
            .with_context(|| format!("cannot make a file of {}", words::size(length)))?;
        Ok(Self { file, length, read_only: false })
    }
}

impl Storage for Image {
    type Error = HostError;

    fn capacity(&self) -> u64 {
        self.length
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn read(&self, block: u32, offset: usize, data: &mut [u8]) -> Result<(), HostError> {
        let (mut rest, mut at) = (data, position(block, offset));
        while !rest.is_empty() {
            match self.file.read_at(rest, at) {
                Ok(0) => {
                    rest.fill(0);
                    break;
                }
                Ok(count) => {
                    at += count as u64;
                    rest = rest.get_mut(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(HostError::of("read")(error)),
            }
        }
        Ok(())
    }

    fn write(&self, block: u32, offset: usize, data: &[u8]) -> Result<(), HostError> {
        self.file.write_all_at(data, position(block, offset)).map_err(HostError::of("write"))
    }

    fn view(&self, block: u32, look: &mut dyn FnMut(&[u8])) -> Result<(), HostError> {
        let mut data = [0; BLOCK_SIZE];
        self.read(block, 0, &mut data)?;
        look(&data);
        Ok(())
    }

    fn flush(&self) -> Result<(), HostError> {
        self.file.sync_data().map_err(HostError::of("make durable what was written to"))
    }
}

fn position(block: u32, offset: usize) -> u64 {
    words::bytes(block) + offset as u64
}

/// Mounts an image to look into it.
///
/// # Errors
///
/// It cannot be opened, or it is no image of this kind.
pub fn mount_for_reading(path: &Path) -> Result<Fs> {
    mount(path, Image::for_reading(path)?)
}

/// Mounts an image to change it.
///
/// # Errors
///
/// It cannot be opened or is in use, or it is no image of this kind.
pub fn mount_for_writing(path: &Path) -> Result<Fs> {
    mount(path, Image::for_writing(path)?)
}

fn mount(path: &Path, image: Image) -> Result<Fs> {
    let options = MountOptions { read_only: image.read_only, now };
    FileSystem::mount(image, options).map_err(|error| explain(path, error))
}

/// Refuses what is no image of this kind at all, damaged or not.
///
/// # Errors
///
/// That it is none, and what it may be.
pub fn refuse_other(path: &Path, image: &Image) -> Result<()> {
    let options = MountOptions { read_only: true, ..MountOptions::default() };
    match FileSystem::<_, StdLocks>::mount(image, options) {
        Err(error @ Error::WrongMagic { .. }) => Err(explain(path, error)),
        _ => Ok(()),
    }
}

/// Says what is wrong with an image that cannot be used.
pub fn explain(path: &Path, error: Error<HostError>) -> anyhow::Error {
    let Error::WrongMagic { found } = error else {
        return anyhow!(error).context(format!("cannot use the image {}", path.display()));
    };
    anyhow!("{}: {error}; {}", path.display(), advice(found.to_le_bytes()))
}

/// Says what may be done with a file that is no image, and starts like this.
fn advice(start: [u8; 4]) -> &'static str {
    match &start {
        [0x1f, 0x8b, ..] => "it is compressed: unpack it with gunzip first",
        b"QFI\xfb" => "it is in QEMU's format qcow2: make it raw with `qemu-img convert -O raw`",
        [0, 0, 0, 0] => "it starts with zeros: was it ever packed? `sfs pack` makes an image",
        _ => "it may be the image of something else; `sfs pack` makes one of a folder",
    }
}

/// The host's time. What a wrong clock says from before 1970 counts as 1970.
fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time { seconds: since.as_secs() as i64, nanoseconds: since.subsec_nanos() as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_end_there_are_zeros() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[7; 5000], 0).unwrap();
        let image = Image { file, length: 5000, read_only: true };
        let mut data = [1; BLOCK_SIZE];
        image.read(1, 0, &mut data).unwrap();
        assert!(data[..904].iter().all(|&byte| byte == 7));
        assert!(data[904..].iter().all(|&byte| byte == 0));
        data.fill(1);
        image.view(2, &mut |block| data.copy_from_slice(block)).unwrap();
        assert_eq!(data, [0; BLOCK_SIZE]);
    }
}
