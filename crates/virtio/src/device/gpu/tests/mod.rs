//! The GPU against the fake device.

mod cursor;
mod pictures;

use alloc::{sync::Arc, vec::Vec};

use display::{Frame, Mode, Rect, Screen};

use super::{GpuFeatures, GpuScreen, VirtioGpu};
use crate::{
    features::Features,
    options::Options,
    testing::fake::FakeGpu,
    transport::{
        DeviceStatus, InterruptStatus,
        Version::{self, Legacy, Modern},
    },
};

/// A GPU, its driver, and the driver's first output.
pub(crate) struct Rig {
    pub gpu: Arc<FakeGpu>,
    pub driver: VirtioGpu,
    pub screen: Arc<GpuScreen>,
}

/// All ring features.
pub(crate) fn ring() -> Features {
    Features::all() - Features::VERSION_1
}

impl Rig {
    pub fn new(version: Version, ring: Features, queue_size: u16, displays: &[(u32, u32)]) -> Self {
        let options = Options { queue_size, ..Options::default() };
        Self::with(version, ring, &options, displays)
    }

    pub fn with(
        version: Version,
        ring: Features,
        options: &Options,
        displays: &[(u32, u32)],
    ) -> Self {
        let gpu = FakeGpu::new(version, GpuFeatures::all().bits() | ring.bits(), displays);
        let driver = gpu.driver(options).unwrap();
        let screen = driver.screens().remove(0);
        gpu.take_log();
        Self { gpu, driver, screen }
    }

    /// A modern device with all ring features and one output.
    pub fn modern(width: u32, height: u32) -> Self {
        Self::new(Modern, ring(), 64, &[(width, height)])
    }

    /// As [`Self::modern`], with a driver that gives commands hardly any time.
    pub fn hasty() -> Self {
        let options = Options { timeout_ms: 1, ..Options::default() };
        Self::with(Modern, ring(), &options, &[(100, 60)])
    }

    /// Has the driver look for what the device has returned.
    pub fn poll(&self) {
        self.driver.device.poll();
    }

    /// Has the device ask for a reset, and the driver be told.
    pub fn ask_for_reset(&self) {
        self.gpu.transport.connect(&self.driver.device());
        self.gpu.transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
        self.gpu.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    }

    /// Shows these parts of a picture.
    pub fn flush(&self, picture: &Picture, areas: &[Rect]) -> Result<(), display::Error> {
        self.screen.flush(Frame::new(&picture.pixels, picture.mode).unwrap(), areas)
    }

    /// Shows a picture, and checks that it is seen.
    pub fn show(&self, picture: &Picture) {
        self.flush(picture, &[picture.mode.area()]).unwrap();
        self.assert_seen(picture);
    }

    pub fn assert_seen(&self, picture: &Picture) {
        let (width, height, pixels) = self.gpu.seen(0).expect("something is shown");
        assert_eq!((width, height), (picture.mode.width(), picture.mode.height()));
        assert!(pixels == picture.pixels, "another picture is seen");
        self.gpu.assert_backings();
    }
}

/// Runs `test` with every interface and set of ring features, and with a queue that holds a command or two.
pub(crate) fn everywhere(test: impl Fn(&Rig)) {
    for version in [Legacy, Modern] {
        for (ring, queue_size) in [(Features::empty(), 8), (ring(), 64), (ring(), 2)] {
            let rig = Rig::new(version, ring, queue_size, &[(100, 60)]);
            test(&rig);
            rig.gpu.assert_backings();
            rig.gpu.transport.assert_notified();
        }
    }
}

/// Pixels that are all different from those of another seed.
pub(crate) struct Picture {
    pub mode: Mode,
    pub pixels: Vec<u8>,
}

impl Picture {
    pub fn new(width: u32, height: u32, seed: u8) -> Self {
        let mode = Mode::new(width, height).unwrap();
        let pixels = (0..mode.bytes()).map(|i| (i as u8).wrapping_mul(7) ^ (i >> 8) as u8 ^ seed);
        Self { mode, pixels: pixels.collect() }
    }

    /// Takes an area from another one of the same size.
    pub fn take(&mut self, area: Rect, from: &Self) {
        for y in area.rows() {
            let at = |x: u32| y as usize * self.mode.stride() + 4 * x as usize;
            let bytes = at(area.x)..at(area.columns().end);
            self.pixels[bytes.clone()].copy_from_slice(&from.pixels[bytes]);
        }
    }
}
