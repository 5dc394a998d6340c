//! Disk images: what is on them before, and what must be on them after.

use std::{
    fmt::{self, Write as _},
    fs, io,
    path::{Path, PathBuf},
};

/// The unit of addresses on a virtio block device, whatever its block size.
pub const SECTOR: usize = plan::SECTOR_SIZE;

/// The text that the demo expects at the start of sector 0.
pub const GREETING: &[u8] = b"Hello World from Image!";

/// The text that the demo writes over it.
pub const ANSWER: &[u8] = b"Hello, Virtio Block Device!";

/// An image cannot be used, or is not as it must be.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// It holds something else than it must.
    #[error("the disk image {name} is not as expected")]
    Differs {
        /// The file's name.
        name: String,
        /// The first difference.
        source: Difference,
    },
    /// It holds something else than at first.
    #[error("nothing should have been written to the disk image {name}")]
    Written {
        /// The file's name.
        name: String,
        /// The first difference.
        source: Difference,
    },
    /// More than a sector was to be put into a sector.
    #[error("{0} bytes do not fit into a sector")]
    TooLong(usize),
    /// There is no such sector.
    #[error("the image has no sector {0}")]
    NoSector(usize),
}

/// A difference between an image and the expected one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Difference {
    /// It has another length.
    #[error("{found} bytes long instead of {expected}")]
    Length {
        /// The length that it should have.
        expected: usize,
        /// The length that it has.
        found: usize,
    },
    /// Some bytes are others.
    #[error("{}", describe(*bytes, sectors, *first, expected, found))]
    Bytes {
        /// Their number.
        bytes: usize,
        /// The sectors that they are in.
        sectors: Vec<usize>,
        /// The place of the first.
        first: usize,
        /// A few bytes from there on, as they should be.
        expected: Vec<u8>,
        /// The same bytes as they are.
        found: Vec<u8>,
    },
}

/// A raw disk image, and what it held when it was made.
pub struct Image {
    path: PathBuf,
    before: Vec<u8>,
}

impl Image {
    /// Writes a file with these contents. It replaces one of the same name.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn create(path: PathBuf, contents: Vec<u8>) -> Result<Self, ImageError> {
        match fs::write(&path, &contents) {
            Ok(()) => Ok(Self { path, before: contents }),
            Err(source) => Err(ImageError::Write { path, source }),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The contents of the image when it was made.
    pub fn before(&self) -> &[u8] {
        &self.before
    }

    /// The contents of the image now.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn contents(&self) -> Result<Vec<u8>, ImageError> {
        let path = &self.path;
        fs::read(path).map_err(|source| ImageError::Read { path: path.clone(), source })
    }

    /// Checks that no byte has changed since the image was made.
    ///
    /// # Errors
    ///
    /// One has, or the file cannot be read.
    pub fn expect_unchanged(&self) -> Result<(), ImageError> {
        compare(&self.before, &self.contents()?)
            .map_err(|source| ImageError::Written { name: self.name(), source })
    }

    /// Checks that the image holds exactly this.
    ///
    /// # Errors
    ///
    /// It does not, or the file cannot be read.
    pub fn expect(&self, expected: &[u8]) -> Result<(), ImageError> {
        compare(expected, &self.contents()?)
            .map_err(|source| ImageError::Differs { name: self.name(), source })
    }

