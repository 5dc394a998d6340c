//! The disk: the crate's driver, with requests and buffers that are made once.

#![expect(
    unsafe_code,
    reason = "the requests of virtio-drivers that do not block are unsafe functions"
)]

use alloc::{boxed::Box, format, string::String, sync::Arc, vec, vec::Vec};
use core::{
    hint::spin_loop,
    sync::atomic::{AtomicU64, Ordering, fence},
};

use ostd::{
    arch::irq::{IRQ_CHIP, InterruptSourceInFdt, MappedIrqLine},
    io::IoMem,
    irq::IrqLine,
    sync::{LocalIrqDisabled, SpinLock, SpinLockGuard, Waiter, Waker},
};
use virtio_drivers::{
    Hal,
    device::blk::{BlkReq, BlkResp, VirtIOBlk},
    transport::{
        DeviceType, Transport,
        mmio::{MmioTransport, MmioVersion},
    },
};

use crate::{machine::Slot, memory::Linear};

/// The requests that the crate's queue holds, each with one indirect descriptor.
pub const MAX_DEPTH: usize = 16;

/// Tells how completions are learnt of.
#[derive(Clone, Copy, PartialEq)]
pub enum Complete {
    /// Sleep until the disk interrupts.
    Irq,
    /// Look again and again.
    Poll,
}

/// The disk, for one task.
pub struct Disk {
    shared: Arc<Shared>,
    /// None if the disk is polled.
    sleeper: Option<Sleeper>,
    _registers: IoMem,
}

struct Sleeper {
    waiter: Waiter,
    _line: MappedIrqLine,
}

/// The part of a disk that the interrupt handler uses too.
struct Shared {
    driver: SpinLock<Driver, LocalIrqDisabled>,
    interrupts: AtomicU64,
}

/// The driver, locked.
pub type Locked<'a> = SpinLockGuard<'a, Driver, LocalIrqDisabled>;

impl Disk {
    /// Brings up the first disk in one of the slots, with `depth` buffers of `block` bytes.
    ///
    /// # Errors
    ///
    /// The reason, in words, why there is no disk to be used.
    pub fn open(
        slots: &[Slot],
        depth: usize,
        block: usize,
        complete: Complete,
    ) -> Result<Self, String> {
        let (slot, registers, transport) = slots
            .iter()
            .find_map(|slot| {
                let (registers, transport) = open_slot(slot)?;
                Some((slot, registers, transport))
            })
            .ok_or("no block device on virtio-mmio, version 2 (virtio-mmio.force-legacy=false)")?;
        let mut blk = VirtIOBlk::new(transport)
            .map_err(|error| format!("the driver cannot be set up: {error}"))?;
        match complete {
            Complete::Irq => blk.enable_interrupts(),
            Complete::Poll => blk.disable_interrupts(),
        }
        let shared = Arc::new(Shared {
            driver: SpinLock::new(Driver::new(blk, depth, block)),
            interrupts: AtomicU64::new(0),
        });
        let sleeper = match (complete, slot.interrupt) {
            (Complete::Poll, _) => None,
            (Complete::Irq, None) => return Err("the disk has no interrupt".into()),
            (Complete::Irq, Some(source)) => {
                let (waiter, waker) = Waiter::new_pair();
                let line = connect(source, shared.clone(), waker)
                    .map_err(|error| format!("the interrupt cannot be mapped ({error:?})"))?;
                Some(Sleeper { waiter, _line: line })
            }
        };
        Ok(Self { shared, sleeper, _registers: registers })
    }

    /// Locks the driver.
    pub fn lock(&self) -> Locked<'_> {
        self.shared.driver.lock()
    }

    /// Waits until a request has come back, and locks the driver.
    pub fn lock_when_answered(&self) -> Locked<'_> {
        loop {
            let mut driver = self.lock();
            let Some(sleeper) = &self.sleeper else {
                // Locking anew for each look would cost more than the look.
                while driver.blk.peek_used().is_none() {
                    spin_loop();
                }
                return driver;
            };
            // The crate has written which answer is to interrupt. That must be seen before it is looked
            // for the last time, or the interrupt for it never comes.
            fence(Ordering::SeqCst);
            if driver.blk.peek_used().is_some() {
                return driver;
            }
            drop(driver);
            sleeper.waiter.wait();
        }
    }

    /// The interrupts so far.
    pub fn interrupts(&self) -> u64 {
        self.shared.interrupts.load(Ordering::Relaxed)
    }
}

