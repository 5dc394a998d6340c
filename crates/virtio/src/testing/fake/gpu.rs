//! A GPU on a [`FakeTransport`]: keeps resources and what is seen on its outputs, or fails commands as told.

use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec,
    vec::Vec,
};
use core::mem;

use ostd::sync::{LocalIrqDisabled, SpinLock};

use super::{DeviceChain, DeviceMemory, FakeTransport};
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
    /// Does it, and writes no answer.
    NoAnswer,
    /// Does it, and says to have written this many bytes.
    Written(u32),
    /// Does it, and returns it under this descriptor number.
    Id(u32),
    /// Keeps it.
    Lose,
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
    edid: Vec<u8>,
    resources: BTreeMap<u32, Resource>,
    /// For each output its resource, and what is seen of that.
    scanouts: Vec<Option<(u32, Seen)>>,
    cursors: Vec<Option<SeenCursor>>,
    faults: VecDeque<Option<GpuFault>>,
    log: Vec<u32>,
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
                edid: Vec::new(),
                resources: BTreeMap::new(),
                scanouts: vec![None; displays.len()],
                cursors: vec![None; displays.len()],
                faults: VecDeque::new(),
                log: Vec::new(),
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

    /// The EDID of all outputs from now on.
    pub fn set_edid(&self, edid: &[u8]) {
        self.inner.lock().edid = edid.to_vec();
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

    /// Forgets the faults that are planned.
    pub fn drop_faults(&self) {
        self.inner.lock().faults.clear();
    }

    /// The address of the first piece of a resource's backing.
    pub fn backing(&self, resource: u32) -> Option<u64> {
        self.current().resources.get(&resource)?.backing.first().map(|(address, _)| *address)
    }

    /// The types of the commands since they were last taken, of both queues.
    pub fn take_log(&self) -> Vec<u32> {
        mem::take(&mut self.inner.lock().log)
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

    /// Executes everything available, then interrupts if the driver wants that.
    pub fn work(&self) {
        for queue in [CONTROLQ, CURSORQ] {
            let take = || self.transport.try_with_queue_of(queue, |queue| queue.take()).flatten();
            while let Some(chain) = take() {
                match queue {
                    CONTROLQ => {
                        let fault = self.inner.lock().faults.pop_front().flatten();
                        self.execute(chain, fault);
                    }
                    _ => self.execute_cursor(chain),
                }
            }
        }
        let wanted = |queue| {
            self.transport.try_with_queue_of(queue, |queue| queue.should_interrupt()) == Some(true)
        };
        // Both are asked, as each counts for itself.
        if wanted(CONTROLQ) | wanted(CURSORQ) {
            self.transport.interrupt(InterruptStatus::USED_BUFFER);
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

    fn execute(&self, chain: DeviceChain, fault: Option<GpuFault>) {
        let mut inner = self.current();
        if fault == Some(GpuFault::Lose) {
            return;
        }
        let request = chain.readable();
        let word = |at: usize| u32::from_le_bytes(request[at..at + 4].try_into().unwrap());
        inner.log.push(word(0));
        let mut answer = match fault {
            Some(GpuFault::Refuse(kind)) => kind.to_le_bytes().to_vec(),
            _ => inner.answer(word(0), &request),
        };
        drop(inner);
        if let Some(GpuFault::Type(kind)) = fault {
            answer[..4].copy_from_slice(&kind.to_le_bytes());
        }
        let (flags, fence) = match fault {
            Some(GpuFault::Fence(fence)) => (u32::from(fence.is_some()), fence.unwrap_or(0)),
            _ => (word(4) & 1, u64::from(word(8)) | u64::from(word(12)) << 32),
        };
        let mut response = answer[..4].to_vec();
        response.extend(flags.to_le_bytes());
        response.extend(fence.to_le_bytes());
        response.extend([0; 8]);
        response.extend(&answer[4..]);
        if fault != Some(GpuFault::NoAnswer) {
            chain.write(0, &response);
        }
        let written = match fault {
            Some(GpuFault::Written(written)) => written,
            _ => response.len() as u32,
        };
        let id = match fault {
            Some(GpuFault::Id(id)) => id,
            _ => chain.head.into(),
        };
        self.transport.try_with_queue_of(CONTROLQ, |queue| {
            queue.write_used(queue.next_used, id, written);
            queue.next_used = queue.next_used.wrapping_add(1);
            queue.write_used_index(queue.next_used);
        });
    }

    fn execute_cursor(&self, chain: DeviceChain) {
        let request = chain.readable();
        assert_eq!((request.len(), chain.writable_length()), (56, 0), "a cursor has no answer");
        let word = |at: usize| u32::from_le_bytes(request[at..at + 4].try_into().unwrap());
        let mut inner = self.current();
        inner.log.push(word(0));
        let cursor = (word(0), (word(28), word(32)), word(40), (word(44), word(48)));
        if let Some(output) = inner.cursors.get_mut(word(24) as usize) {
            *output = Some(cursor);
        }
        drop(inner);
        self.transport.try_with_queue_of(CURSORQ, |queue| queue.give_back(chain.head, 0));
    }
}

impl Resource {
    /// All that its backing holds.
    fn read(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (address, length) in &self.backing {
            let start = bytes.len();
            bytes.resize(start + *length as usize, 0);
            assert!(DeviceMemory::read(*address, &mut bytes[start..]), "the backing is free");
        }
        bytes
    }
}

impl Inner {
    /// Does a command. Returns the type of the answer, and what follows its header.
    fn answer(&mut self, kind: u32, request: &[u8]) -> Vec<u8> {
        let field = |i: usize| {
            let at = 24 + 4 * i;
            request.get(at..at + 4).map_or(0, |word| u32::from_le_bytes(word.try_into().unwrap()))
        };
        let rect = || [0, 1, 2, 3].map(|i| field(i) as usize);
        let done: Result<(), u32> = match kind {
            0x0100 => return self.display_info(),
            0x010a => return self.edid_info(),
            0x0101 => self.create(field(0), field(2), field(3)),
            0x0102 => self.resources.remove(&field(0)).map(|_| ()).ok_or(0x1203),
            0x0103 => self.set_scanout(field(4) as usize, field(5), rect()),
            0x0104 => self.flush(field(4), rect()),
            0x0105 => self.transfer(field(6), rect(), field(4) as usize),
            0x0106 => self.attach(field(0), field(1) as usize, request.get(32..).unwrap_or(&[])),
            0x0107 => self.attach(field(0), 0, &[]),
            _ => Err(0x1200),
        };
        done.map_or_else(|error| error, |()| 0x1100).to_le_bytes().to_vec()
    }

    fn display_info(&self) -> Vec<u8> {
        let mut answer = 0x1101u32.to_le_bytes().to_vec();
        for i in 0..16 {
            let (width, height) = self.displays.get(i).copied().unwrap_or((0, 0));
            for word in [0, 0, width, height, u32::from(width > 0), 0] {
                answer.extend(word.to_le_bytes());
            }
        }
        answer
    }

    fn edid_info(&self) -> Vec<u8> {
        let mut answer = 0x1104u32.to_le_bytes().to_vec();
        answer.extend((self.edid.len() as u32).to_le_bytes());
        answer.extend([0; 4]);
        answer.extend(&self.edid);
        answer.resize(4 + 8 + 1024, 0);
        answer
    }

    fn create(&mut self, number: u32, width: u32, height: u32) -> Result<(), u32> {
        if number == 0 || self.resources.contains_key(&number) {
            return Err(0x1203);
        }
        let pixels = vec![0; (width * height * 4) as usize];
        self.resources.insert(number, Resource { width, height, pixels, backing: Vec::new() });
        Ok(())
    }

    fn attach(&mut self, number: u32, count: usize, entries: &[u8]) -> Result<(), u32> {
        let resource = self.resources.get_mut(&number).ok_or(0x1203u32)?;
        if count > 0 && !resource.backing.is_empty() || entries.len() != 16 * count {
            return Err(0x1200);
        }
        let entry = |entry: &[u8]| {
            let address = u64::from_le_bytes(entry[..8].try_into().unwrap());
            (address, u32::from_le_bytes(entry[8..12].try_into().unwrap()))
        };
        resource.backing = entries.chunks(16).map(entry).collect();
        Ok(())
    }

    fn transfer(&mut self, number: u32, rect: [usize; 4], offset: usize) -> Result<(), u32> {
        let resource = self.resources.get_mut(&number).ok_or(0x1203u32)?;
        let (source, [x, y, width, height]) = (resource.read(), rect);
        let stride = resource.width as usize * 4;
        if x + width > resource.width as usize || y + height > resource.height as usize {
            return Err(0x1205);
        }
        for row in 0..height {
            let (from, to) = (offset + row * stride, (y + row) * stride + x * 4);
            let source = source.get(from..from + width * 4).ok_or(0x1205u32)?;
            resource.pixels[to..to + width * 4].copy_from_slice(source);
        }
        Ok(())
    }

    fn set_scanout(&mut self, output: usize, number: u32, rect: [usize; 4]) -> Result<(), u32> {
        let scanout = self.scanouts.get_mut(output).ok_or(0x1202u32)?;
        if number == 0 {
            *scanout = None;
            return Ok(());
        }
        let resource = self.resources.get(&number).ok_or(0x1203u32)?;
        if rect != [0, 0, resource.width as usize, resource.height as usize] {
            return Err(0x1205);
        }
        let black = vec![0; resource.pixels.len()];
        *scanout = Some((number, (resource.width, resource.height, black)));
        Ok(())
    }

    fn flush(&mut self, number: u32, [x, y, width, height]: [usize; 4]) -> Result<(), u32> {
        let resource = self.resources.get(&number).ok_or(0x1203u32)?;
        let stride = resource.width as usize * 4;
        for (shown, seen) in self.scanouts.iter_mut().flatten() {
            for row in y..y + height {
                let bytes = row * stride + x * 4..row * stride + (x + width) * 4;
                let source = resource.pixels.get(bytes.clone()).ok_or(0x1205u32)?;
                if *shown == number {
                    seen.2[bytes].copy_from_slice(source);
                }
            }
        }
        Ok(())
    }
}
