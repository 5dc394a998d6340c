//! Tests with a screen that keeps what it is shown.

use alloc::{format, string::String, sync::Arc, vec, vec::Vec};
use core::mem;

use embedded_graphics_core::{
    Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    pixelcolor::{Rgb888, RgbColor, WebColors},
    primitives::Rectangle,
};
use ostd::{prelude::ktest, sync::SpinLock};

use super::{damage::Damage, *};

/// A screen in memory.
struct TestScreen {
    state: SpinLock<State>,
}

struct State {
    mode: Result<Mode, Error>,
    /// The picture that is seen, of this size.
    seen: (Mode, Vec<u8>),
    flushes: Vec<Vec<Rect>>,
    /// The error of the next flush.
    fails: Option<Error>,
}

impl Screen for TestScreen {
    fn info(&self) -> ScreenInfo {
        ScreenInfo { name: String::from("test"), output: 3, format: PixelFormat::R8G8B8A8 }
    }

    fn mode(&self) -> Result<Mode, Error> {
        self.state.lock().mode
    }

    fn flush(&self, frame: Frame<'_>, areas: &[Rect]) -> Result<(), Error> {
        let mode = frame.mode();
        let mut state = self.state.lock();
        state.flushes.push(areas.to_vec());
        if let Some(error) = state.fails.take() {
            return Err(error);
        }
        if state.seen.0 != mode {
            state.seen = (mode, frame.pixels().to_vec());
            return Ok(());
        }
        for area in areas {
            assert!(!area.is_empty() && area.clip(mode) == *area, "{area} of {mode}");
            for y in area.rows() {
                let at = |x: u32| y as usize * mode.stride() + x as usize * BYTES_PER_PIXEL;
                let bytes = at(area.x)..at(area.columns().end);
                state.seen.1[bytes.clone()].copy_from_slice(&frame.pixels()[bytes]);
            }
        }
        Ok(())
    }
}

fn mode(width: u32, height: u32) -> Mode {
    Mode::new(width, height).unwrap()
}

fn screen(width: u32, height: u32) -> Arc<TestScreen> {
    let (mode, nothing) = (mode(width, height), (mode(1, 1), Vec::new()));
    let state = State { mode: Ok(mode), seen: nothing, flushes: Vec::new(), fails: None };
    Arc::new(TestScreen { state: SpinLock::new(state) })
}

impl TestScreen {
    fn framebuffer(self: &Arc<Self>) -> Framebuffer {
        Framebuffer::new(self.clone()).unwrap()
    }

    fn take_flushes(&self) -> Vec<Vec<Rect>> {
        mem::take(&mut self.state.lock().flushes)
    }

    fn seen(&self, x: u32, y: u32) -> [u8; 4] {
        let state = self.state.lock();
        let (mode, pixels) = &state.seen;
        let at = y as usize * mode.stride() + x as usize * BYTES_PER_PIXEL;
        pixels[at..at + 4].try_into().unwrap()
    }

    fn shows(&self, framebuffer: &Framebuffer) -> bool {
        let state = self.state.lock();
        state.seen.0 == framebuffer.mode() && state.seen.1 == framebuffer.pixels()
    }
}

const RED: [u8; 4] = [255, 0, 0, 255];
const BLACK: [u8; 4] = [0; 4];

