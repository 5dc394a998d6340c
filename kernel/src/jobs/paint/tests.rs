//! Unit tests, with a screen that keeps what it is told, and events that the tests make up.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::mem;

use display::{CursorImage, Error, Frame, Mode, PixelFormat, Rect, Screen, ScreenInfo};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use input::{Axis, Codes, DeviceInfo, Event, codes::*};
use ostd::{prelude::ktest, sync::SpinLock};

use super::{
    Failure,
    album::Album,
    bmp::{HEADER, Picture},
    easel::{BAR, PALETTE},
    painter::{Painter, Wish, cursor},
};

/// A screen that keeps what it is told to show.
struct Kept(SpinLock<State>);

struct State {
    mode: Mode,
    areas: Vec<Rect>,
    /// The places of the cursor, and which of them came with a shape.
    cursor: Vec<(u32, u32, bool)>,
    has_cursor: bool,
    error: Option<Error>,
}

impl Screen for Kept {
    fn info(&self) -> ScreenInfo {
        ScreenInfo { name: String::new(), output: 0, format: PixelFormat::R8G8B8A8 }
    }

    fn mode(&self) -> Result<Mode, Error> {
        Ok(self.0.lock().mode)
    }

    fn flush(&self, _frame: Frame<'_>, areas: &[Rect]) -> Result<(), Error> {
        let mut state = self.0.lock();
        state.areas.extend(areas);
        state.error.take().map_or(Ok(()), Err)
    }

    fn set_cursor(&self, image: &CursorImage, x: u32, y: u32) -> Result<(), Error> {
        let mut state = self.0.lock();
        assert_eq!(*image, cursor());
        state.cursor.push((x, y, true));
        if state.has_cursor { Ok(()) } else { Err(Error::NoCursor) }
    }

    fn move_cursor(&self, x: u32, y: u32) -> Result<(), Error> {
        self.0.lock().cursor.push((x, y, false));
        Ok(())
    }
}

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
const RANGE: Axis = Axis { min: 0, max: 0x7fff, fuzz: 0, flat: 0, resolution: 0 };

/// Somebody at a screen of 640 x 480 pixels, with a tablet and a keyboard.
struct Person {
    screen: Arc<Kept>,
    painter: Painter,
    tablet: DeviceInfo,
}

impl Person {
    fn new() -> Self {
        Self::at(true)
    }

    fn at(has_cursor: bool) -> Self {
        let mode = Mode::new(WIDTH, HEIGHT).unwrap();
        let (areas, cursor) = (Vec::new(), Vec::new());
        let state = State { mode, areas, cursor, has_cursor, error: None };
        let screen = Arc::new(Kept(SpinLock::new(state)));
        let tablet = DeviceInfo {
            supported: [(EV_KEY, Codes::new(&[])), (EV_ABS, Codes::new(&[3]))].into(),
            axes: [(ABS_X, RANGE), (ABS_Y, RANGE)].into(),
            ..DeviceInfo::default()
        };
        let mut painter = Painter::new(screen.clone()).unwrap();
        painter.show().unwrap();
        Self { screen, painter, tablet }
    }

    /// Points at a place, and presses (1) or releases (0) the button where it is to change.
    fn point(&mut self, x: u32, y: u32, button: Option<i32>) {
        // As QEMU does: the range is divided into as many parts as there are pixels.
        let place = |at: u32, of: u32| (u64::from(at) * 0x7fff / u64::from(of)) as i32;
        let mut events = Vec::from([
            Event::new(EV_ABS, ABS_X, place(x, WIDTH)),
            Event::new(EV_ABS, ABS_Y, place(y, HEIGHT)),
        ]);
        events.extend(button.map(|value| Event::new(EV_KEY, BTN_LEFT, value)));
        events.push(Event::new(EV_SYN, SYN_REPORT, 0));
        for event in events {
            assert_eq!(self.painter.event(event, &self.tablet), None);
        }
    }

    /// Draws from one place over others to the last.
    fn draw(&mut self, places: &[(u32, u32)]) {
        let mut button = Some(1);
        for (x, y) in places {
            self.point(*x, *y, button.take());
        }
        let (x, y) = *places.last().unwrap();
        self.point(x, y, Some(0));
    }

    /// Presses a key and releases it.
    fn key(&mut self, code: u16) -> Option<Wish> {
        let keyboard = DeviceInfo::default();
        let mut wish = None;
        for (kind, code, value) in [
            (EV_KEY, code, 1),
            (EV_SYN, SYN_REPORT, 0),
            // It is held for a while.
            (EV_KEY, code, 2),
            (EV_KEY, code, 0),
            (EV_SYN, SYN_REPORT, 0),
        ] {
            wish = wish.or(self.painter.event(Event::new(kind, code, value), &keyboard));
        }
        wish
    }

