//! From text to pixels.

use alloc::sync::Arc;
use core::{fmt, time::Duration};

use display::{Error, Framebuffer, Screen};
use terminal::{Terminal, View};

use super::super::complaints::Complaints;
use crate::{
    console::copy::{self, Taken},
    task,
};

/// The time from one picture to the next. What is printed meanwhile is drawn at once.
const FRAME: Duration = Duration::from_millis(20);

/// Stands where text was printed faster than it could be drawn. It ends a sequence that may have begun, and a line.
const GAP: &[u8] = b"\x18\n[...]\n";

/// A screen with a terminal on it.
pub(super) struct Shown {
    framebuffer: Framebuffer,
    terminal: Terminal,
    view: View,
}

impl Shown {
    /// An empty terminal that fills the screen.
    pub(super) fn new(screen: Arc<dyn Screen>) -> Result<Self, Error> {
        let framebuffer = Framebuffer::new(screen)?;
        let (columns, rows) = grid(&framebuffer);
        Ok(Self { framebuffer, terminal: Terminal::new(columns, rows), view: View::new() })
    }

    /// Shows what is printed, until the screen is out of use.
    pub(super) fn run(mut self) {
        // Once: the message is printed too, and there is a picture to be made of it.
        let mut complaints = Complaints::about("console");
        loop {
            let shown = self.frame(copy::take);
            complaints.hear(shown);
            if shown == Err(Error::Dead) {
                return;
            }
            task::sleep(FRAME);
        }
    }

    /// Takes in the text there is, and shows what has changed by it.
    ///
    /// # Errors
    ///
    /// The screen's. The next frame shows what this one has not.
    fn frame(&mut self, mut take: impl FnMut(&mut [u8]) -> Taken) -> Result<(), Error> {
        if self.framebuffer.follow_resize()?.is_some() {
            let (columns, rows) = grid(&self.framebuffer);
            self.terminal.resize(columns, rows);
            self.view = View::new();
        }
        let mut bytes = [0; 1024];
        // No more than the queue can hold: somebody may print faster than this takes.
        for _ in 0..copy::CAPACITY / bytes.len() {
            let taken = take(&mut bytes);
            if taken.has_gap {
                self.terminal.feed(GAP);
            }
            if taken.count == 0 {
                break;
            }
            self.terminal.feed(bytes.get(..taken.count).unwrap_or_default());
        }
        let Ok(_) = self.view.draw(&mut self.terminal, &mut self.framebuffer);
        self.framebuffer.flush()
    }
}

/// The columns and rows of the terminal that fills the screen.
fn grid(framebuffer: &Framebuffer) -> (usize, usize) {
    View::grid_for(framebuffer.mode().width(), framebuffer.mode().height())
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (columns, rows) = (self.terminal.columns(), self.terminal.rows());
        write!(f, "the console is on the screen: {columns} columns, {rows} rows")
    }
}

#[cfg(ktest)]
mod tests {
    use alloc::{string::String, vec::Vec};

    use display::{Frame, Mode, PixelFormat, Rect, ScreenInfo};
    use ostd::{prelude::ktest, sync::SpinLock};

    use super::*;

    /// A screen that keeps what it is told to show.
    struct Kept {
        state: SpinLock<State>,
    }

    struct State {
        mode: Mode,
        /// The pixels of each flush that were to be shown.
        flushed: Vec<usize>,
        pixels: Vec<u8>,
        error: Option<Error>,
    }

    impl Screen for Kept {
        fn info(&self) -> ScreenInfo {
            ScreenInfo { name: String::new(), output: 0, format: PixelFormat::R8G8B8A8 }
        }

        fn mode(&self) -> Result<Mode, Error> {
            Ok(self.state.lock().mode)
        }

        fn flush(&self, frame: Frame<'_>, areas: &[Rect]) -> Result<(), Error> {
            let mut state = self.state.lock();
            if let Some(error) = state.error {
                return Err(error);
            }
            let pixels = areas.iter().map(|area| (area.width * area.height) as usize).sum();
            state.flushed.push(pixels);
            state.pixels = frame.pixels().to_vec();
            Ok(())
        }
    }

    fn shown(width: u32, height: u32) -> (Arc<Kept>, Shown) {
        let mode = Mode::new(width, height).unwrap();
        let state = State { mode, flushed: Vec::new(), pixels: Vec::new(), error: None };
        let screen = Arc::new(Kept { state: SpinLock::new(state) });
        (screen.clone(), Shown::new(screen).unwrap())
    }

