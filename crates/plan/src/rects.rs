//! The pictures of `job=rects`, and the areas of them that it has shown.
//!
//! Each step draws a whole new picture, and shows a few areas of it. No two pixels of all these pictures have the same
//! colour, so that whoever looks at the screen can tell for each pixel of which picture it is and where it stood there.

use alloc::vec::Vec;

use fastrand::Rng;

/// The most areas of a step.
pub const MOST_AREAS: u32 = 8;
/// Rows between two areas of a step. Who puts changes together that are closer does not join these.
const GAP: u32 = 9;
/// The smallest width and height of a screen.
const SMALLEST: u32 = 16 * MOST_AREAS;
/// Columns and rows of the cells, each of which has an area of its own.
const CELLS: (u32, u32) = (4, 3);
/// The number of different colours: a byte each for red, green and blue.
const COLOURS: u32 = 1 << 24;

/// The kinds of areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Two large ones, one over the other, then small ones anywhere.
    Places,
    /// The whole screen, its edges, its corners, and single pixels.
    Edges,
    /// Several in a step.
    Several,
}

impl Scene {
    /// All of them, by the names that they have on a command line.
    pub const ALL: [(&'static str, Self); 3] =
        [("places", Self::Places), ("edges", Self::Edges), ("several", Self::Several)];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, scene)| *scene == self).map_or("", |(name, _)| name)
    }
}

/// A part of a picture, in pixels from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// The first column.
    pub x: u32,
    /// The first row.
    pub y: u32,
    /// The number of columns.
    pub width: u32,
    /// The number of rows.
    pub height: u32,
}

impl Area {
    /// An area of this place and size.
    pub const fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self { x, y, width, height }
    }

    /// Returns true for a pixel in it.
    pub fn contains(&self, x: u32, y: u32) -> bool {
        x.checked_sub(self.x).is_some_and(|x| x < self.width)
            && y.checked_sub(self.y).is_some_and(|y| y < self.height)
    }

    /// An area within this one.
    fn within(&self, random: &mut Rng) -> Self {
        let (width, height) = (random.u32(1..=self.width), random.u32(1..=self.height));
        let x = self.x + random.u32(0..=self.width - width);
        let y = self.y + random.u32(0..=self.height - height);
        Self { x, y, width, height }
    }
}

/// All steps of a scene: the areas of each, from the top down. The first step shows areas of picture 1, the next of
/// picture 2; picture 0 is the one that is shown whole before.
///
/// `None` for a screen that is too small, or so large that there are not enough colours.
pub fn steps(scene: Scene, seed: u64, (width, height): (u32, u32)) -> Option<Vec<Vec<Area>>> {
    let pixels = u64::from(width) * u64::from(height);
    if width < SMALLEST || height < SMALLEST || pixels > u64::from(COLOURS) {
        return None;
    }
    let mut random = Rng::with_seed(seed);
    let screen = Area::new(0, 0, width, height);
    let steps: Vec<Vec<Area>> = match scene {
        Scene::Places => {
            let (half, third) = (width / 2, height / 3);
            let mut cells: Vec<Area> = (0..CELLS.0 * CELLS.1)
                .map(|cell| {
                    let (across, down) = (cell % CELLS.0, cell / CELLS.0);
                    let (x, y) = (width * across / CELLS.0, height * down / CELLS.1);
                    // A border is left, so that the large ones are seen, too.
                    let (width, height) = (width / CELLS.0 - 4, height / CELLS.1 - 4);
                    Area { x: x + 2, y: y + 2, width, height }.within(&mut random)
                })
                .collect();
            random.shuffle(&mut cells);
            let large = [
                Area::new(random.u32(1..9), random.u32(1..9), half + 20, 2 * third),
                Area::new(half - 20, third, half + 5, height - third - random.u32(1..9)),
            ];
            large.into_iter().chain(cells).map(|area| [area].into()).collect()
        }
        Scene::Edges => {
            let (right, bottom) = (width - 1, height - 1);
            let middle = Area::new(2, 2, width - 4, height - 4);
            let (x, y) = (random.u32(2..right), random.u32(2..bottom));
            [
                screen,
                Area::new(0, 0, width, 1),
                Area::new(right, 0, 1, height),
                Area::new(0, 0, 1, height),
                Area::new(0, bottom, width, 1),
                Area::new(right, bottom, 1, 1),
                Area::new(0, bottom, 1, 1),
                Area::new(right, 0, 1, 1),
                middle.within(&mut random),
                Area::new(x, y, 1, 1),
            ]
            .into_iter()
            .map(|area| [area].into())
            .collect()
        }
        Scene::Several => {
            let band = height / MOST_AREAS;
            let area = |number: u32, random: &mut Rng| {
                Area::new(0, number * band, width, band - GAP).within(random)
            };
            let numbers = [MOST_AREAS, 2, random.u32(3..MOST_AREAS), 5];
            let mut step = |count| -> Vec<Area> {
                (0..count).map(|number| area(number, &mut random)).collect()
            };
            numbers.map(&mut step).into()
        }
    };
    let pictures = steps.len() as u64 + 1;
    (pictures * pixels <= u64::from(COLOURS)).then_some(steps)
}