    fn pixel(&self, x: u32, y: u32) -> Rgb888 {
        let Picture { width, pixels } = self.painter.picture();
        let at = ((y - BAR) * width + x) as usize;
        let [r, g, b, _] = pixels.as_chunks().0[at];
        Rgb888::new(r, g, b)
    }

    /// The pixels of the picture that have a colour.
    fn count(&self, color: Rgb888) -> usize {
        let (pixels, _) = self.painter.picture().pixels.as_chunks::<4>();
        let is_color = |&&[r, g, b, _]: &&[u8; 4]| Rgb888::new(r, g, b) == color;
        pixels.iter().filter(is_color).count()
    }

    /// Shows what has changed, and returns the areas.
    fn show(&mut self) -> Vec<Rect> {
        self.painter.show().unwrap();
        mem::take(&mut self.screen.0.lock().areas)
    }
}

#[ktest]
fn lines_follow_the_pointer_while_the_button_is_pressed() {
    let mut person = Person::new();
    let all = (WIDTH * (HEIGHT - BAR)) as usize;
    person.point(50, 60, None);
    assert_eq!(person.count(Rgb888::WHITE), all);
    person.draw(&[(100, 100), (200, 100), (200, 150)]);
    for (x, y) in [(100, 100), (150, 100), (150, 101), (200, 125), (200, 150)] {
        assert_eq!(person.pixel(x, y), Rgb888::BLACK, "{x} {y}");
    }
    // Three pixels wide, with a round end.
    for (x, y) in [(150, 102), (150, 98), (98, 100), (202, 125), (150, 130)] {
        assert_eq!(person.pixel(x, y), Rgb888::WHITE, "{x} {y}");
    }
    let drawn = person.count(Rgb888::BLACK);
    person.point(400, 400, None);
    assert_eq!((person.count(Rgb888::BLACK), person.painter.strokes()), (drawn, 1));
    person.draw(&[(400, 300)]);
    assert_eq!((person.pixel(400, 300), person.painter.strokes()), (Rgb888::BLACK, 2));
}

#[ktest]
fn only_what_was_drawn_is_shown() {
    let mut person = Person::new();
    assert_eq!(person.show(), [Rect::new(0, 0, WIDTH, HEIGHT)]);
    assert!(person.show().is_empty());
    person.draw(&[(100, 100), (110, 100)]);
    assert_eq!(person.show(), [Rect::new(99, 99, 13, 3)]);
    person.point(300, 300, None);
    assert!(person.show().is_empty());
    // The palette, and not the picture.
    person.key(KEY_2);
    let shown = person.show();
    assert!(shown.iter().all(|area| area.rows().end <= BAR), "{shown:?}");
}

#[ktest]
fn keys_choose_colours_and_brushes() {
    let mut person = Person::new();
    let keys = KEY_1..=KEY_8;
    for (number, (key, color)) in (0..).zip(keys.zip(PALETTE)) {
        person.key(key);
        let y = 100 + 30 * number;
        person.draw(&[(100, y), (140, y)]);
        assert_eq!(person.pixel(120, y), color);
    }
    person.key(KEY_C);
    assert_eq!(person.count(Rgb888::WHITE), (WIDTH * (HEIGHT - BAR)) as usize);
    person.key(KEY_2);
    // A key that is held counts once.
    for (key, pixels) in [(KEY_MINUS, 1), (KEY_MINUS, 1), (KEY_EQUAL, 5), (KEY_KPPLUS, 21)] {
        person.key(key);
        person.key(KEY_C);
        person.draw(&[(300, 300)]);
        assert_eq!(person.count(Rgb888::RED), pixels);
    }
    for _ in 0..20 {
        person.key(KEY_EQUAL);
    }
    person.draw(&[(300, 300)]);
    let across = (0..WIDTH).filter(|x| person.pixel(*x, 300) == Rgb888::RED).count();
    assert_eq!(across, 21);
    assert_eq!((person.key(KEY_S), person.key(KEY_A)), (Some(Wish::Save), None));
    assert_eq!([KEY_Q, KEY_ESC].map(|key| person.key(key)), [Some(Wish::End); 2]);
}

#[ktest]
fn the_palette_is_pointed_at_and_not_drawn_on() {
    let mut person = Person::new();
    // The fourth colour, and away from there with the button pressed.
    person.draw(&[(110, 10), (300, 200)]);
    assert_eq!(person.painter.strokes(), 0);
    person.draw(&[(300, 200)]);
    assert_eq!(person.pixel(300, 200), PALETTE[3]);
    person.show();
    // From the picture to the bar: the bar stays what it is.
    person.draw(&[(400, BAR + 10), (400, 0)]);
    assert_eq!(person.pixel(400, BAR), PALETTE[3]);
    assert!(person.show().iter().all(|area| area.y >= BAR));
}

