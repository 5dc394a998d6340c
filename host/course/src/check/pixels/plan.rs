//! All that was to be shown, and what is there instead.

use ::plan::rects::{Area, Colours};
use lab::picture::Picture;

/// The bytes of a pixel in the backing: red, green, blue, and one that is ignored.
const BYTES_PER_PIXEL: usize = 4;

/// All that was to be shown.
pub struct Plan {
    /// The areas of each step.
    pub steps: Vec<Vec<Area>>,
    /// The colours of the pictures.
    pub colours: Colours,
    /// Width and height of the screen.
    pub size: (u32, u32),
}

/// A pixel of the screen.
#[derive(Clone, Copy)]
pub struct Pixel {
    /// Its column.
    pub x: u32,
    /// Its row.
    pub y: u32,
    /// The last picture of which it was to be shown.
    pub owner: u32,
    /// The picture, column and row that the one which is there comes from. There may be no such picture.
    pub from: (u32, u32, u32),
    rgb: [u8; 3],
}

impl Pixel {
    /// Returns true if it is the one of picture `step` that belongs there.
    pub fn is_of(&self, step: u32) -> bool {
        self.from == (step, self.x, self.y)
    }

    /// Returns true if it belongs there, and is of a picture before `step`.
    pub fn is_older_than(&self, step: u32) -> bool {
        self.from.0 < step && self.is_of(self.from.0)
    }
}

impl Plan {
    /// The areas of all steps, in order, each with the number of its picture.
    pub fn areas(&self) -> impl Iterator<Item = (u32, Area)> {
        (1..).zip(&self.steps).flat_map(|(step, areas)| areas.iter().map(move |area| (step, *area)))
    }

    /// All pixels of the screen, row by row.
    pub fn pixels(&self, picture: &Picture) -> Vec<Pixel> {
        let (width, height) = self.size;
        let mut owners = vec![0; width as usize * height as usize];
        for (step, area) in self.areas() {
            for y in area.y..area.y + area.height {
                let start = (y * width + area.x) as usize;
                owners[start..start + area.width as usize].fill(step);
            }
        }
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let pixel = |((x, y), owner)| {
            let rgb = picture.pixel(x, y).unwrap_or_default();
            Pixel { x, y, owner, from: self.colours.place(rgb), rgb }
        };
        places.zip(owners).map(pixel).collect()
    }

    /// The pictures up to this one, as they stand in memory.
    pub fn frames(&self, last: u32) -> Vec<Vec<u8>> {
        let frame = |picture| {
            let pixels = self.colours.rows(picture).flatten();
            pixels.flat_map(|[red, green, blue]| [red, green, blue, u8::MAX]).collect()
        };
        (0..=last).map(frame).collect()
    }

    /// The byte of the backing at which an area starts.
    pub fn offset(&self, area: Area) -> usize {
        BYTES_PER_PIXEL * (area.y as usize * self.size.0 as usize + area.x as usize)
    }

    /// Returns true if a pixel of an area is the one that the device fetches where the area is said to start at byte
    /// `offset` of the backing, which holds parts of these frames.
    pub fn is_fetched(&self, pixel: &Pixel, area: Area, offset: usize, frames: &[Vec<u8>]) -> bool {
        let start = Area { x: pixel.x - area.x, y: pixel.y - area.y, ..area };
        let start = offset + self.offset(start);
        // The bytes of one pixel may be those of two pictures, where a new one ends within it.
        let is_there = |(at, byte)| frames.iter().any(|frame| frame.get(at) == Some(byte));
        (start..).zip(&pixel.rgb).all(is_there)
    }

    /// The number of places that a pixel stands behind where it belongs, in memory.
    pub fn distance(&self, pixel: &Pixel) -> i64 {
        let number = |x: u32, y: u32| i64::from(y) * i64::from(self.size.0) + i64::from(x);
        number(pixel.from.1, pixel.from.2) - number(pixel.x, pixel.y)
    }
}

/// The smallest area with all of these pixels.
pub fn hull<'p>(pixels: impl IntoIterator<Item = &'p Pixel>) -> Option<Area> {
    let mut pixels = pixels.into_iter();
    let first = pixels.next()?;
    let start = (first.x, first.y, first.x, first.y);
    let (left, top, right, bottom) = pixels.fold(start, |(left, top, right, bottom), pixel| {
        (left.min(pixel.x), top.min(pixel.y), right.max(pixel.x), bottom.max(pixel.y))
    });
    Some(Area::new(left, top, right - left + 1, bottom - top + 1))
}

/// Returns true if all of `inner` lies in `outer`.
pub fn holds(outer: Area, inner: Area) -> bool {
    let last = (inner.x + inner.width - 1, inner.y + inner.height - 1);
    outer.contains(inner.x, inner.y) && outer.contains(last.0, last.1)
}

/// The area with column and row exchanged.
pub fn turned(of: Area) -> Area {
    Area { x: of.y, y: of.x, ..of }
}

/// The area with width and height exchanged.
pub fn tipped(of: Area) -> Area {
    Area { width: of.height, height: of.width, ..of }
}

/// Columns and rows of areas, in any language.
pub fn columns_and_rows(areas: &[Area]) -> String {
    let one = |area: &Area| {
        let last = |first: u32, count: u32| u64::from(first) + u64::from(count) - 1;
        let Area { x, y, width, height } = *area;
        format!("x {x}-{}, y {y}-{}", last(x, width), last(y, height))
    };
    areas.iter().map(one).collect::<Vec<_>>().join("; ")
}
