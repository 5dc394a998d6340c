//! A block device on a [`FakeTransport`]: executes requests on a vector, or fails them as told.

use alloc::{collections::VecDeque, sync::Arc, vec, vec::Vec};
use core::mem;

use block::SECTOR_SIZE;
use ostd::sync::{LocalIrqDisabled, SpinLock};

use super::{DeviceBuffer, DeviceChain, DeviceMemory, DeviceQueue, FakeTransport};
use crate::{
    device::blk::{self, BlkFeatures, VirtioBlk},
    handshake::InitError,
    options::Options,
    transport::{InterruptStatus, Version},
};

/// A fault of the disk in dealing with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Does it and answers with this status.
    Status(u8),
    /// Returns it without writing a status.
    NoStatus,
    /// Says to have written this many bytes.
    Written(u32),
    /// Returns it under this descriptor number.
    Id(u32),
    /// Keeps it.
    Lose,
}

/// The device, and what a test looks at.
pub struct FakeDisk {
    pub transport: Arc<FakeTransport>,
    inner: SpinLock<Inner, LocalIrqDisabled>,
}

/// A request as the device got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Type and sector.
    pub header: (u32, u64),
    /// The segments: the length of each, and true if the device writes it.
    pub segments: Vec<(u32, bool)>,
}

struct Inner {
    data: Vec<u8>,
    faults: VecDeque<Option<Fault>>,
    /// Every request, in the order of execution.
    log: Vec<Received>,
    kept: Vec<DeviceChain>,
    interrupts: usize,
}

impl FakeDisk {
    /// A disk of `sectors` sectors that offers `features`.
    pub fn new(version: Version, features: u64, sectors: u64) -> Arc<Self> {
        let transport = FakeTransport::new(version, features);
        transport.state.lock().device_id = blk::DEVICE_ID;
        transport.set_config(0, &sectors.to_le_bytes());
        transport.set_config(12, &126u32.to_le_bytes()); // seg_max
        transport.set_config(20, &512u32.to_le_bytes()); // blk_size
        transport.set_config(34, &1u16.to_le_bytes()); // num_queues
        transport.set_config(36, &8u32.to_le_bytes()); // max_discard_sectors
        transport.set_config(48, &8u32.to_le_bytes()); // max_write_zeroes_sectors
        let disk = Arc::new(Self {
            transport,
            inner: SpinLock::new(Inner {
                data: (0..sectors as usize * SECTOR_SIZE).map(|i| (i / 7) as u8).collect(),
                faults: VecDeque::new(),
                log: Vec::new(),
                kept: Vec::new(),
                interrupts: 0,
            }),
        });
        let device = Arc::downgrade(&disk);
        disk.transport.on_notify(move || {
            if let Some(device) = device.upgrade() {
                device.work();
            }
        });
        disk
    }

    /// Its driver, which polls until [`Self::connect`] leads interrupts to it.
    pub fn driver(&self, options: &Options) -> Result<Arc<VirtioBlk>, InitError> {
        VirtioBlk::new(self.transport.clone(), options).map(Arc::new)
    }

    /// Leads interrupts to the driver: see [`FakeTransport::connect`].
    pub fn connect(&self, driver: &VirtioBlk) {
        self.transport.connect(&driver.device());
    }

    /// Plans the faults of the coming requests, in order; `None` stands for a sound answer.
    pub fn plan_faults(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.inner.lock().faults.extend(faults);
    }

    /// The content of `count` sectors.
    pub fn sectors(&self, sector: usize, count: usize) -> Vec<u8> {
        let start = sector * SECTOR_SIZE;
        self.inner.lock().data[start..start + count * SECTOR_SIZE].to_vec()
    }

    /// The requests since they were last taken.
    pub fn take_requests(&self) -> Vec<Received> {
        mem::take(&mut self.inner.lock().log)
    }

    /// As [`Self::take_requests`], type and sector only.
    pub fn take_log(&self) -> Vec<(u32, u64)> {
        self.take_requests().into_iter().map(|request| request.header).collect()
    }

    /// As [`Self::take_requests`], the number of data segments only.
    pub fn take_segments(&self) -> Vec<usize> {
        self.take_requests().into_iter().map(|request| request.segments.len() - 2).collect()
    }

    /// The number of interrupts it has raised.
    pub fn interrupts(&self) -> usize {
        self.inner.lock().interrupts
    }

    /// Executes everything available, then interrupts if the driver wants that.
    pub fn work(&self) {
        while let Some(chain) = self.transport.try_with_queue(|queue| queue.take()).flatten() {
            let fault = self.inner.lock().faults.pop_front().flatten();
            self.execute(chain, fault);
        }
        if self.transport.try_with_queue(|queue| queue.should_interrupt()) == Some(true) {
            self.inner.lock().interrupts += 1;
            self.transport.interrupt(InterruptStatus::USED_BUFFER);
        }
    }

    /// Returns the requests that were lost, as if they had only been slow.
    pub fn find_lost(&self) {
        let kept = mem::take(&mut self.inner.lock().kept);
        for chain in kept {
            self.execute(chain, None);
        }
        self.transport.interrupt(InterruptStatus::USED_BUFFER);
    }

