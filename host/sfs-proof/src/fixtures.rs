//! Images that the reference implementation's own tool has packed, with tables of what is in them.

use std::io::Read as _;

use flate2::read::GzDecoder;

use crate::disk::Image;

/// A packed image and its table.
pub struct Fixture {
    /// The name.
    pub name: &'static str,
    packed: &'static [u8],
    /// One line for each file, directory and symlink: path, type, size and hash.
    pub manifest: &'static str,
}

macro_rules! fixture {
    ($name:literal) => {
        Fixture {
            name: $name,
            packed: include_bytes!(concat!(
                "../../../crates/sfs/tests/fixtures/",
                $name,
                ".img.gz"
            )),
            manifest: include_str!(concat!(
                "../../../crates/sfs/tests/fixtures/",
                $name,
                ".manifest.tsv"
            )),
        }
    };
}

/// All of them.
pub const FIXTURES: [Fixture; 3] = [fixture!("a-small"), fixture!("d-deep"), fixture!("e-churn")];

impl Fixture {
    /// The image.
    ///
    /// # Errors
    ///
    /// It cannot be unpacked.
    pub fn image(&self) -> Result<Image, String> {
        let mut content = Vec::new();
        GzDecoder::new(self.packed)
            .read_to_end(&mut content)
            .map_err(|error| format!("{}: {error}", self.name))?;
        Ok(Image::of_file(&content))
    }
}