    /// Shows this text, and returns the pixels that were flushed for it.
    fn show(screen: &Kept, shown: &mut Shown, text: &str) -> Result<Vec<usize>, Error> {
        let mut rest = text.as_bytes();
        shown.frame(|bytes| {
            let (now, later) = rest.split_at(rest.len().min(bytes.len()));
            bytes[..now.len()].copy_from_slice(now);
            rest = later;
            Taken { count: now.len(), has_gap: false }
        })?;
        assert!(rest.is_empty());
        Ok(core::mem::take(&mut screen.state.lock().flushed))
    }

    fn text(shown: &Shown, row: usize) -> String {
        let text: String = shown.terminal.row(row).iter().map(|cell| cell.char).collect();
        text.trim_end().into()
    }

    #[ktest]
    fn only_what_is_new_is_flushed() {
        let (screen, mut shown) = shown(640, 480);
        assert_eq!(alloc::format!("{shown}"), "the console is on the screen: 80 columns, 30 rows");
        assert_eq!(show(&screen, &mut shown, "hello\n"), Ok(alloc::vec![640 * 480]));
        assert_eq!(show(&screen, &mut shown, ""), Ok(alloc::vec![]));
        let line = "x".repeat(80);
        for text in ["one line\n", &line, "\r", "\n/> ", "\r/> l\x1b[K\r\x1b[4C"] {
            let flushed = show(&screen, &mut shown, text).unwrap();
            let pixels: usize = flushed.iter().sum();
            assert!((1..=640 * 480 / 20).contains(&pixels), "{text:?}: {flushed:?}");
        }
    }

    #[ktest]
    fn text_longer_than_one_piece_is_taken_as_a_whole() {
        let (screen, mut shown) = shown(640, 480);
        let lines: String = (0..500).map(|line| alloc::format!("line {line}\n")).collect();
        show(&screen, &mut shown, &lines).unwrap();
        assert_eq!((text(&shown, 28), text(&shown, 29)), ("line 499".into(), "".into()));
    }

    #[ktest]
    fn another_size_is_followed() {
        let (screen, mut shown) = shown(640, 480);
        show(&screen, &mut shown, "hello").unwrap();
        screen.state.lock().mode = Mode::new(800, 600).unwrap();
        assert_eq!(show(&screen, &mut shown, ""), Ok(alloc::vec![800 * 600]));
        assert_eq!((shown.terminal.columns(), shown.terminal.rows()), (100, 37));
        assert_eq!(text(&shown, 0), "hello");
        // Too small for a single cell.
        screen.state.lock().mode = Mode::new(5, 5).unwrap();
        assert_eq!(show(&screen, &mut shown, "x"), Ok(alloc::vec![25]));
    }

    #[ktest]
    fn what_was_not_shown_for_an_error_is_shown_later() {
        let (screen, mut shown) = shown(640, 480);
        show(&screen, &mut shown, "").unwrap();
        screen.state.lock().error = Some(Error::TimedOut);
        assert_eq!(show(&screen, &mut shown, "hello"), Err(Error::TimedOut));
        screen.state.lock().error = None;
        assert_eq!(show(&screen, &mut shown, "").map(|flushed| flushed.len()), Ok(1));
        assert_eq!(screen.state.lock().pixels, shown.framebuffer.pixels());
        assert!(shown.framebuffer.pixels().contains(&229));
    }

    #[ktest]
    fn lost_text_leaves_a_mark() {
        let (_, mut shown) = shown(640, 480);
        shown.terminal.feed(b"a\x1b[3");
        let mut left = Some(Taken { count: 1, has_gap: true });
        shown
            .frame(|bytes| {
                bytes[0] = b'b';
                left.take().unwrap_or(Taken { count: 0, has_gap: false })
            })
            .unwrap();
        assert_eq!([0, 1, 2].map(|row| text(&shown, row)), ["a", "[...]", "b"]);
    }

    #[ktest]
    fn somebody_who_prints_for_ever_does_not_stop_the_picture() {
        let (screen, mut shown) = shown(640, 480);
        shown
            .frame(|bytes| {
                bytes.fill(b'x');
                Taken { count: bytes.len(), has_gap: false }
            })
            .unwrap();
        assert_eq!(screen.state.lock().flushed.len(), 1);
    }
}