#[ktest]
fn modes_that_no_screen_can_have_are_refused() {
    for (width, height) in
        [(0, 1), (1, 0), (MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (u32::MAX, u32::MAX), (16384, 16384)]
    {
        assert_eq!(Mode::new(width, height), Err(Error::BadMode { width, height }));
    }
    let large = mode(MAX_SIDE, 1024);
    assert_eq!((large.stride(), large.bytes()), (65_536, MAX_BYTES));
    assert_eq!(format!("{large}"), "16384x1024");
}

#[ktest]
fn rectangles_are_clipped_to_the_screen() {
    let mode = mode(10, 8);
    for (rect, clipped) in [
        (Rect::new(0, 0, 10, 8), Rect::new(0, 0, 10, 8)),
        (Rect::new(9, 7, 5, 5), Rect::new(9, 7, 1, 1)),
        (Rect::new(3, 2, u32::MAX, 1), Rect::new(3, 2, 7, 1)),
    ] {
        assert_eq!(rect.clip(mode), clipped);
    }
    for rect in [Rect::new(10, 0, 1, 1), Rect::new(u32::MAX, u32::MAX, u32::MAX, u32::MAX)] {
        assert!(rect.clip(mode).is_empty(), "{rect}");
    }
}

#[ktest]
fn a_frame_has_as_many_bytes_as_its_mode() {
    let bytes = [0; 24];
    assert_eq!(Frame::new(&bytes, mode(3, 2)).unwrap().pixels().len(), 24);
    let error = Error::WrongLength { found: 24, expected: 16 };
    assert_eq!(Frame::new(&bytes, mode(2, 2)).err(), Some(error));
}

#[ktest]
fn the_first_flush_shows_all_and_the_next_what_has_changed() {
    let screen = screen(64, 48);
    let mut framebuffer = screen.framebuffer();
    assert!(screen.take_flushes().is_empty(), "nothing is touched before");
    framebuffer.flush().unwrap();
    assert_eq!(screen.take_flushes(), [[Rect::new(0, 0, 64, 48)]]);
    framebuffer.flush().unwrap();
    assert!(screen.take_flushes().is_empty(), "nothing has changed");

    // One change for each group of rows.
    framebuffer.pixels_mut(Rect::new(5, 2, 3, 4))[0] = 1;
    framebuffer.pixels_mut(Rect::new(20, 3, 10, 1))[0] = 1;
    framebuffer.pixels_mut(Rect::new(60, 40, 9, 9))[0] = 1;
    framebuffer.flush().unwrap();
    let (upper, lower) = (Rect::new(5, 2, 25, 4), Rect::new(60, 40, 4, 8));
    assert_eq!(screen.take_flushes(), [[upper, lower]]);
}

#[ktest]
fn what_could_not_be_shown_is_shown_by_the_next_flush() {
    let screen = screen(64, 48);
    let mut framebuffer = screen.framebuffer();
    framebuffer.flush().unwrap();
    let area = Rect::new(1, 1, 2, 2);
    framebuffer.pixels_mut(area);
    screen.state.lock().fails = Some(Error::TimedOut);
    assert_eq!(framebuffer.flush(), Err(Error::TimedOut));
    screen.state.lock().fails = Some(Error::NeedsReset);
    assert_eq!(framebuffer.flush_rect(Rect::new(9, 1, 2, 2)), Err(Error::NeedsReset));
    screen.take_flushes();
    framebuffer.flush().unwrap();
    assert_eq!(screen.take_flushes(), [[Rect::new(1, 1, 10, 2)]]);
}

#[ktest]
fn a_part_is_shown_by_itself() {
    let screen = screen(64, 48);
    let mut framebuffer = screen.framebuffer();
    framebuffer.flush().unwrap();
    screen.take_flushes();
    framebuffer.pixels_mut(Rect::new(10, 10, 4, 4));
    framebuffer.pixels_mut(Rect::new(40, 30, 4, 4));
    framebuffer.flush_rect(Rect::new(10, 10, 4, 4)).unwrap();
    framebuffer.flush_rect(Rect::new(60, 40, 100, 100)).unwrap();
    framebuffer.flush_rect(Rect::new(64, 0, 1, 1)).unwrap();
    assert_eq!(screen.take_flushes(), [[Rect::new(10, 10, 4, 4)], [Rect::new(60, 40, 4, 8)]]);
    framebuffer.flush().unwrap();
    assert_eq!(screen.take_flushes(), [[Rect::new(40, 30, 4, 4)]]);
    // A part of a change leaves all of its rows for the next flush.
    framebuffer.pixels_mut(Rect::new(0, 0, 8, 2));
    framebuffer.flush_rect(Rect::new(0, 0, 4, 1)).unwrap();
    screen.take_flushes();
    framebuffer.flush().unwrap();
    assert_eq!(screen.take_flushes(), [[Rect::new(0, 0, 8, 2)]]);
}

#[ktest]
fn a_closure_fills_the_pixels_or_leaves_them() {
    let screen = screen(4, 2);
    let mut framebuffer = screen.framebuffer();
    framebuffer
        .setup_framebuffer(|pixels| {
            for (pixel, i) in pixels.as_chunks_mut::<4>().0.iter_mut().zip(0u8..) {
                *pixel = [i, 1, 2, 3];
            }
            Ok::<_, Error>(())
        })
        .unwrap();
    assert!(!screen.shows(&framebuffer), "not before the flush");
    framebuffer.flush().unwrap();
    assert!(screen.shows(&framebuffer));
    assert_eq!((screen.seen(0, 0), screen.seen(3, 1)), ([0, 1, 2, 3], [7, 1, 2, 3]));

    let before = framebuffer.pixels().to_vec();
    let result = framebuffer.setup_framebuffer(|pixels| {
        pixels.fill(9);
        Err(Error::NoCursor)
    });
    assert_eq!((result, framebuffer.pixels()), (Err(Error::NoCursor), &before[..]));
    screen.take_flushes();
    framebuffer.flush().unwrap();
    assert!(screen.take_flushes().is_empty(), "nothing has changed");
}

#[ktest]
fn a_framebuffer_follows_the_size_of_its_screen_when_it_is_told_to() {
    let screen = screen(8, 8);
    let mut framebuffer = screen.framebuffer();
    let everything = Rectangle::new(Point::zero(), framebuffer.size());
    let Ok(()) = framebuffer.fill_solid(&everything, Rgb888::RED);
    framebuffer.flush().unwrap();
    assert_eq!(framebuffer.follow_resize(), Ok(None));

    screen.state.lock().mode = Ok(mode(10, 4));
    framebuffer.pixels_mut(Rect::new(0, 0, 1, 1));
    framebuffer.flush().unwrap();
    assert_eq!(framebuffer.mode(), mode(8, 8));
    assert_eq!(framebuffer.follow_resize(), Ok(Some(mode(10, 4))));
    screen.take_flushes();
    framebuffer.flush().unwrap();
    assert_eq!(screen.take_flushes(), [[Rect::new(0, 0, 10, 4)]]);
    assert!(screen.shows(&framebuffer));
    assert_eq!((screen.seen(7, 3), screen.seen(8, 3)), (RED, BLACK));

    let error = Error::BadMode { width: 0, height: 7 };
    screen.state.lock().mode = Err(error);
    assert_eq!(framebuffer.follow_resize(), Err(error));
    assert_eq!(framebuffer.mode(), mode(10, 4));
    assert_eq!(Framebuffer::new(screen).err(), Some(error));
}

#[ktest]
fn libraries_draw_in_it_and_never_outside() {
    let screen = screen(10, 8);
    let mut framebuffer = screen.framebuffer();
    framebuffer.flush().unwrap();
    screen.take_flushes();

    let Ok(()) =
        framebuffer.fill_solid(&Rectangle::new(Point::new(-3, 6), Size::new(5, 100)), Rgb888::RED);
    framebuffer.flush().unwrap();
    assert_eq!(screen.take_flushes(), [[Rect::new(0, 6, 2, 2)]]);
    assert_eq!((screen.seen(1, 7), screen.seen(2, 7), screen.seen(0, 5)), (RED, BLACK, BLACK));

    let pixels = [(0, 0), (9, 0), (-1, 0), (10, 0), (0, -1), (0, 8), (i32::MIN, i32::MAX)];
    let pixels = pixels.map(|(x, y)| Pixel(Point::new(x, y), Rgb888::CSS_ALICE_BLUE));
    let Ok(()) = framebuffer.draw_iter(pixels);
    framebuffer.flush().unwrap();
    assert_eq!(screen.take_flushes(), [[Rect::new(0, 0, 10, 1)]]);
    assert_eq!(
        (screen.seen(0, 0), screen.seen(9, 0)),
        ([240, 248, 255, 255], [240, 248, 255, 255])
    );

    let area = Rectangle::new(Point::new(8, 1), Size::new(3, 2));
    let colors = (1..=6).map(|red| Rgb888::new(red, 0, 0));
    let Ok(()) = framebuffer.fill_contiguous(&area, colors);
    framebuffer.flush().unwrap();
    assert_eq!(screen.take_flushes(), [[Rect::new(8, 1, 2, 2)]]);
    let red = |x, y| screen.seen(x, y)[0];
    assert_eq!([red(8, 1), red(9, 1), red(8, 2), red(9, 2)], [1, 2, 4, 5]);

    let Ok(()) = framebuffer.clear(Rgb888::BLACK);
    framebuffer.flush().unwrap();
    assert_eq!(screen.seen(1, 7), [0, 0, 0, 255]);
    let nowhere = Rectangle::new(Point::new(100, 100), Size::new(5, 5));
    let Ok(()) = framebuffer.fill_solid(&nowhere, Rgb888::RED);
    screen.take_flushes();
    framebuffer.flush().unwrap();
    assert!(screen.take_flushes().is_empty());
}

#[ktest]
fn many_changes_are_few_areas() {
    let mode = mode(100, 2000);
    let mut damage = Damage::none(mode).unwrap();
    for i in 0..MAX_AREAS as u32 + 3 {
        damage.add(Rect::new(i, 100 * i, 1, 2));
    }
    let areas = damage.areas();
    assert_eq!(areas.as_slice().len(), MAX_AREAS);
    assert_eq!(areas.as_slice()[1], Rect::new(1, 100, 1, 2));
    assert_eq!(areas.as_slice()[MAX_AREAS - 1], Rect::new(7, 700, 4, 302));
    damage.clear();
    assert!(damage.areas().is_empty());
    // Rows that are close are one area.
    damage.add(Rect::new(0, 10, 1, 1));
    damage.add(Rect::new(0, 19, 1, 1));
    damage.add(Rect::new(0, 29, 1, 1));
    assert_eq!(damage.areas().as_slice(), [Rect::new(0, 10, 1, 10), Rect::new(0, 29, 1, 1)]);
}

/// Any changes are covered, and what is removed again is not.
#[ktest]
fn all_that_has_changed_is_covered() {
    let mode = mode(40, 60);
    let mut seed = 12345u32;
    let mut random = |below: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % below
    };
    for _ in 0..200 {
        let mut damage = Damage::none(mode).unwrap();
        let mut changed = vec![false; 40 * 60];
        for _ in 0..6 {
            let area = Rect::new(random(40), random(60), random(20), random(20)).clip(mode);
            let removes = random(3) == 0;
            match removes {
                true => damage.remove(area),
                false => damage.add(area),
            }
            for y in area.rows() {
                for x in area.columns() {
                    changed[(y * 40 + x) as usize] = !removes;
                }
            }
        }
        let areas = damage.areas();
        for (pixel, _) in (0..).zip(&changed).filter(|(_, changed)| **changed) {
            let (x, y) = (pixel % 40, pixel / 40);
            let covers = |area: &Rect| area.columns().contains(&x) && area.rows().contains(&y);
            assert!(areas.as_slice().iter().any(covers), "({x}, {y}) in {areas:?}");
        }
        damage.remove(mode.area());
        assert!(damage.areas().is_empty());
    }
}