    /// Executes the requests that were lost, and interrupts only if the driver wants that.
    pub fn finish_lost(&self) {
        let kept = mem::take(&mut self.inner.lock().kept);
        for chain in kept {
            self.execute(chain, None);
        }
        self.work();
    }

    /// The requests that were lost, in the order in which it took them.
    pub fn lost(&self) -> Vec<DeviceChain> {
        self.inner.lock().kept.clone()
    }

    /// Forgets the requests that were lost.
    pub fn forget_lost(&self) {
        self.inner.lock().kept.clear();
    }

    fn execute(&self, chain: DeviceChain, fault: Option<Fault>) {
        if fault == Some(Fault::Lose) {
            self.inner.lock().kept.push(chain);
            return;
        }
        let (request_type, sector) = match parse(&chain) {
            Ok(request) => request,
            Err(mistake) => {
                // It has only itself to blame for what it does not understand.
                let own_fault = |queue: &mut DeviceQueue| {
                    queue.give_back(chain.head, 0);
                    queue.has_scribbled()
                };
                assert_eq!(self.transport.try_with_queue(own_fault), Some(true), "{mistake}");
                return;
            }
        };
        let input = chain.readable();
        let output = chain.writable_length() as usize - 1;
        let mut inner = self.inner.lock();
        inner.log.push(Received {
            header: (request_type, sector),
            segments: chain.buffers.iter().map(|buffer| (buffer.length, buffer.writable)).collect(),
        });
        let start = sector as usize * SECTOR_SIZE;
        let mut status = 0u8;
        match request_type {
            0 => chain.write(0, &inner.data[start..start + output]),
            1 => inner.data[start..start + input.len() - 16].copy_from_slice(&input[16..]),
            4 => {}
            8 => chain.write(0, &b"fake disk\0\0\0\0\0\0\0\0\0\0\0"[..output]),
            11 | 13 => {
                let sector = u64::from_le_bytes(input[16..24].try_into().unwrap()) as usize;
                let count = u32::from_le_bytes(input[24..28].try_into().unwrap()) as usize;
                inner.data[sector * SECTOR_SIZE..(sector + count) * SECTOR_SIZE].fill(0);
            }
            _ => unreachable!("no such type of request"),
        }
        drop(inner);
        if let Some(Fault::Status(answer)) = fault {
            status = answer;
        }
        if fault != Some(Fault::NoStatus) {
            chain.write(output, &[status]);
        }
        let written = match fault {
            Some(Fault::Written(written)) => written,
            _ => output as u32 + 1,
        };
        // A device that has been reset meanwhile has no queue to return it in.
        self.transport.try_with_queue(|queue| match fault {
            Some(Fault::Id(id)) => {
                queue.write_used(queue.next_used, id, written);
                queue.next_used = queue.next_used.wrapping_add(1);
                queue.write_used_index(queue.next_used);
            }
            _ => queue.give_back(chain.head, written),
        });
    }
}

/// Reads the header, and checks that each segment has the length and the direction that its request asks
/// for (section 5.2.6; a legacy device relies on these segments, section 2.7.4.3).
fn parse(chain: &DeviceChain) -> Result<(u32, u64), &'static str> {
    let [header, data @ .., status] = &chain.buffers[..] else {
        return Err("a request has a header and a status");
    };
    let all_data = |writable| data.iter().all(|buffer| buffer.writable == writable);
    let bytes: u64 = data.iter().map(|buffer| u64::from(buffer.length)).sum();
    if (header.length, header.writable) != (16, false) {
        return Err("the device reads a header of 16 bytes");
    }
    if (status.length, status.writable) != (1, true) {
        return Err("the device writes a status of one byte");
    }
    if !chain.is_in_memory() {
        return Err("the request names memory that is not for devices");
    }
    let whole_sectors = bytes > 0 && bytes.is_multiple_of(SECTOR_SIZE as u64);
    let request_type = DeviceMemory::u32(header.address);
    let right = match request_type {
        0 => all_data(true) && whole_sectors,
        1 => all_data(false) && whole_sectors,
        4 => data.is_empty(),
        8 => matches!(data, [DeviceBuffer { length: 20, writable: true, .. }]),
        11 | 13 => matches!(data, [DeviceBuffer { length: 16, writable: false, .. }]),
        _ => return Err("no such type of request"),
    };
    match right {
        true => Ok((request_type, DeviceMemory::u64(header.address + 8))),
        false => Err("the data has not the length or the direction of its request"),
    }
}

/// All that the driver implements for disks.
pub fn all_disk_features() -> u64 {
    (BlkFeatures::all() - BlkFeatures::BLK_RO - BlkFeatures::BLK_SIZE_MAX).bits()
}

/// A byte pattern for sectors.
pub fn pattern(sectors: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; sectors * SECTOR_SIZE];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = (i as u8).wrapping_mul(31).wrapping_add(seed).wrapping_add((i >> 8) as u8);
    }
    bytes
}
