//! Pictures that embedded-graphics draws on the host.

use std::convert::Infallible;

use embedded_graphics::{
    Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Size},
    pixelcolor::{Rgb888, RgbColor},
};
use lab::picture::Picture;

/// A picture to draw on.
pub struct Drawn(pub Picture);

impl OriginDimensions for Drawn {
    fn size(&self) -> Size {
        let (width, height) = self.0.size();
        Size::new(width, height)
    }
}

impl DrawTarget for Drawn {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(at, color) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) {
                self.0.set(x, y, [color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}
