//! The GPU against random devices: what a flush says to be seen is seen, memory that the device was told of stays its
//! own until it gives it up, and nothing that it says of itself is more than an error.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::Ordering;

use display::{CursorImage, Error, Framebuffer, Rect, Screen};
use fastrand::Rng;
use ostd::prelude::ktest;

use super::{
    super::fake::{FakeGpu, GpuFault},
    Outcome, STEP, run,
};
use crate::{
    device::gpu::{GpuFeatures, GpuScreen, VirtioGpu},
    features::Features,
    options::Options,
    transport::{DeviceStatus, InterruptStatus, Version},
};

#[ktest]
fn fuzz_gpu() {
    run("fuzz_gpu", 6000..6400, |seed| match Case::new(seed) {
        Ok(case) => case.run(2500),
        Err(outcome) => outcome,
    });
}

/// The most steps that the device may be led to by one call of the driver.
const MOST_STEPS: u64 = 400;

/// The answers that are planned ahead: more than one call takes.
const PLANNED: usize = 64;

struct Case {
    rng: Rng,
    /// The number of lies in a thousand answers.
    malice: u32,
    gpu: Arc<FakeGpu>,
    driver: VirtioGpu,
    /// Its outputs, each with somebody who draws.
    outputs: Vec<(Arc<GpuScreen>, Framebuffer)>,
    outcome: Outcome,
}

impl Case {
    /// A device with a temper from the seed, and its driver; `Err` if it is refused.
    fn new(seed: u64) -> Result<Self, Outcome> {
        let mut rng = Rng::with_seed(seed);
        let version = if rng.bool() { Version::Modern } else { Version::Legacy };
        let mut features = Features::empty();
        features.set(Features::RING_INDIRECT_DESC, rng.bool());
        features.set(Features::RING_EVENT_IDX, rng.bool());
        let sizes: Vec<_> = (0..rng.usize(1..4)).map(|_| small(&mut rng)).collect();
        let gpu = FakeGpu::new(version, features.bits() | GpuFeatures::all().bits(), &sizes);
        let edid: Vec<_> = (0..128).map(|_| rng.u8(..)).collect();
        gpu.set_edid([0, 128, 1024, u32::MAX][rng.usize(0..4)], &edid);
        let malice = [0, 3, 10, 30, 100, 300][rng.usize(0..6)];
        // Some devices lie from the start on.
        let early = rng.u8(0..8) == 0 && malice > 0;
        if early {
            gpu.plan_faults((0..8).map(|_| fault(&mut rng, 300)));
        }
        // Four entries at least: so many segments has the longest command with its answer.
        let options =
            Options { queue_size: 1 << rng.u16(2..8), timeout_ms: 1, ..Options::default() };
        let outcome = |died| Outcome { steps: gpu.take_steps(), died, ..Outcome::default() };
        let driver = gpu.driver(&options).map_err(|error| {
            assert!(early, "{error}");
            assert!(gpu.transport.state.lock().status.contains(DeviceStatus::FAILED));
            outcome(true)
        })?;
        gpu.drop_faults();
        // What it said of its outputs may be wrong; now it is not.
        sizes.iter().enumerate().for_each(|(output, size)| gpu.resize(output, *size));
        let outputs = driver.screens().into_iter().map(|screen| {
            let framebuffer = Framebuffer::new(screen.clone())?;
            Ok((screen, framebuffer))
        });
        let outputs = outputs.collect::<Result<_, Error>>().map_err(|error| {
            assert!(early, "{error}");
            outcome(false)
        })?;
        Ok(Self { rng, malice, gpu, driver, outputs, outcome: Outcome::default() })
    }

