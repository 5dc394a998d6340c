//! Copies contents between the host and an image.

use std::{
    fs::File,
    io::{Read, Write},
};

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::image::Inode;

/// From so many bytes on there is a bar to look at.
const LARGE: u64 = 32 << 20;
/// The bytes that are copied at once.
const STEP: usize = 64 << 10;

/// Makes a bar on the terminal for copying so many bytes, which stays hidden where they are few.
pub fn progress(bytes: u64) -> ProgressBar {
    if bytes < LARGE {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(
        "{wide_bar} {binary_bytes} of {binary_total_bytes}, {eta} left",
    );
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Copies a file of the host that has `size` bytes into an empty one of an image.
///
/// # Errors
///
/// Either fails, or the host's file turns out to have more or fewer bytes.
pub fn copy_in(mut from: &File, size: u64, to: &Inode, bar: &ProgressBar) -> Result<()> {
    let mut buffer = vec![0; STEP];
    let mut at = 0;
    loop {
        let count = from.read(&mut buffer)?;
        let left = size - at;
        if count as u64 > left || count == 0 && left > 0 {
            bail!("its size changed while it was copied; try again when nobody writes to it");
        }
        if count == 0 {
            return Ok(());
        }
        let mut data = buffer.get(..count).unwrap_or_default();
        while !data.is_empty() {
            let written = to.write_at(at, data)?;
            at += written as u64;
            data = data.get(written..).unwrap_or_default();
        }
        bar.inc(count as u64);
    }
}

/// Copies a file of an image to the host.
///
/// # Errors
///
/// Either fails.
pub fn copy_out(from: &Inode, to: &mut impl Write, bar: &ProgressBar) -> Result<()> {
    let mut buffer = vec![0; STEP];
    let mut at = 0;
    loop {
        let count = from.read_at(at, &mut buffer)?;
        if count == 0 {
            return Ok(to.flush()?);
        }
        to.write_all(buffer.get(..count).unwrap_or_default())?;
        at += count as u64;
        bar.inc(count as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek;

    use sfs::{FileSystem, MountOptions};

    use super::*;
    use crate::image::{Fs, Image};

    #[test]
    fn a_file_that_changes_meanwhile_is_an_error() {
        let image = Image::fresh(tempfile::tempfile().unwrap(), 64).unwrap();
        sfs::format(&image, 64).unwrap();
        let fs: Fs = FileSystem::mount(image, MountOptions::default()).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 100]).unwrap();
        for (size, is_good) in [(99, false), (100, true), (101, false)] {
            file.rewind().unwrap();
            let to = fs.root().create(&size.to_string()).unwrap();
            let copied = copy_in(&file, size, &to, &ProgressBar::hidden());
            assert_eq!(copied.is_ok(), is_good, "{size}");
        }
    }
}