#[ktest]
fn cursors_have_a_picture_and_a_hot_spot() {
    let mut image = CursorImage::new(3, 1000);
    image.set(63, 63, RED);
    image.set(64, 0, RED);
    image.set(0, 64, RED);
    assert_eq!(image.hot_spot(), (3, 63));
    assert_eq!(image.pixels().len(), 64 * 64 * 4);
    assert_eq!(image.pixels().iter().filter(|byte| **byte != 0).count(), 2);
    assert_eq!(image.pixels()[64 * 64 * 4 - 4..], RED);
    image.set(0, 0, [1, 2, 3, 4]);
    assert_eq!(image.blue_first()[..4], [3, 2, 1, 4]);
    // A screen need not have one.
    let screen = screen(4, 4);
    assert_eq!(screen.set_cursor(&image, 0, 0), Err(Error::NoCursor));
    assert_eq!((screen.move_cursor(0, 0), screen.hide_cursor()), (Err(Error::NoCursor), Ok(())));
}

/// The first block of the EDID that QEMU 10 tells for `xres=1280,yres=800`, as far as it is looked at.
fn edid() -> [u8; 128] {
    let mut block = [0; 128];
    block[..8].copy_from_slice(&[0, 255, 255, 255, 255, 255, 255, 0]);
    block[54..72].copy_from_slice(&[
        0xa5, 0x2c, 0x00, 0xc0, 0x51, 0x20, 0x18, 0x30, 0x40, 0x60, 0x31, 0x00, 0x45, 0xd4, 0x10,
        0x00, 0x00, 0x1e,
    ]);
    block[90..108].copy_from_slice(b"\0\0\0\xfc\0QEMU Monitor\n");
    seal(&mut block);
    block
}

