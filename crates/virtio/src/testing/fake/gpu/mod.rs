//! A GPU on a [`FakeTransport`]: keeps resources and what is seen on its outputs, or fails commands as told.

mod answers;
mod work;

use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec,
    vec::Vec,
};
use core::mem;

use ostd::sync::{LocalIrqDisabled, SpinLock};

use super::FakeTransport;
use crate::{
    device::gpu::{self, VirtioGpu},
    handshake::InitError,
    options::Options,
    transport::{InterruptStatus, Version},
};

/// A fault of the GPU in dealing with one command of the control queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GpuFault {
    /// Does nothing, and answers with this type.
    Refuse(u32),
    /// Does it, and answers with this type.
    Type(u32),
    /// Does it, and answers with this fence, or with none.
    Fence(Option<u64>),
    /// Does it, and answers with the fence of the command so many after it.
    FenceOf(i64),
    /// Does it, and writes no answer.
    NoAnswer,
    /// Does it, and writes an answer whose bytes are all this one.
    Garbage(u8),
    /// Does it, and writes of its answer the header only.
    HeaderOnly,
    /// Does it, and says to have written this many bytes.
    Written(u32),
    /// Does it, and returns it under this descriptor number.
    Id(u32),
    /// Does it, and returns it twice.
    Twice,
    /// Does it, and moves the used index on by so many.
    Ahead(u16),
    /// Does it, and overwrites the request and all that the driver has written to the rings.
    Scribble,
    /// Keeps it.
    Lose,
    /// Keeps it, and asks for a reset.
    Reset,
}

/// The queues.
const CONTROLQ: usize = 0;
const CURSORQ: usize = 1;

/// Says that the size of an output has changed.
const EVENT_DISPLAY: u32 = 1;

/// The device, and what a test looks at.
pub struct FakeGpu {
    pub transport: Arc<FakeTransport>,
    inner: SpinLock<Inner, LocalIrqDisabled>,
}

/// Pixels of the device.
#[derive(Clone, Debug)]
struct Resource {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
    /// Address and length of each piece.
    backing: Vec<(u64, u32)>,
}

/// A picture that is seen: width, height and bytes.
pub type Seen = (u32, u32, Vec<u8>);

/// The last command about a cursor: type, place, resource, hot spot.
pub type SeenCursor = (u32, (u32, u32), u32, (u32, u32));

struct Inner {
    displays: Vec<(u32, u32)>,
    /// The EDID of all outputs, with the length that is told for it.
    edid: (u32, Vec<u8>),
    resources: BTreeMap<u32, Resource>,
    /// For each output its resource, and what is seen of that.
    scanouts: Vec<Option<(u32, Seen)>>,
    cursors: Vec<Option<SeenCursor>>,
    faults: VecDeque<Option<GpuFault>>,
    /// Those of the queue for cursors.
    cursor_faults: VecDeque<Option<GpuFault>>,
    log: Vec<u32>,
    /// Chains taken and returned.
    steps: u64,
    /// The resets that it knows of.
    resets: usize,
}

impl FakeGpu {
    /// A GPU with outputs of these sizes, of which (0, 0) is switched off, that offers `features`.
    pub fn new(version: Version, features: u64, displays: &[(u32, u32)]) -> Arc<Self> {
        let transport = FakeTransport::with_queues(version, features, 2);
        transport.state.lock().device_id = gpu::DEVICE_ID;
        transport.set_config(8, &(displays.len() as u32).to_le_bytes());
        let gpu = Arc::new(Self {
            transport,
            inner: SpinLock::new(Inner {
                displays: displays.to_vec(),
                edid: (0, Vec::new()),
                resources: BTreeMap::new(),
                scanouts: vec![None; displays.len()],
                cursors: vec![None; displays.len()],
                faults: VecDeque::new(),
                cursor_faults: VecDeque::new(),
                log: Vec::new(),
                steps: 0,
                resets: 0,
            }),
        });
        gpu.transport.on_config(|config, offset| {
            if offset == 4 {
                let word = |at: usize| u32::from_le_bytes(config[at..at + 4].try_into().unwrap());
                let events = word(0) & !word(4);
                config[..4].copy_from_slice(&events.to_le_bytes());
                config[4..8].fill(0);
            }
        });
        let device = Arc::downgrade(&gpu);
        gpu.transport.on_notify(move || {
            if let Some(device) = device.upgrade() {
                device.work();
            }
        });
        gpu
    }

