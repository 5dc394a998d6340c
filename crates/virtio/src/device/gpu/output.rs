//! An output of the GPU as a screen.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use display::{
    CursorImage, Error, Frame, MAX_AREAS, Mode, Monitor, PixelFormat, Rect, Screen, ScreenInfo,
};
use ostd::sync::{LocalIrqDisabled, Mutex, SpinLock};
use wait::Waiting;

use super::{
    super::super::batch::Batch,
    CONTROLQ, Device, Gpu, MAX_RETIRED, Note,
    command::{Command, R8G8B8A8_UNORM},
    cursor::Cursor,
    resource::Resource,
};

/// An output of a GPU.
pub struct GpuScreen {
    pub(super) device: Arc<Device<Gpu>>,
    pub(super) output: Arc<Output>,
}

/// The state of an output.
pub(super) struct Output {
    pub number: u32,
    pub monitor: Monitor,
    /// Held by the task that changes what is shown. It alone writes to backings, while no command of it is in flight.
    busy: Mutex<()>,
    /// The commands of that task.
    pub batch: Batch<Error>,
    /// What is shown. While this is locked, queues are locked, never the other way round.
    shown: SpinLock<Option<Arc<Resource>>, LocalIrqDisabled>,
    /// The commands in flight by which that is restored after a restart.
    restoring: AtomicUsize,
    /// Set when it could not be restored, and while it is not known.
    is_stale: AtomicBool,
    pub cursor: SpinLock<Option<Cursor>>,
    /// Set when the device was reset, until it knows of the cursor again.
    pub was_reset: AtomicBool,
}

impl Screen for GpuScreen {
    fn info(&self) -> ScreenInfo {
        let Output { number, monitor, .. } = &*self.output;
        ScreenInfo { name: monitor.name(), output: *number, format: PixelFormat::R8G8B8A8 }
    }

    fn mode(&self) -> Result<Mode, Error> {
        self.device.follow_displays()?;
        self.output.monitor.mode()
    }

    fn flush(&self, frame: Frame<'_>, areas: &[Rect]) -> Result<(), Error> {
        frame.check(areas)?;
        let _busy = self.output.busy.lock();
        let mut result = self.flush_areas(frame, areas);
        // Right after a restart, the device may have been asked before it was told again what it is asked for; and that it
        // could not be told, or does not show it, turns out only now.
        let again = match result {
            Ok(()) => self.output.is_unseen(),
            Err(Error::Refused { .. }) => {
                self.output.is_unseen() || self.output.was_reset.load(Ordering::Relaxed)
            }
            Err(_) => false,
        };
        if again {
            result = self.flush_areas(frame, areas);
        }
        result.and_then(|()| self.find_cursor())
    }

    fn set_cursor(&self, image: &CursorImage, x: u32, y: u32) -> Result<(), Error> {
        let _busy = self.output.busy.lock();
        self.replace_cursor(image, (x, y))
    }

    fn move_cursor(&self, x: u32, y: u32) -> Result<(), Error> {
        let _busy = self.output.busy.lock();
        self.change_cursor(|cursor, output| cursor.move_to((x, y), output))
    }

    fn hide_cursor(&self) -> Result<(), Error> {
        let _busy = self.output.busy.lock();
        match self.change_cursor(Cursor::hide) {
            Err(Error::NoCursor) => Ok(()),
            result => result,
        }
    }

    fn waiting(&self) -> Option<&Arc<Waiting>> {
        Some(self.device.waiting())
    }
}

/// The way of a picture. All is done by the task that holds [`Output::busy`].
impl GpuScreen {
    /// Shows areas that lie in the frame, or all of it if the device knows no frame of that size.
    fn flush_areas(&self, frame: Frame<'_>, areas: &[Rect]) -> Result<(), Error> {
        let shown = match self.output.is_stale.load(Ordering::Relaxed) {
            true => None,
            false => self.output.shown.lock().clone(),
        };
        let Some(shown) = shown.filter(|shown| shown.mode == frame.mode()) else {
            return self.show(frame);
        };
        // ANCHOR: exercise-12-flush_rect
        for areas in areas.chunks(MAX_AREAS) {
            for area in areas {
                shown.write(frame.pixels(), *area)?;
            }
            let steps = areas.iter().flat_map(|area| [shown.transfer(*area), shown.flush(*area)]);
            self.run(steps)?;
        }
        Ok(())
        // ANCHOR_END: exercise-12-flush_rect
    }