    /// Uses the outputs until the device has made so many steps, or is dead.
    fn run(mut self, steps: u64) -> Outcome {
        while self.outcome.steps < steps && !self.is_dead() {
            self.gpu.drop_faults();
            let Self { rng, malice, .. } = &mut self;
            let faults: Vec<_> = (0..PLANNED).map(|_| fault(rng, *malice)).collect();
            let cursor_faults: Vec<_> = (0..PLANNED).map(|_| fault(rng, *malice)).collect();
            self.gpu.plan_faults(faults);
            self.gpu.plan_cursor_faults(cursor_faults);
            let output = self.rng.usize(0..self.outputs.len());
            match self.rng.u32(0..16) {
                0..9 => self.draw(output),
                9..12 => self.use_cursor(output),
                12 => self.resize(output),
                13 => self.driver.device().tick(),
                14 => self.interrupt(InterruptStatus::USED_BUFFER),
                _ => self.misbehave(),
            }
            // The device reads what it was told of, whenever it likes.
            self.gpu.assert_backings();
            let steps = self.gpu.take_steps();
            assert!(steps <= MOST_STEPS, "{steps} steps in one call");
            self.outcome.steps += steps;
            STEP.store(self.outcome.steps, Ordering::Relaxed);
        }
        self.settle()
    }

    fn is_dead(&self) -> bool {
        self.gpu.transport.state.lock().status.contains(DeviceStatus::FAILED)
    }

    fn interrupt(&mut self, causes: InterruptStatus) {
        self.outcome.steps += 1;
        self.gpu.transport.state.lock().interrupt.insert(causes);
        self.driver.device().handle_interrupt();
    }

    /// Somebody draws, and has it shown.
    fn draw(&mut self, output: usize) {
        let resets = self.gpu.transport.resets();
        let (_, framebuffer) = &mut self.outputs[output];
        for _ in 0..self.rng.u32(1..4) {
            let mode = framebuffer.mode();
            let (x, y) = (self.rng.u32(0..mode.width()), self.rng.u32(0..mode.height()));
            let area = Rect::new(x, y, self.rng.u32(1..20), self.rng.u32(1..20)).clip(mode);
            let pixels = framebuffer.pixels_mut(area);
            for row in area.rows() {
                let start = row as usize * mode.stride() + 4 * area.x as usize;
                pixels[start..start + 4 * area.width as usize].fill_with(|| self.rng.u8(..));
            }
        }
        self.outcome.requests += 1;
        let result = framebuffer.flush();
        match result {
            Ok(()) => {
                self.outcome.succeeded += 1;
                // A device that was reset meanwhile may have forgotten it again.
                if self.gpu.transport.resets() == resets {
                    self.assert_seen(output);
                }
            }
            Err(error) => assert!(self.malice > 0, "{error}"),
        }
    }

    fn assert_seen(&self, output: usize) {
        let framebuffer = &self.outputs[output].1;
        let (width, height, pixels) = self.gpu.seen(output).expect("nothing is seen");
        assert_eq!((width, height), (framebuffer.mode().width(), framebuffer.mode().height()));
        assert!(pixels == framebuffer.pixels(), "another picture is seen");
    }

    fn use_cursor(&mut self, output: usize) {
        let screen = &self.outputs[output].0;
        let (x, y) = (self.rng.u32(..), self.rng.u32(..));
        let result = match self.rng.u32(0..8) {
            0 => {
                let mut image = CursorImage::new(x, y);
                image.set(x % 64, y % 64, [self.rng.u8(..); 4]);
                screen.set_cursor(&image, x, y)
            }
            1 => screen.hide_cursor(),
            _ => screen.move_cursor(x, y),
        };
        self.outcome.requests += 1;
        match result {
            Ok(()) => self.outcome.succeeded += 1,
            Err(Error::NoCursor) => {}
            Err(error) => assert!(self.malice > 0, "{error}"),
        }
    }

    /// An output gets another size, which may be none that a screen can have.
    fn resize(&mut self, output: usize) {
        let size = match self.rng.u32(0..8) {
            0 if self.malice > 0 => (self.rng.u32(..), u32::MAX),
            1 if self.malice > 0 => (self.rng.u32(0..2), 0),
            _ => small(&mut self.rng),
        };
        self.outcome.steps += 1;
        self.gpu.resize(output, size);
        let framebuffer = &mut self.outputs[output].1;
        if let Err(error) = framebuffer.follow_resize() {
            assert!(self.malice > 0, "{error}");
        } else if self.malice == 0 {
            assert_eq!((framebuffer.mode().width(), framebuffer.mode().height()), size);
        }
        if framebuffer.mode().bytes() > 1 << 16 {
            // The size by default: one that takes less time.
            self.gpu.drop_faults();
            self.gpu.resize(output, small(&mut self.rng));
            let _ = framebuffer.follow_resize();
        }
    }