    /// Its driver, which polls until [`FakeTransport::connect`] leads interrupts to it.
    pub fn driver(&self, options: &Options) -> Result<VirtioGpu, InitError> {
        VirtioGpu::new(self.transport.clone(), options)
    }

    /// The EDID of all outputs from now on, and the length that is told for it.
    pub fn set_edid(&self, size: u32, edid: &[u8]) {
        self.inner.lock().edid = (size, edid.to_vec());
    }

    /// Changes the size of an output, and says so.
    pub fn resize(&self, output: usize, size: (u32, u32)) {
        self.inner.lock().displays[output] = size;
        self.transport.set_config(0, &EVENT_DISPLAY.to_le_bytes());
        self.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    }

    /// Plans the faults of the coming commands of the control queue, in order; `None` stands for a sound answer.
    pub fn plan_faults(&self, faults: impl IntoIterator<Item = Option<GpuFault>>) {
        self.inner.lock().faults.extend(faults);
    }

    /// Plans the faults of the coming commands about cursors: those in returning them.
    pub fn plan_cursor_faults(&self, faults: impl IntoIterator<Item = Option<GpuFault>>) {
        self.inner.lock().cursor_faults.extend(faults);
    }

    /// Forgets the faults that are planned.
    pub fn drop_faults(&self) {
        let mut inner = self.inner.lock();
        inner.faults.clear();
        inner.cursor_faults.clear();
    }

    /// Address and length of each piece of a resource's backing.
    pub fn backing(&self, resource: u32) -> Vec<(u64, u32)> {
        let inner = self.current();
        inner.resources.get(&resource).map(|resource| resource.backing.clone()).unwrap_or_default()
    }

    /// The types of the commands since they were last taken, of both queues.
    pub fn take_log(&self) -> Vec<u32> {
        mem::take(&mut self.inner.lock().log)
    }

    /// The number of times that it has taken or returned a chain, since this and the log were last taken.
    pub fn take_steps(&self) -> u64 {
        let mut inner = self.inner.lock();
        inner.log.clear();
        mem::take(&mut inner.steps)
    }

    /// The picture on an output, if the driver shows one.
    pub fn seen(&self, output: usize) -> Option<Seen> {
        self.current().scanouts[output].as_ref().map(|(_, seen)| seen.clone())
    }

    /// The cursor of an output, if the driver has ever sent a command about it since the last reset.
    pub fn cursor(&self, output: usize) -> Option<SeenCursor> {
        self.current().cursors[output]
    }

    /// The pixels of a resource.
    pub fn pixels(&self, resource: u32) -> Option<Vec<u8>> {
        self.current().resources.get(&resource).map(|resource| resource.pixels.clone())
    }

    /// The number of resources.
    pub fn resources(&self) -> usize {
        self.current().resources.len()
    }

    /// Reads all backings that it was told of and may read: nobody has freed them.
    ///
    /// # Panics
    ///
    /// Somebody has.
    pub fn assert_backings(&self) {
        for resource in self.current().resources.values() {
            resource.read();
        }
    }

    /// The state, without what a reset has ended.
    fn current(&self) -> ostd::sync::SpinLockGuard<'_, Inner, LocalIrqDisabled> {
        let resets = self.transport.resets();
        let mut inner = self.inner.lock();
        if inner.resets != resets && !self.transport.state.lock().ignores_reset {
            inner.resets = resets;
            inner.resources.clear();
            inner.scanouts.fill(None);
            inner.cursors.fill(None);
        }
        inner
    }
}