    /// Shows a frame in a resource of its own. Nothing of it is seen until it is complete.
    fn show(&self, frame: Frame<'_>) -> Result<(), Error> {
        let resource = self.make_known(R8G8B8A8_UNORM, frame.pixels(), frame.mode())?;
        let output = &*self.output;
        // First: a restart may set it again at any time from then on.
        output.is_stale.store(false, Ordering::Relaxed);
        let before = output.shown.lock().replace(resource.clone());
        let result = self.run(resource.showing(output.number));
        let result = result.inspect_err(|_| output.is_stale.store(true, Ordering::Relaxed));
        if let Some(before) = before {
            self.retire(&before);
        }
        result
    }

    /// Makes a resource for these pixels, and makes it known to the device.
    pub(super) fn make_known(
        &self,
        format: u32,
        pixels: &[u8],
        mode: Mode,
    ) -> Result<Arc<Resource>, Error> {
        let gpu = &self.device.driver;
        if gpu.attached.left() >= MAX_RETIRED {
            return Err(Error::NotReleased);
        }
        let number = gpu.next_resource();
        let resource = Resource::new(number, format, pixels, mode)?;
        self.introduce(&resource).map(|()| resource)
    }

    /// Makes a resource known to the device, with its pixels; it is given up again if that fails.
    pub(super) fn introduce(&self, resource: &Arc<Resource>) -> Result<(), Error> {
        self.run(resource.introduction()).inspect_err(|_| self.retire(resource))
    }

    /// Has the device give up a resource that is in use no more. If it does not, [`Gpu::attached`] keeps it.
    fn retire(&self, resource: &Arc<Resource>) {
        let _ = self.run(resource.removal());
    }

    /// Sends commands in their order, at once if there is room, and waits until the device has answered all of them.
    ///
    /// # Errors
    ///
    /// The first one; what follows it may have been done or not.
    #[inline]
    pub(super) fn run(&self, steps: impl IntoIterator<Item = Command>) -> Result<(), Error> {
        let note = || Note::Waits(self.output.number as usize);
        self.device.run(CONTROLQ, steps, &self.output.batch, note)
    }
}

impl Output {
    pub fn new(number: u32) -> Self {
        Self {
            number,
            monitor: Monitor::new(),
            busy: Mutex::new(()),
            batch: Batch::default(),
            shown: SpinLock::new(None),
            restoring: AtomicUsize::new(0),
            is_stale: AtomicBool::new(false),
            cursor: SpinLock::new(None),
            was_reset: AtomicBool::new(false),
        }
    }

    /// Shows again what was shown before a reset, from its backing, by commands that nobody waits for. The next flush
    /// does what is left, and the cursor. Called in any context.
    pub fn restore(&self, device: &Device<Gpu>) {
        // Held until all is sent: nothing else is shown meanwhile.
        let shown = self.shown.lock();
        let Some(resource) = &*shown else { return };
        self.is_stale.store(false, Ordering::Relaxed);
        let introduction = resource.introduction().into_iter();
        let mut commands = introduction.chain(resource.showing(self.number)).peekable();
        let sent = device.send_some(CONTROLQ, &mut commands, || {
            self.restoring.fetch_add(1, Ordering::Relaxed);
            Note::Restores(self.number as usize)
        });
        if sent.is_err() || commands.next().is_some() {
            self.is_stale.store(true, Ordering::Relaxed);
        }
    }

    /// One of those commands has come back.
    pub fn restored(&self, result: Result<(), Error>) {
        self.restoring.fetch_sub(1, Ordering::Relaxed);
        if result.is_err() {
            self.is_stale.store(true, Ordering::Relaxed);
        }
    }

    /// Returns `true` if a restart has not brought the picture back. What was sent for that was sent before anything that
    /// has been answered by now, so a device that still has it is not waited for.
    fn is_unseen(&self) -> bool {
        if self.restoring.load(Ordering::Relaxed) > 0 {
            self.is_stale.store(true, Ordering::Relaxed);
        }
        self.is_stale.load(Ordering::Relaxed)
    }
}