    /// Checks that the image is as it was made, but for `bytes` at the start of `sector`, with
    /// zeros up to the sector's end.
    ///
    /// # Errors
    ///
    /// It is not, or the file cannot be read.
    pub fn expect_only_sector(&self, sector: usize, bytes: &[u8]) -> Result<(), ImageError> {
        let mut expected = self.before.clone();
        put_sector(&mut expected, sector, bytes)?;
        self.expect(&expected)
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Puts `bytes`, filled up with zeros, into a sector of `disk`.
///
/// # Errors
///
/// The bytes or the sector are beyond the end.
pub fn put_sector(disk: &mut [u8], sector: usize, bytes: &[u8]) -> Result<(), ImageError> {
    let target = disk.chunks_exact_mut(SECTOR).nth(sector).ok_or(ImageError::NoSector(sector))?;
    target.fill(0);
    target.get_mut(..bytes.len()).ok_or(ImageError::TooLong(bytes.len()))?.copy_from_slice(bytes);
    Ok(())
}

/// A disk as the lab has it: the greeting in sector 0, but noise in the rest, so that no write to a wrong
/// place goes unnoticed.
///
/// # Errors
///
/// It has no sector.
pub fn lab_disk(sectors: usize) -> Result<Vec<u8>, ImageError> {
    let mut disk = noise(sectors, 1);
    put_sector(&mut disk, 0, GREETING)?;
    Ok(disk)
}

/// The texts on a disk as the program `strings` finds them: four printable characters or more.
pub fn strings(disk: &[u8]) -> Vec<&str> {
    let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    disk.split(|byte| !printable(byte))
        .filter(|text| text.len() >= 4)
        .filter_map(|text| std::str::from_utf8(text).ok())
        .collect()
}

/// A disk full of noise that depends on `seed` alone.
pub fn noise(sectors: usize, seed: u64) -> Vec<u8> {
    let mut disk = vec![0; sectors * SECTOR];
    fastrand::Rng::with_seed(seed).fill(&mut disk);
    disk
}

/// Finds the places where `found` is not as expected.
fn compare(expected: &[u8], found: &[u8]) -> Result<(), Difference> {
    if expected.len() != found.len() {
        return Err(Difference::Length { expected: expected.len(), found: found.len() });
    }
    let wrong: Vec<usize> = (0..expected.len()).filter(|&at| expected[at] != found[at]).collect();
    let Some(&first) = wrong.first() else {
        return Ok(());
    };
    let mut sectors: Vec<usize> = wrong.iter().map(|at| at / SECTOR).collect();
    sectors.dedup();
    let shown = first..(first + 16).min(expected.len());
    Err(Difference::Bytes {
        bytes: wrong.len(),
        sectors,
        first,
        expected: expected[shown.clone()].to_vec(),
        found: found[shown].to_vec(),
    })
}

/// The text of [`Difference::Bytes`].
fn describe(
    bytes: usize,
    sectors: &[usize],
    first: usize,
    expected: &[u8],
    found: &[u8],
) -> impl fmt::Display {
    let mut message = format!("{bytes} bytes in {} sectors differ, in sector", sectors.len());
    for sector in sectors.iter().take(8) {
        let _ = write!(message, " {sector}");
    }
    let _ = write!(
        message,
        "{}\nat byte {first:#x} (sector {}, byte {}):\n  expected {expected:02x?}\n  found    {found:02x?}",
        if sectors.len() > 8 { " ..." } else { "" },
        first / SECTOR,
        first % SECTOR,
    );
    message
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
    fn a_lab_disk_has_greeting_and_noise() {
        let disk = lab_disk(4).unwrap();
        assert!(disk.starts_with(b"Hello World from Image!\0\0"));
        assert!(disk[23..SECTOR].iter().all(|byte| *byte == 0));
        assert!(disk[SECTOR..].chunks(SECTOR).all(|sector| sector.iter().any(|byte| *byte != 0)));
    }

    #[test]
    fn texts_are_found_between_other_bytes() {
        assert_eq!(strings(b"\0\0two words\0abc\n\xffmore\x7f"), ["two words", "more"]);
        assert_eq!(strings(b""), [""; 0]);
    }

    #[test]
    fn an_image_is_compared_with_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let image = Image::create(folder.path().join("disk.img"), noise(4, 1)).unwrap();
        image.expect_unchanged().unwrap();
        let mut contents = image.before().to_vec();
        put_sector(&mut contents, 2, b"new").unwrap();
        fs::write(image.path(), &contents).unwrap();
        image.expect_only_sector(2, b"new").unwrap();
        assert!(image.expect_only_sector(2, b"old").is_err());
        assert!(image.expect_only_sector(1, b"new").is_err());
        let error = image.expect_unchanged().unwrap_err();
        assert_eq!(
            error.to_string(),
            "nothing should have been written to the disk image disk.img"
        );
        fs::remove_file(image.path()).unwrap();
        assert!(matches!(image.contents().unwrap_err(), ImageError::Read { .. }));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut disk = vec![0; 2 * SECTOR];
        assert!(matches!(put_sector(&mut disk, 2, b"x"), Err(ImageError::NoSector(2))));
        assert!(matches!(put_sector(&mut disk, 1, &[1; 513]), Err(ImageError::TooLong(513))));
        put_sector(&mut disk, 1, &[1; 512]).unwrap();
        assert!(lab_disk(0).is_err());
    }
}
