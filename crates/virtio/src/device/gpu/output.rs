//! An output of the GPU as a screen: what is shown on it, and who owns the memory for that.
//!
//! **The backings of an output.** A resource is *prepared* from before the device is told of its backing, then
//! *shown*, and *retired* when another one has taken its place, until the device has detached its backing. As each of
//! these it is owned by [`State`]; so are those of cursors. A reset that the device complied with frees the retired
//! ones, as the device knows of none any more. Only the task that holds [`Output::busy`] moves a resource on, when its
//! commands have been answered: so the device never knows of a backing that nobody owns.

use alloc::{sync::Arc, vec::Vec};
use core::{
    iter,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use display::{
    CursorImage, Edid, Error, Frame, MAX_AREAS, Mode, PixelFormat, Rect, Screen, ScreenInfo,
};
use ostd::sync::{LocalIrqDisabled, Mutex, SpinLock};
use spin::Once;
use wait::CompletionQueue;

use super::{
    super::super::batch::Step as _,
    CONTROLQ, Device, Gpu, Note,
    command::{Format, Kind, UNKNOWN_RESOURCE, kind},
    cursor::Cursor,
    resource::{Resource, Step},
};

/// The most commands of one task that are in flight: two for each area.
const MAX_COMMANDS: usize = 2 * MAX_AREAS;

/// The most resources that the device was asked to give up and has not. After that it gets no other one before its
/// next reset.
const MAX_RETIRED: usize = 4;

/// The size of an output that tells none.
const FALLBACK: (u32, u32) = (1024, 768);

/// An output of a GPU.
pub struct GpuScreen {
    device: Arc<Device<Gpu>>,
    output: usize,
}

/// The state of an output.
pub(super) struct Output {
    pub number: u32,
    /// Its width and height in the upper and the lower half; 0 while it is switched off.
    size: AtomicU64,
    pub edid: Once<Edid>,
    /// Held by the task that changes what is shown. It alone writes to backings, while no command of it is in flight.
    busy: Mutex<()>,
    /// The answers to the commands of that task.
    done: Arc<CompletionQueue<Result<(), Error>>>,
    /// While this is locked, queues are locked, never the other way round.
    pub state: SpinLock<State, LocalIrqDisabled>,
    /// The commands in flight by which the output is restored after a restart.
    pub restoring: AtomicUsize,
    /// Set when it could not be restored, and while it is not known what is shown.
    pub is_stale: AtomicBool,
    /// Set when the device was reset, and does not know of the cursor.
    pub is_cursor_lost: AtomicBool,
}

/// The resources of an output.
#[derive(Default)]
pub(super) struct State {
    pub prepared: Option<Arc<Resource>>,
    pub shown: Option<Arc<Resource>>,
    pub retired: Vec<Arc<Resource>>,
    pub cursor: Option<Cursor>,
    /// Set when the device did not comply with a reset, and may use any memory for ever.
    pub is_lost: bool,
}

impl GpuScreen {
    pub(super) fn new(device: Arc<Device<Gpu>>, output: usize) -> Self {
        Self { device, output }
    }

    fn output(&self) -> Result<&Output, Error> {
        self.device.driver.outputs.get(self.output).ok_or(Error::Dead)
    }
}

impl Screen for GpuScreen {
    fn info(&self) -> ScreenInfo {
        let edid = self.output().ok().and_then(|output| output.edid.get());
        let name = edid.map(|edid| edid.name.clone()).unwrap_or_default();
        ScreenInfo { name, output: self.output as u32, format: PixelFormat::R8G8B8A8 }
    }

    fn mode(&self) -> Result<Mode, Error> {
        self.device.follow_displays()?;
        self.output()?.mode()
    }

    fn flush(&self, frame: Frame<'_>, areas: &[Rect]) -> Result<(), Error> {
        let mode = frame.mode();
        if let Some(area) = areas.iter().find(|area| area.is_empty() || area.clip(mode) != **area) {
            return Err(Error::OutsideFrame { area: *area, mode });
        }
        let output = self.output()?;
        let _busy = output.busy.lock();
        let resets = || self.device.driver.resets.load(Ordering::Relaxed);
        let before = resets();
        let mut result = output.flush(&self.device, frame, areas);
        // Right after a restart, the device may have been asked before it was told again what it is asked for; and that it
        // could not be told, or does not show it, turns out only now.
        let again = match result {
            Ok(()) => output.is_unseen(),
            Err(Error::Refused { .. }) => output.is_unseen() || resets() != before,
            Err(_) => false,
        };
        if again {
            result = output.flush(&self.device, frame, areas);
        }
        result.and_then(|()| output.find_cursor(&self.device))
    }

    fn set_cursor(&self, image: &CursorImage, x: u32, y: u32) -> Result<(), Error> {
        let output = self.output()?;
        let _busy = output.busy.lock();
        output.set_cursor(&self.device, image, (x, y))
    }

    fn move_cursor(&self, x: u32, y: u32) -> Result<(), Error> {
        let output = self.output()?;
        let _busy = output.busy.lock();
        output.move_cursor(&self.device, (x, y))
    }

    fn hide_cursor(&self) -> Result<(), Error> {
        let output = self.output()?;
        let _busy = output.busy.lock();
        output.hide_cursor(&self.device)
    }
}

/// The way of a picture. But for the first two, all is done by the task that holds [`Self::busy`].
impl Output {
    pub fn new(number: u32) -> Self {
        Self {
            number,
            size: AtomicU64::new(0),
            edid: Once::new(),
            busy: Mutex::new(()),
            done: CompletionQueue::new(MAX_COMMANDS),
            state: SpinLock::new(State::default()),
            restoring: AtomicUsize::new(0),
            is_stale: AtomicBool::new(false),
            is_cursor_lost: AtomicBool::new(false),
        }
    }

    /// Notes the size that the device tells; 0 while the output is switched off.
    pub fn set_size(&self, (width, height): (u32, u32)) {
        self.size.store(u64::from(width) << 32 | u64::from(height), Ordering::Relaxed);
    }

    /// Its size, or while it is switched off the one that its monitor prefers.
    fn mode(&self) -> Result<Mode, Error> {
        let (width, height) = match self.size.load(Ordering::Relaxed) {
            0 => self.edid.get().and_then(|edid| edid.preferred).unwrap_or(FALLBACK),
            size => ((size >> 32) as u32, size as u32),
        };
        Mode::new(width, height)
    }

    /// Returns `true` if a restart has not brought the picture back. What was sent for that was sent before anything that
    /// has been answered by now, so a device that still has it is not waited for.
    fn is_unseen(&self) -> bool {
        if self.restoring.load(Ordering::Relaxed) > 0 {
            self.is_stale.store(true, Ordering::Relaxed);
        }
        self.is_stale.load(Ordering::Relaxed)
    }

    /// Shows areas that lie in the frame, or all of it if the device knows no frame of that size.
    fn flush(&self, device: &Device<Gpu>, frame: Frame<'_>, areas: &[Rect]) -> Result<(), Error> {
        let shown = match self.is_stale.load(Ordering::Relaxed) {
            true => None,
            false => self.state.lock().shown.clone(),
        };
        let Some(shown) = shown.filter(|shown| shown.mode == frame.mode()) else {
            return self.show(device, frame);
        };
        // ANCHOR: exercise-12-flush_rect
        for areas in areas.chunks(MAX_AREAS) {
            for area in areas {
                shown.write(frame.pixels(), *area)?;
            }
            let steps = areas.iter().flat_map(|area| [shown.transfer(*area), shown.flush(*area)]);
            self.run(device, steps)?;
        }
        Ok(())
        // ANCHOR_END: exercise-12-flush_rect
    }

    /// Shows a frame in a resource of its own. Nothing of it is seen until it is complete.
    fn show(&self, device: &Device<Gpu>, frame: Frame<'_>) -> Result<(), Error> {
        let (format, mode) = (Format::R8G8B8A8Unorm, frame.mode());
        let resource = Resource::new(&device.driver, format, frame.pixels(), mode)?;
        self.introduce(device, &resource)?;
        let before = {
            let mut state = self.state.lock();
            state.prepared = None;
            state.shown.replace(resource.clone())
        };
        // Before the commands: a restart that comes after them may set it again.
        self.is_stale.store(false, Ordering::Relaxed);
        let result = self.run(device, resource.showing(self.number));
        let result = result.inspect_err(|_| self.is_stale.store(true, Ordering::Relaxed));
        if let Some(before) = before {
            self.retire(device, before);
        }
        result
    }

    /// Makes a resource known to the device, with its pixels. It is prepared then.
    pub fn introduce(&self, device: &Device<Gpu>, resource: &Arc<Resource>) -> Result<(), Error> {
        let [create, attach, transfer] = resource.introduction();
        match device.queue()?.limits() {
            (0, _) => return Err(Error::Dead),
            (_, most) if attach.segments() > most => {
                return Err(Error::TooLarge { mode: resource.mode });
            }
            _ => {}
        }
        {
            let mut state = self.state.lock();
            if state.retired.len() >= MAX_RETIRED {
                return Err(Error::NotReleased);
            }
            state.prepared = Some(resource.clone());
        }
        let result = self.run(device, [create, attach, transfer]);
        if result.is_err() {
            self.retire(device, resource.clone());
        }
        result
    }

    /// Has the device give up a resource that is in use no more.
    fn retire(&self, device: &Device<Gpu>, resource: Arc<Resource>) {
        let number = resource.number;
        {
            let mut state = self.state.lock();
            state.retired.push(resource);
            state.prepared.take_if(|prepared| prepared.number == number);
        }
        let gives_up = |kind: Kind| {
            let result = self.run(device, [kind.with([number, 0]).into()]);
            // A device that has refused to get to know it has nothing to give up.
            matches!(result, Ok(()) | Err(Error::Refused { reason: UNKNOWN_RESOURCE, .. }))
        };
        // Both are sent; a resource without a backing cannot be detached from it.
        let is_given_up = gives_up(kind::DETACH_BACKING) | gives_up(kind::RESOURCE_UNREF);
        // A restart may be about to give it to the device again.
        if is_given_up && self.restoring.load(Ordering::Relaxed) == 0 {
            self.state.lock().retired.retain(|retired| retired.number != number);
        }
    }

    /// Sends commands in their order, at once if there is room, and waits until the device has answered all of them.
    ///
    /// # Errors
    ///
    /// The first one; what follows it may have been done or not.
    #[inline]
    pub fn run(
        &self,
        device: &Device<Gpu>,
        steps: impl IntoIterator<Item = Step>,
    ) -> Result<(), Error> {
        let sent = device.send_all(CONTROLQ, steps, || {
            // There is room: no call sends more than MAX_COMMANDS.
            let _ = self.done.reserve();
            Note::Waits(self.done.clone())
        });
        let answers = iter::from_fn(|| device.next_completion(CONTROLQ, &self.done));
        let first_error = answers.fold(Ok(()), Result::and);
        first_error.and(sent.map_err(Error::from))
    }
}