/// Makes the sum of all bytes 0.
fn seal(block: &mut [u8; 128]) {
    block[127] = 0;
    let sum = block.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    block[127] = 0u8.wrapping_sub(sum);
}

#[ktest]
fn a_monitor_tells_its_name_and_size() {
    let parsed = Edid::parse(&edid()).unwrap();
    assert_eq!((&*parsed.name, parsed.preferred), ("QEMU Monitor", Some((0x500, 0x320))));
    let mut block = edid();
    block[95..108].fill(0x1b);
    block[58] = 0;
    block[56] = 0;
    seal(&mut block);
    assert_eq!(Edid::parse(&block), Some(Edid::default()));
    // Other blocks may follow.
    assert!(Edid::parse(&[&edid()[..], &[7; 128]].concat()).is_some());
}

#[ktest]
fn an_output_has_its_size_or_the_one_that_its_monitor_prefers() {
    let monitor = Monitor::new();
    assert_eq!((&*monitor.name(), monitor.mode()), ("", Ok(mode(1024, 768))));
    monitor.read_edid(&edid());
    monitor.read_edid(&[0; 128]);
    assert_eq!((&*monitor.name(), monitor.mode()), ("QEMU Monitor", Ok(mode(0x500, 0x320))));
    monitor.set_size(Some((640, 480)));
    assert_eq!(monitor.mode(), Ok(mode(640, 480)));
    monitor.set_size(Some((0, 480)));
    assert_eq!(monitor.mode(), Err(Error::BadMode { width: 0, height: 480 }));
    monitor.set_size(None);
    assert_eq!(monitor.mode(), Ok(mode(0x500, 0x320)));
}

#[ktest]
fn an_edid_that_is_none_is_not_taken_for_one() {
    assert_eq!((Edid::parse(&[]), Edid::parse(&edid()[..127])), (None, None));
    for at in 0..128 {
        let mut block = edid();
        block[at] ^= 0x10;
        assert_eq!(Edid::parse(&block), None, "byte {at}");
    }
    let mut block = edid();
    block[0] = 1;
    seal(&mut block);
    assert_eq!(Edid::parse(&block), None);
}

#[ktest]
fn screens_are_found_in_their_order() {
    let before = all().len();
    let (first, second) = (register(screen(1, 1)), register(screen(2, 2)));
    assert_eq!((first, second, all().len()), (before, before + 1, before + 2));
    assert_eq!(all()[second].mode(), Ok(mode(2, 2)));
    assert_eq!(format!("{}", all()[first].info()), "\"test\", output 3, R8G8B8A8");
}
