//! Drawing by libraries: [`Framebuffer`] as a `DrawTarget` of embedded-graphics.

use core::convert::Infallible;

use embedded_graphics_core::{
    Pixel,
    draw_target::DrawTarget,
    geometry::{Dimensions, OriginDimensions, Point, Size},
    pixelcolor::{Rgb888, RgbColor},
    primitives::{PointsIter, Rectangle},
};

use super::{BYTES_PER_PIXEL, Framebuffer, Rect};

impl OriginDimensions for Framebuffer {
    fn size(&self) -> Size {
        Size::new(self.mode().width(), self.mode().height())
    }
}

/// Nothing fails, as drawing does not touch the screen. What lies outside of it is not drawn.
impl DrawTarget for Framebuffer {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Rgb888>>,
    {
        for Pixel(at, color) in pixels {
            self.set(at, color);
        }
        Ok(())
    }

    fn fill_contiguous<I>(&mut self, area: &Rectangle, colors: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Rgb888>,
    {
        for (at, color) in area.points().zip(colors) {
            self.set(at, color);
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb888) -> Result<(), Infallible> {
        let area = rect(area.intersection(&self.bounding_box()));
        let (stride, bytes) = (self.mode().stride(), bytes(color));
        let columns = area.columns();
        let columns =
            columns.start as usize * BYTES_PER_PIXEL..columns.end as usize * BYTES_PER_PIXEL;
        let rows = self.pixels_mut(area).chunks_exact_mut(stride);
        for row in rows.skip(area.y as usize).take(area.height as usize) {
            let (pixels, _) = row.get_mut(columns.clone()).unwrap_or_default().as_chunks_mut();
            pixels.fill(bytes);
        }
        Ok(())
    }
}

impl Framebuffer {
    /// Draws one pixel, if it lies on the screen.
    #[inline]
    fn set(&mut self, at: Point, color: Rgb888) {
        let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else { return };
        let mode = self.mode();
        if x < mode.width() && y < mode.height() {
            let start = y as usize * mode.stride() + x as usize * BYTES_PER_PIXEL;
            let pixel = self.pixels_mut(Rect::new(x, y, 1, 1)).get_mut(start..);
            if let Some(pixel) = pixel.and_then(<[u8]>::first_chunk_mut) {
                *pixel = bytes(color);
            }
        }
    }
}

/// The pixel of a colour.
fn bytes(color: Rgb888) -> [u8; BYTES_PER_PIXEL] {
    [color.r(), color.g(), color.b(), u8::MAX]
}

/// The pixels of a rectangle that lies on the screen, so that no place is negative.
fn rect(area: Rectangle) -> Rect {
    let place = |at: i32| u32::try_from(at).unwrap_or(0);
    let Rectangle { top_left: Point { x, y }, size } = area;
    Rect::new(place(x), place(y), size.width, size.height)
}