/// The colours of all pixels of all pictures.
///
/// They are numbered through. The bits of the number go to red, green and blue in turn, so that neighbours look alike,
/// and two pictures do not.
#[derive(Clone, Copy, Debug)]
pub struct Colours {
    /// The colour of number 0, in which a number changes bits.
    first: u32,
    size: (u32, u32),
}

impl Colours {
    /// Those of a seed, for pictures of this size.
    pub fn new(seed: u64, size: (u32, u32)) -> Self {
        Self { first: Rng::with_seed(!seed).u32(..COLOURS), size }
    }

    /// The rows of a picture, from the top down: red, green and blue of each pixel.
    pub fn rows(self, picture: u32) -> impl Iterator<Item = impl Iterator<Item = [u8; 3]>> {
        let (width, height) = self.size;
        (0..height).map(move |y| {
            let number = picture.wrapping_mul(height).wrapping_add(y).wrapping_mul(width);
            (0..width).map(move |x| {
                let [red, green, blue, _] =
                    (dealt(number.wrapping_add(x)) ^ self.first).to_le_bytes();
                [red, green, blue]
            })
        })
    }

    /// The picture, column and row of the one pixel that has this colour.
    pub fn place(self, [red, green, blue]: [u8; 3]) -> (u32, u32, u32) {
        let dealt = u32::from_le_bytes([red, green, blue, 0]) ^ self.first;
        let bit = |bit: u32| (dealt >> place_of(bit) & 1) << bit;
        let number: u32 = (0..24).map(bit).sum();
        let (width, height) = (self.size.0.max(1), self.size.1.max(1));
        (number / width / height, number % width, number / width % height)
    }
}

/// The place in a colour that a bit of a number goes to: red has the lowest eight.
const fn place_of(bit: u32) -> u32 {
    bit % 3 * 8 + bit / 3
}

/// The bits of the lower half of a number at their places.
const HALF: [u32; 1 << 12] = {
    let mut dealt = [0; 1 << 12];
    let mut number = 0;
    while number < dealt.len() {
        let mut bit = 0;
        while bit < 12 {
            dealt[number] |= (number as u32 >> bit & 1) << place_of(bit);
            bit += 1;
        }
        number += 1;
    }
    dealt
};

/// The lower 24 bits of a number at their places in a colour.
fn dealt(number: u32) -> u32 {
    let half = |number: u32| HALF.get((number % (1 << 12)) as usize).copied().unwrap_or(0);
    // Those of the upper half stand four places further up in each byte.
    half(number) | half(number >> 12) << 4
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    const SIZE: (u32, u32) = (501, 333);

    #[test]
    fn each_pixel_can_be_told_from_all_others() {
        for seed in 0..20 {
            let colours = Colours::new(seed, SIZE);
            for picture in [0, 1, 13] {
                let mut count = 0;
                for (y, row) in (0..).zip(colours.rows(picture)) {
                    for (x, pixel) in (0..).zip(row) {
                        assert_eq!(colours.place(pixel), (picture, x, y));
                        count += 1;
                    }
                }
                assert_eq!(count, SIZE.0 * SIZE.1);
            }
        }
    }

    #[test]
    fn areas_lie_on_the_screen_and_are_all_seen() {
        for (seed, (name, scene)) in (0..200).flat_map(|seed| Scene::ALL.map(|all| (seed, all))) {
            assert_eq!(scene.name(), name);
            let steps = steps(scene, seed, SIZE).unwrap();
            assert_eq!(Some(&steps), super::steps(scene, seed, SIZE).as_ref());
            let later = |number: usize| steps[number + 1..].iter().flatten();
            for (number, step) in steps.iter().enumerate() {
                for area in step {
                    let Area { x, y, width, height } = *area;
                    assert!(width > 0 && x + width <= SIZE.0 && height > 0 && y + height <= SIZE.1);
                    let mut pixels =
                        (y..y + height).flat_map(|y| (x..x + width).map(move |x| (x, y)));
                    let is_seen = |(x, y)| !later(number).any(|area| area.contains(x, y));
                    assert!(scene == Scene::Several || pixels.any(is_seen), "{seed}: {area:?}");
                }
                for pair in step.windows(2) {
                    assert!(pair[1].y >= pair[0].y + pair[0].height + GAP);
                }
            }
        }
    }

    #[test]
    fn there_is_no_plan_for_every_screen() {
        for (width, height) in [(127, 400), (400, 127), (0, 0), (4000, 4000), (u32::MAX, u32::MAX)]
        {
            assert_eq!(steps(Scene::Edges, 1, (width, height)), None);
        }
        let all: Vec<_> = Scene::ALL.map(|(_, scene)| steps(scene, 1, (128, 128))).into();
        assert!(all.iter().all(Option::is_some));
    }
}
