//! Pixels in memory of the CPU, and the way from there to a screen.

use alloc::{sync::Arc, vec::Vec};

use ostd::mm::PAGE_SIZE;

use super::{Error, Frame, Mode, Rect, Screen, damage::Damage};

/// The pixels of a screen, to draw in.
///
/// Drawing changes memory of the CPU only, and is seen after [`Self::flush`]. The pixels are
/// [`Mode::bytes`] bytes, row by row from the upper left, of the format that the screen says. They are black
/// at first.
///
/// It draws for libraries too: it is a `DrawTarget` of embedded-graphics, so text, shapes and images come
/// from there.
///
/// A screen may be resized while this is used. Nothing changes by that until [`Self::follow_resize`] is called.
pub struct Framebuffer {
    screen: Arc<dyn Screen>,
    mode: Mode,
    pixels: Vec<u8>,
    damage: Damage,
}

impl Framebuffer {
    /// A framebuffer of the size that the screen has now. The screen is not touched before the first flush, which
    /// shows all of it.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`], and those of [`Screen::mode`].
    pub fn new(screen: Arc<dyn Screen>) -> Result<Self, Error> {
        let mode = screen.mode()?;
        let (pixels, damage) = black(mode)?;
        Ok(Self { screen, mode, pixels, damage })
    }

    /// Its size.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The screen.
    pub fn screen(&self) -> &Arc<dyn Screen> {
        &self.screen
    }

    /// All pixels.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All pixels, to change those of `area`; what is changed elsewhere is not seen before it is part of another
    /// change.
    #[inline]
    pub fn pixels_mut(&mut self, area: Rect) -> &mut [u8] {
        self.damage.add(area.clip(self.mode));
        &mut self.pixels
    }

    /// Has `fill` write the pixels of the whole screen, which it finds as they are.
    ///
    /// # Errors
    ///
    /// Those of `fill`, after which all pixels are as they were before; and [`Error::NoMemory`].
    pub fn setup_framebuffer<E: From<Error>>(
        &mut self,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = Copy::of(&self.pixels)?;
        match fill(&mut self.pixels) {
            Ok(()) => {
                self.damage.add(self.mode.area());
                Ok(())
            }
            Err(error) => {
                self.pixels.copy_from_slice(before.bytes());
                Err(error)
            }
        }
    }

    /// Shows what has changed since it was last shown, and waits until it is seen. Costs nothing if nothing has.
    ///
    /// # Errors
    ///
    /// [`Error`]; the next flush shows the same changes again.
    pub fn flush(&mut self) -> Result<(), Error> {
        let areas = self.damage.areas();
        if !areas.is_empty() {
            let frame = Frame::new(&self.pixels, self.mode)?;
            self.screen.flush(frame, areas.as_slice())?;
            self.damage.clear();
        }
        Ok(())
    }

    /// Shows the pixels of `area`, as far as it lies on the screen, changed or not, and waits until they are
    /// seen. What has changed elsewhere is left to the next flush.
    ///
    /// # Errors
    ///
    /// [`Error`]; the area then counts as changed.
    pub fn flush_rect(&mut self, area: Rect) -> Result<(), Error> {
        let area = area.clip(self.mode);
        if area.is_empty() {
            return Ok(());
        }
        let frame = Frame::new(&self.pixels, self.mode)?;
        match self.screen.flush(frame, &[area]) {
            Ok(()) => self.damage.remove(area),
            Err(error) => {
                self.damage.add(area);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes over the size that the screen has now, and returns it if it is another one. The upper left part of
    /// the picture stays, new pixels are black, and the next flush shows everything.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`], and those of [`Screen::mode`]; the framebuffer is as before.
    pub fn follow_resize(&mut self) -> Result<Option<Mode>, Error> {
        let mode = self.screen.mode()?;
        if mode == self.mode {
            return Ok(None);
        }
        let (mut pixels, damage) = black(mode)?;
        let kept = self.mode.stride().min(mode.stride());
        let rows = pixels.chunks_exact_mut(mode.stride());
        for (new, old) in rows.zip(self.pixels.chunks_exact(self.mode.stride())) {
            if let (Some(new), Some(old)) = (new.get_mut(..kept), old.get(..kept)) {
                new.copy_from_slice(old);
            }
        }
        (self.mode, self.pixels, self.damage) = (mode, pixels, damage);
        Ok(Some(mode))
    }
}

/// A copy of pixels, at a distance from them at which to copy is not slow.
struct Copy {
    padded: Vec<u8>,
    start: usize,
}

impl Copy {
    fn of(pixels: &[u8]) -> Result<Self, Error> {
        let mut padded = Vec::<u8>::new();
        padded.try_reserve_exact(pixels.len() + PADDING).map_err(|_| Error::NoMemory)?;
        let is_slow = dma::is_slow(pixels.as_ptr().addr(), padded.as_ptr().addr());
        let start = if is_slow { PADDING } else { 0 };
        padded.resize(start, 0);
        padded.extend_from_slice(pixels);
        Ok(Self { padded, start })
    }

    fn bytes(&self) -> &[u8] {
        self.padded.get(self.start..).unwrap_or_default()
    }
}

/// The bytes that make a slow distance a good one.
const PADDING: usize = 2 * PAGE_SIZE;

/// Black pixels, none of which have been shown.
fn black(mode: Mode) -> Result<(Vec<u8>, Damage), Error> {
    let mut damage = Damage::none(mode)?;
    damage.add(mode.area());
    let mut pixels = Vec::new();
    pixels.try_reserve_exact(mode.bytes()).map_err(|_| Error::NoMemory)?;
    pixels.resize(mode.bytes(), 0);
    Ok((pixels, damage))
}

#[cfg(ktest)]
mod tests {
    use alloc::vec;

    use ostd::prelude::ktest;

    use super::*;

    #[ktest]
    fn no_copy_is_a_multiple_of_4_mib_from_its_pixels() {
        const REACH: usize = 4 << 20;
        let room = vec![7; REACH + 50 * PAGE_SIZE];
        for len in [1, PAGE_SIZE, 20 * PAGE_SIZE + 7] {
            let mut padded = 0;
            // Wherever the copy comes to lie, some of these are at such a distance from there.
            for start in (0..REACH).step_by(PAGE_SIZE) {
                let pixels = &room[start..start + len];
                let copy = Copy::of(pixels).unwrap();
                assert_eq!(copy.bytes(), pixels);
                let (source, target) = (pixels.as_ptr().addr(), copy.bytes().as_ptr().addr());
                assert!(!dma::is_slow(source, target), "{source:#x} and {target:#x}");
                padded += usize::from(dma::is_slow(source, copy.padded.as_ptr().addr()));
            }
            assert!(padded > 0, "{len}");
        }
    }
}