#[ktest]
fn the_cursor_follows_the_pointer() {
    let mut person = Person::new();
    person.point(5, 6, None);
    person.point(7, 8, None);
    person.show();
    person.show();
    let expected = [(WIDTH / 2, HEIGHT / 2, true), (7, 8, false)];
    assert_eq!(person.screen.0.lock().cursor, expected);
    // A screen that has none is not asked again.
    let mut person = Person::at(false);
    person.point(5, 6, None);
    person.show();
    assert_eq!(person.screen.0.lock().cursor.len(), 1);
}

#[ktest]
fn a_mouse_draws_as_well() {
    let mut person = Person::new();
    let mouse =
        DeviceInfo { supported: [(EV_REL, Codes::new(&[3]))].into(), ..DeviceInfo::default() };
    for (kind, code, value) in [
        (EV_REL, REL_X, -20),
        (EV_SYN, SYN_REPORT, 0),
        (EV_KEY, BTN_LEFT, 1),
        (EV_SYN, SYN_REPORT, 0),
        (EV_REL, REL_X, 40),
        (EV_SYN, SYN_REPORT, 0),
        // Some events are missing, perhaps the button's too.
        (EV_SYN, SYN_DROPPED, 2),
        (EV_SYN, SYN_REPORT, 0),
        (EV_REL, REL_Y, 100),
        (EV_SYN, SYN_REPORT, 0),
    ] {
        person.painter.event(Event::new(kind, code, value), &mouse);
    }
    let pixels = [300, 320, 340].map(|x| person.pixel(x, HEIGHT / 2));
    assert_eq!(pixels, [Rgb888::BLACK; 3]);
    assert_eq!(person.pixel(340, HEIGHT / 2 + 50), Rgb888::WHITE);
}

#[ktest]
fn another_size_keeps_the_picture() {
    let mut person = Person::new();
    person.draw(&[(100, 100), (600, 100)]);
    for (width, height) in [(800, 300), (300, 600), (400, 10), (640, 480)] {
        person.screen.0.lock().mode = Mode::new(width, height).unwrap();
        person.show();
        let picture = person.painter.picture();
        assert_eq!((picture.width, picture.height()), (width, height.saturating_sub(BAR)));
        let drawn = (width * height.saturating_sub(BAR)) as usize;
        assert_eq!(person.count(Rgb888::WHITE) + person.count(Rgb888::BLACK), drawn);
        if height > 100 && width < 640 {
            assert_eq!(person.pixel(150, 100), Rgb888::BLACK);
        }
    }
    // What has left the screen is gone.
    assert_eq!(person.count(Rgb888::BLACK), 0);
}

#[ktest]
fn what_a_screen_has_not_shown_is_shown_later() {
    let mut person = Person::new();
    person.show();
    person.draw(&[(100, 100)]);
    person.screen.0.lock().error = Some(Error::TimedOut);
    assert_eq!(person.painter.show(), Err(Error::TimedOut));
    person.screen.0.lock().areas.clear();
    assert_eq!(person.show(), [Rect::new(99, 99, 3, 3)]);
}

#[ktest]
fn a_bitmap_has_its_rows_from_below() {
    let pixels = [[1, 2, 3, 255], [4, 5, 6, 0], [7, 8, 9, 1], [10, 11, 12, 2]];
    let picture = Picture { width: 2, pixels: pixels.as_flattened() };
    let header = picture.header();
    assert_eq!(header[..14], *b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0");
    assert_eq!(header[14..30], [40, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 24, 0]);
    assert_eq!(header[30..38], [0, 0, 0, 0, 16, 0, 0, 0]);
    let rows: Vec<u8> = picture.rows().flatten().collect();
    assert_eq!(rows, [9, 8, 7, 12, 11, 10, 0, 0, 3, 2, 1, 6, 5, 4, 0, 0]);
    assert_eq!(HEADER + rows.len(), 0x46);
    let empty = Picture { width: 5, pixels: &[] };
    assert_eq!((empty.height(), empty.rows().count()), (0, 0));
}

#[ktest]
fn without_a_disk_saving_says_so() {
    let mut album = Album::new(Err("no disk found".into()), "/x.bmp".into());
    let pixels = [0; 16];
    let picture = Picture { width: 2, pixels: &pixels };
    let failure = album.save(&picture).unwrap_err();
    assert_eq!(failure, Failure::Other("no disk found".into()));
    let none = Picture { width: 2, pixels: &[] };
    assert!(matches!(album.save(&none), Err(Failure::Other(text)) if text.contains("too small")));
}
