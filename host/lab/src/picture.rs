//! Pictures of screens, compared pixel by pixel.

use std::{
    fmt,
    fs::File,
    io::{self, BufReader, BufWriter},
    path::{Path, PathBuf},
};

/// A pixel: red, green, blue.
pub type Rgb = [u8; 3];

/// A picture, row by row from the top, each row from the left.
#[derive(Clone, Eq, PartialEq)]
pub struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<Rgb>,
}

/// A picture cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// There is no such file, or it cannot be made.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is no PNG.
    #[error("{} is no picture", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: png::DecodingError,
    },
    /// It is a PNG of another kind.
    #[error("{} has pixels of {found:?}, not of 8 bits each of red, green and blue", path.display())]
    Pixels {
        /// The file.
        path: PathBuf,
        /// The kind of its pixels.
        found: (png::ColorType, png::BitDepth),
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: png::EncodingError,
    },
}

/// The difference between a picture and the expected one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Difference {
    /// It has another size.
    #[error("the picture has {}x{} pixels instead of {}x{}", found.0, found.1, expected.0, expected.1)]
    Size {
        /// Width and height that it should have.
        expected: (u32, u32),
        /// Those that it has.
        found: (u32, u32),
    },
    /// Some pixels are others.
    #[error(
        "{count} of {of} pixels differ, all of them in {area}; the first is at ({}, {}): {found:?} instead of \
         {expected:?}", first.0, first.1
    )]
    Pixels {
        /// The number of pixels that differ.
        count: usize,
        /// The number of pixels of the picture.
        of: usize,
        /// The smallest rectangle with all of them.
        area: Area,
        /// Column and row of the first, row by row from the top.
        first: (u32, u32),
        /// The pixel that should be there.
        expected: Rgb,
        /// The pixel that is there.
        found: Rgb,
    },
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Area {
    /// The column at the left.
    pub x: u32,
    /// The row at the top.
    pub y: u32,
    /// The number of columns.
    pub width: u32,
    /// The number of rows.
    pub height: u32,
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { x, y, width, height } = self;
        write!(f, "{width}x{height} at ({x}, {y})")
    }
}

impl Picture {
    /// A picture of which `pixel` tells each pixel, by column and row.
    pub fn from_fn(width: u32, height: u32, pixel: impl Fn(u32, u32) -> Rgb) -> Self {
        let pixel = &pixel;
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| pixel(x, y))).collect();
        Self { width, height, pixels }
    }

    /// Width and height.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The pixel in column `x` of row `y`; `None` outside of the picture.
    pub fn pixel(&self, x: u32, y: u32) -> Option<Rgb> {
        self.pixels.get(self.index(x, y)?).copied()
    }

    /// Changes a pixel. Returns true unless it is outside of the picture.
    pub fn set(&mut self, x: u32, y: u32, pixel: Rgb) -> bool {
        let place = self.index(x, y).and_then(|index| self.pixels.get_mut(index));
        place.map(|place| *place = pixel).is_some()
    }

    /// Checks that each pixel is as expected.
    ///
    /// # Errors
    ///
    /// [`Difference`].
    pub fn expect(&self, expected: &Self) -> Result<(), Difference> {
        if self.size() != expected.size() {
            return Err(Difference::Size { expected: expected.size(), found: self.size() });
        }
        let pairs = self.pixels.iter().zip(&expected.pixels).enumerate();
        let mut wrong =
            pairs.filter(|(_, (found, expected))| found != expected).map(|(at, pair)| {
                // Below the height, which has 32 bits.
                let (x, y) = (at % self.width as usize, at / self.width as usize);
                ((x as u32, y as u32), pair)
            });
        let Some((first, (found, expected))) = wrong.next() else { return Ok(()) };
        let (mut count, mut left, mut right, mut bottom) = (1, first.0, first.0, first.1);
        for ((x, y), _) in wrong {
            (count, left, right, bottom) = (count + 1, left.min(x), right.max(x), y);
        }
        Err(Difference::Pixels {
            count,
            of: self.pixels.len(),
            area: Area {
                x: left,
                y: first.1,
                width: right - left + 1,
                height: bottom - first.1 + 1,
            },
            first,
            expected: *expected,
            found: *found,
        })
    }

    /// Reads a PNG file with 8 bits for each of red, green and blue, such as QEMU writes.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is another one.
    pub fn read_png(path: &Path) -> Result<Self, PictureError> {
        let file = File::open(path)
            .map_err(|source| PictureError::Open { path: path.to_owned(), source })?;
        let bad = |source| PictureError::Decode { path: path.to_owned(), source };
        let mut reader = png::Decoder::new(BufReader::new(file)).read_info().map_err(bad)?;
        let (width, height) = reader.info().size();
        let found = reader.output_color_type();
        if found != (png::ColorType::Rgb, png::BitDepth::Eight) {
            return Err(PictureError::Pixels { path: path.to_owned(), found });
        }
        let mut pixels = vec![[0; 3]; width as usize * height as usize];
        reader.next_frame(pixels.as_flattened_mut()).map_err(bad)?;
        Ok(Self { width, height, pixels })
    }

    /// Writes a PNG file.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write_png(&self, path: &Path) -> Result<(), PictureError> {
        let file = File::create(path)
            .map_err(|source| PictureError::Open { path: path.to_owned(), source })?;
        let bad = |source| PictureError::Encode { path: path.to_owned(), source };
        let mut encoder = png::Encoder::new(BufWriter::new(file), self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(bad)?;
        writer.write_image_data(self.pixels.as_flattened()).map_err(bad)?;
        writer.finish().map_err(bad)
    }

    fn index(&self, x: u32, y: u32) -> Option<usize> {
        let inside = x < self.width && y < self.height;
        inside.then_some(y as usize * self.width as usize + x as usize)
    }
}