    /// It does something that has nothing to do with a command.
    fn misbehave(&mut self) {
        self.outcome.steps += 1;
        let number = self.rng.u32(..);
        let is_lie = self.rng.u32(0..1000) < 3 * self.malice;
        let (transport, queue) = (self.gpu.transport.clone(), self.rng.usize(0..2));
        match self.rng.u32(0..8) {
            0 | 1 if is_lie => {
                transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
                self.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
            }
            // Events that there are not.
            2 if is_lie => transport.set_config(0, &number.to_le_bytes()),
            3 if is_lie => _ = transport.try_with_queue_of(queue, |queue| queue.scribble()),
            4 if is_lie => {
                transport.try_with_queue_of(queue, |queue| {
                    queue.write_used(number as u16, number % 300, number);
                    if number.is_multiple_of(4) {
                        queue.write_used_index(number as u16);
                    }
                });
            }
            _ => (0..20).for_each(|_| self.interrupt(InterruptStatus::all())),
        }
    }

    /// The device comes to its senses: all outputs show what was drawn, with nothing left over.
    fn settle(mut self) -> Outcome {
        self.gpu.drop_faults();
        self.gpu.transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
        self.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
        self.outcome.died = self.is_dead();
        self.outcome.restarts = self.gpu.transport.starts() as u64 - 1;
        for output in 0..self.outputs.len() {
            let framebuffer = &mut self.outputs[output].1;
            framebuffer.pixels_mut(framebuffer.mode().area())[0] ^= 1;
            let result = framebuffer.flush();
            if self.outcome.died {
                assert_eq!((result, self.malice > 0), (Err(Error::Dead), true));
            } else {
                assert_eq!(result, Ok(()));
                self.assert_seen(output);
            }
        }
        // At most a picture and a cursor for each.
        assert!(self.gpu.resources() <= 2 * self.outputs.len());
        self.gpu.assert_backings();
        self.outcome
    }
}

/// A size whose pixels are quickly compared.
fn small(rng: &mut Rng) -> (u32, u32) {
    (rng.u32(1..40), rng.u32(1..40))
}

/// An answer: sound, or with so many in a thousand a lie.
fn fault(rng: &mut Rng, malice: u32) -> Option<GpuFault> {
    if rng.u32(0..1000) >= malice {
        return None;
    }
    let number = match rng.u32(0..4) {
        0 => u32::MAX - rng.u32(0..2),
        1 => rng.u32(..),
        2 => 0x1100 | rng.u32(0..0x207),
        _ => rng.u32(0..70),
    };
    Some(match rng.u32(0..80) {
        // It takes time until a deadline has passed.
        0 => GpuFault::Lose,
        // That it does not know a resource, and so has no memory of it, it says only where that is true.
        1..20 => GpuFault::Refuse([0x1200, 0x1201, 0x1202, 0x1204, 0x1205][number as usize % 5]),
        20..30 if number != 0x1100 => GpuFault::Type(number),
        30..35 => GpuFault::Fence(rng.bool().then_some(u64::MAX - u64::from(number))),
        35..40 => GpuFault::FenceOf(i64::from(number % 5) - 6),
        40..45 => GpuFault::NoAnswer,
        45..50 => GpuFault::Garbage(rng.u8(..)),
        50..52 => GpuFault::HeaderOnly,
        52..60 => GpuFault::Written(number),
        60..66 => GpuFault::Id(number),
        66..70 => GpuFault::Twice,
        70..74 => GpuFault::Ahead(number as u16),
        74..77 => GpuFault::Scribble,
        _ => GpuFault::Refuse(0x1201),
    })
}
