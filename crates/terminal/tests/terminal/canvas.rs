//! A picture in memory.

use embedded_graphics_core::{
    Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    pixelcolor::Rgb888,
};

/// A picture that counts what is written to it and refuses what lies outside.
pub struct Canvas {
    size: Size,
    pub pixels: Vec<Option<Rgb888>>,
    /// The pixels that were written, each time that they were.
    pub written: usize,
    /// The writes that succeed before one fails.
    pub left: Option<usize>,
}

/// The picture takes no more.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl Canvas {
    pub fn new(width: u32, height: u32) -> Self {
        let pixels = vec![None; (width * height) as usize];
        Self { size: Size::new(width, height), pixels, written: 0, left: None }
    }

    fn index(&self, point: Point) -> usize {
        let (x, y) = (u32::try_from(point.x).unwrap(), u32::try_from(point.y).unwrap());
        assert!(x < self.size.width && y < self.size.height, "{point:?} is outside of the picture");
        (y * self.size.width + x) as usize
    }

    pub fn pixel(&self, x: u32, y: u32) -> Rgb888 {
        self.pixels[(y * self.size.width + x) as usize].unwrap()
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Full;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Full> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or(Full)?;
        }
        for Pixel(point, color) in pixels {
            let index = self.index(point);
            self.pixels[index] = Some(color);
            self.written += 1;
        }
        Ok(())
    }
}