/// The size alone: a picture has more pixels than anybody reads.
impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: u32, height: u32) -> Picture {
        Picture::from_fn(width, height, |x, y| [x as u8, y as u8, (x + y) as u8])
    }

    #[test]
    fn pixels_are_where_they_were_put() {
        let mut picture = gradient(4, 3);
        assert_eq!(picture.size(), (4, 3));
        assert_eq!(picture.pixel(3, 2), Some([3, 2, 5]));
        assert!(picture.set(3, 2, [7; 3]));
        assert_eq!(picture.pixel(3, 2), Some([7; 3]));
        for (x, y) in [(4, 0), (0, 3), (u32::MAX, u32::MAX)] {
            assert_eq!(picture.pixel(x, y), None);
            assert!(!picture.set(x, y, [0; 3]));
        }
    }

    #[test]
    fn a_difference_is_located() {
        let expected = gradient(300, 200);
        expected.expect(&expected).unwrap();
        let mut found = expected.clone();
        for (x, y) in [(20, 10), (5, 12), (30, 11)] {
            found.set(x, y, [1, 2, 3]);
        }
        let difference = found.expect(&expected).unwrap_err();
        let area = Area { x: 5, y: 10, width: 26, height: 3 };
        let (first, expected_pixel) = ((20, 10), [20, 10, 30]);
        let pixels = Difference::Pixels {
            count: 3,
            of: 60_000,
            area,
            first,
            expected: expected_pixel,
            found: [1, 2, 3],
        };
        assert_eq!(difference, pixels);
        assert_eq!(
            difference.to_string(),
            "3 of 60000 pixels differ, all of them in 26x3 at (5, 10); the first is at (20, 10): [1, 2, 3] \
             instead of [20, 10, 30]"
        );
    }

    #[test]
    fn another_size_is_another_picture() {
        // As many pixels in all.
        let difference = gradient(6, 4).expect(&gradient(4, 6)).unwrap_err();
        assert_eq!(difference.to_string(), "the picture has 6x4 pixels instead of 4x6");
        let empty = gradient(0, 0);
        empty.expect(&empty).unwrap();
    }

    #[test]
    fn a_file_gives_the_same_picture_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.png");
        let picture = gradient(301, 77);
        picture.write_png(&path).unwrap();
        Picture::read_png(&path).unwrap().expect(&picture).unwrap();
        let absent = folder.path().join("absent/picture.png");
        assert!(matches!(picture.write_png(&absent), Err(PictureError::Open { .. })));
        assert!(matches!(Picture::read_png(&absent), Err(PictureError::Open { .. })));
    }

    #[test]
    fn another_file_is_no_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.png");
        std::fs::write(&path, "P6\n1 1\n255\nabc").unwrap();
        assert!(matches!(Picture::read_png(&path), Err(PictureError::Decode { .. })));
        let mut encoder = png::Encoder::new(File::create(&path).unwrap(), 1, 1);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(&[9]).unwrap();
        assert!(matches!(Picture::read_png(&path), Err(PictureError::Pixels { .. })));
        gradient(20, 20).write_png(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(matches!(Picture::read_png(&path), Err(PictureError::Decode { .. })));
    }
}
