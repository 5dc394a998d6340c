//! Disk images: what is on them before, and what must be on them after.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

/// The unit of addresses on a virtio block device, whatever its block size.
pub const SECTOR: usize = 512;

/// What the demo expects at the start of sector 0.
pub const GREETING: &[u8] = b"Hello World from Image!";

/// What the demo writes to sector 1.
pub const ANSWER: &[u8] = b"Hello, Virtio Block Device!";

/// A raw disk image, and what it held when it was made.
pub struct Image {
    path: PathBuf,
    before: Vec<u8>,
}

impl Image {
    /// The image in the file `path`, which holds `before`.
    pub fn new(path: PathBuf, before: Vec<u8>) -> Self {
        Self { path, before }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the image held when it was made.
    pub fn before(&self) -> &[u8] {
        &self.before
    }

    /// What it holds now.
    pub fn contents(&self) -> Result<Vec<u8>> {
        fs::read(&self.path).with_context(|| format!("cannot read {}", self.path.display()))
    }

    /// Checks that no byte has changed since the image was made.
    pub fn expect_unchanged(&self) -> Result<()> {
        self.expect(&self.before).context("nothing should have been written")
    }

    /// Checks that the image holds exactly this.
    pub fn expect(&self, expected: &[u8]) -> Result<()> {
        compare(expected, &self.contents()?)
            .with_context(|| format!("the disk image {} is not as expected", self.name()))
    }

    /// Checks that the image is as it was made, but for `bytes` at the start of `sector`, with
    /// zeros up to the sector's end.
    pub fn expect_only_sector(&self, sector: usize, bytes: &[u8]) -> Result<()> {
        let mut expected = self.before.clone();
        put_sector(&mut expected, sector, bytes)?;
        self.expect(&expected)
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Puts `bytes`, filled up with zeros, into a sector of `disk`.
pub fn put_sector(disk: &mut [u8], sector: usize, bytes: &[u8]) -> Result<()> {
    ensure!(bytes.len() <= SECTOR, "{} bytes do not fit into a sector", bytes.len());
    let target = disk.chunks_exact_mut(SECTOR).nth(sector).context("the image is too small")?;
    target.fill(0);
    target[..bytes.len()].copy_from_slice(bytes);
    Ok(())
}

/// A disk as the lab has it: the greeting in sector 0, an empty sector 1, and noise in the rest, so
/// that no write to a wrong place goes unnoticed.
pub fn lab_disk(sectors: usize) -> Result<Vec<u8>> {
    let mut disk = noise(sectors, 1);
    put_sector(&mut disk, 0, GREETING)?;
    put_sector(&mut disk, 1, b"")?;
    Ok(disk)
}

/// A disk full of noise that depends on `seed` alone.
pub fn noise(sectors: usize, seed: u64) -> Vec<u8> {
    let mut disk = vec![0; sectors * SECTOR];
    fastrand::Rng::with_seed(seed).fill(&mut disk);
    disk
}

/// Names the places where `found` is not as expected.
fn compare(expected: &[u8], found: &[u8]) -> Result<()> {
    ensure!(
        expected.len() == found.len(),
        "{} bytes long instead of {}",
        found.len(),
        expected.len()
    );
    let wrong: Vec<usize> = (0..expected.len()).filter(|&at| expected[at] != found[at]).collect();
    let Some(&first) = wrong.first() else {
        return Ok(());
    };

    let mut sectors: Vec<usize> = wrong.iter().map(|at| at / SECTOR).collect();
    sectors.dedup();
    let mut message =
        format!("{} bytes in {} sectors differ, in sector", wrong.len(), sectors.len());
    for sector in sectors.iter().take(8) {
        let _ = write!(message, " {sector}");
    }
    let end = (first + 16).min(expected.len());
    bail!(
        "{message}{}\nat byte {first:#x} (sector {}, byte {}):\n  expected {:02x?}\n  found    {:02x?}",
        if sectors.len() > 8 { " ..." } else { "" },
        first / SECTOR,
        first % SECTOR,
        &expected[first..end],
        &found[first..end],
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_images_compare_equal() {
        compare(&noise(3, 7), &noise(3, 7)).unwrap();
    }

    #[test]
    fn a_difference_is_located() {
        let mut found = vec![0; 4 * SECTOR];
        found[1030] = 0xab;
        let message = compare(&vec![0; 4 * SECTOR], &found).unwrap_err().to_string();
        assert!(message.starts_with(
            "1 bytes in 1 sectors differ, in sector 2\nat byte 0x406 (sector 2, byte 6):"
        ));
        assert!(message.contains("found    [ab, 00"));
        assert!(compare(&[0; 3], &[0; 4]).is_err());
    }

    #[test]
    fn a_lab_disk_has_greeting_void_and_noise() {
        let disk = lab_disk(4).unwrap();
        assert!(disk.starts_with(b"Hello World from Image!\0\0"));
        assert!(disk[SECTOR..2 * SECTOR].iter().all(|byte| *byte == 0));
        assert!(
            disk[2 * SECTOR..].chunks(SECTOR).all(|sector| sector.iter().any(|byte| *byte != 0))
        );
    }
}