fn open_slot(slot: &Slot) -> Option<(IoMem, MmioTransport<'static>)> {
    // From here on OSTD gives these registers to nobody else.
    let registers = IoMem::acquire(slot.range.clone()).ok()?;
    // SAFETY: These are the registers of a virtio-mmio slot, as the device tree says. They are mapped as
    // long as the machine runs.
    let transport = unsafe {
        let start = Linear::mmio_phys_to_virt(slot.range.start as u64, slot.range.len());
        MmioTransport::new(start.cast(), slot.range.len()).ok()?
    };
    let usable =
        transport.device_type() == DeviceType::Block && transport.version() == MmioVersion::Modern;
    usable.then_some((registers, transport))
}

fn connect(
    source: InterruptSourceInFdt,
    shared: Arc<Shared>,
    waker: Arc<Waker>,
) -> Result<MappedIrqLine, ostd::Error> {
    let chip = IRQ_CHIP.get().ok_or(ostd::Error::NotEnoughResources)?;
    let mut line = IrqLine::alloc()?;
    line.on_active(move |_| {
        shared.driver.lock().blk.ack_interrupt();
        shared.interrupts.fetch_add(1, Ordering::Relaxed);
        waker.wake_up();
    });
    chip.map_fdt_pin_to(source, line)
}

/// The crate's driver and the memory of its requests.
pub struct Driver {
    blk: VirtIOBlk<Linear, MmioTransport<'static>>,
    /// Lent to the device from `submit` to `reap`, and not touched then. On the heap, and never moved.
    requests: Box<[Request]>,
    /// The requests that the device does not have.
    idle: Vec<usize>,
    /// The request for each token that the crate gives out, which is the number of a descriptor.
    by_token: [Option<usize>; MAX_DEPTH],
}

struct Request {
    header: BlkReq,
    buffer: Box<[u8]>,
    response: BlkResp,
    write: bool,
}

impl Driver {
    fn new(blk: VirtIOBlk<Linear, MmioTransport<'static>>, depth: usize, block: usize) -> Self {
        let request = || Request {
            header: BlkReq::default(),
            buffer: vec![0; block].into(),
            response: BlkResp::default(),
            write: false,
        };
        Self {
            blk,
            requests: (0..depth).map(|_| request()).collect(),
            idle: (0..depth).collect(),
            by_token: [None; MAX_DEPTH],
        }
    }

    /// The disk's size in sectors.
    pub fn capacity(&self) -> u64 {
        self.blk.capacity()
    }

    /// The requests that are with the device.
    pub fn open(&self) -> usize {
        self.requests.len() - self.idle.len()
    }

    /// Tells if another request can be submitted.
    pub fn has_room(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Submits one request. Nothing happens if there is no room.
    ///
    /// # Errors
    ///
    /// The crate's.
    pub fn submit(&mut self, write: bool, sector: u64) -> Result<(), String> {
        let Some(number) = self.idle.pop() else { return Ok(()) };
        let Some(request) = self.requests.get_mut(number) else { return Ok(()) };
        request.write = write;
        let Request { header, buffer, response, .. } = request;
        // SAFETY: The request has left `idle`; until `reap` nothing touches it, and `main` never drops
        // the disk.
        let token = unsafe {
            match write {
                true => self.blk.write_blocks_nb(sector as usize, header, buffer, response),
                false => self.blk.read_blocks_nb(sector as usize, header, buffer, response),
            }
        };
        let token = token.map_err(|error| format!("submitting: {error}"))?;
        if let Some(entry) = self.by_token.get_mut(usize::from(token)) {
            *entry = Some(number);
        }
        Ok(())
    }

    /// Takes everything that has come back; returns how much that was.
    ///
    /// # Errors
    ///
    /// The first request that failed.
    pub fn reap(&mut self) -> Result<u64, String> {
        let mut count = 0;
        while let Some(token) = self.blk.peek_used() {
            let number = self.by_token.get_mut(usize::from(token)).and_then(Option::take);
            let (number, request) = number
                .and_then(|number| Some((number, self.requests.get_mut(number)?)))
                .ok_or_else(|| format!("the device returned {token}, which it does not have"))?;
            let Request { header, buffer, response, write } = request;
            // SAFETY: They are what `submit` lent for this token.
            let result = unsafe {
                match write {
                    true => self.blk.complete_write_blocks(token, header, buffer, response),
                    false => self.blk.complete_read_blocks(token, header, buffer, response),
                }
            };
            result.map_err(|error| format!("measuring: {error}"))?;
            self.idle.push(number);
            count += 1;
        }
        Ok(count)
    }
}
