//! Bringing a block device up: from a transport to a disk with a name (section 5.2.5).

use alloc::{boxed::Box, string::String, sync::Arc, vec, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64},
};

use ostd::{cpu::num_cpus, mm::dma::DmaStream};

use super::{
    super::{
        init::{Features, Init, InitError},
        options::Options,
        transport::{DeviceStatus, Transport},
    },
    BlkConfig, BlkFeatures, RANGES, SECTOR_PAGES, VirtioBlk,
    channel::Channel,
    recovery::Health,
    request::coherent_slices,
};
use crate::{
    block::{Buffer, DiskInfo, Error, Operation, Request},
    dma::{CACHE_COHERENT, DmaSliceAlloc},
};

impl VirtioBlk {
    /// The features of block devices and of queues that this driver implements.
    pub fn supported_features(options: &Options) -> u64 {
        BlkFeatures::all().bits() | options.ring_features().bits()
    }

    /// Initialises the device. IRQs must be enabled.
    ///
    /// # Errors
    ///
    /// [`InitError`]; the device keeps no memory of this driver's, or what it may keep is leaked.
    pub fn new(transport: Arc<dyn Transport>, options: &Options) -> Result<Self, InitError> {
        let mut init = Init::begin(transport.clone())?;
        let negotiated = init.negotiate(Self::supported_features(options))?;
        let features = BlkFeatures::from_bits_truncate(negotiated);
        let ring_features = Features::from_bits_truncate(negotiated);

        let config = BlkConfig::read(&*transport, features)?;
        let ranges = coherent_slices(RANGES)?;
        let sectors = DmaStream::alloc(SECTOR_PAGES, CACHE_COHERENT).map_err(InitError::Memory)?;
        let channels = Self::channels(&transport, ring_features, &config, options)?;
        let (queue_size, segments) = channels.iter().map(Channel::limits).min().unwrap_or((0, 2));
        let has = |feature| features.contains(feature);
        let mut disk = Self {
            info: DiskInfo {
                serial: String::new(),
                capacity: config.capacity,
                block_size: config.block_size,
                physical_block_size: config.physical_block_size,
                read_only: has(BlkFeatures::BLK_RO),
                writeback: config.writeback,
                max_segments: (segments - 2).min(config.max_segments as usize),
                max_segment_bytes: has(BlkFeatures::BLK_SIZE_MAX)
                    .then_some(config.max_segment_bytes),
                discard: has(BlkFeatures::BLK_DISCARD),
                write_zeroes: has(BlkFeatures::BLK_WRITE_ZEROES),
                queue_size,
                queues: channels.len(),
            },
            capacity: AtomicU64::new(config.capacity),
            must_poll: AtomicBool::new(true),
            sleepers: Arc::default(),
            health: Health::new(options.timeout_ms),
            interrupts: AtomicU64::new(0),
            notifications: AtomicU64::new(0),
            channels,
            ranges,
            sectors: DmaSliceAlloc::new(sectors),
            transport,
            config,
            negotiated,
            ring_features,
            features,
        };
        init.finish();
        match disk.read_serial() {
            Ok(serial) => disk.info.serial = serial,
            Err(error) => {
                disk.shut_down();
                disk.transport.set_status(DeviceStatus::FAILED);
                return Err(InitError::FirstRequest(error));
            }
        }
        Ok(disk)
    }

    /// Sets up a request queue for each CPU, as far as the device has so many.
    fn channels(
        transport: &Arc<dyn Transport>,
        features: Features,
        config: &BlkConfig,
        options: &Options,
    ) -> Result<Box<[Channel]>, InitError> {
        let cpus = u16::try_from(num_cpus()).unwrap_or(u16::MAX);
        let mut channels = Vec::new();
        for index in 0..config.queues.min(cpus) {
            match Channel::new(transport, index, features, options.queue_size) {
                Ok(channel) => channels.push(channel),
                Err(error) => {
                    channels.into_iter().for_each(Channel::discard);
                    return Err(error);
                }
            }
        }
        Ok(channels.into_boxed_slice())
    }

    /// The names of the negotiated features, separated by blanks.
    pub fn feature_names(&self) -> impl fmt::Display {
        let (ring, device) = (self.ring_features, self.features);
        fmt::from_fn(move |f| {
            let names = ring.iter_names().map(|(name, _)| name);
            let mut names = names.chain(device.iter_names().map(|(name, _)| name));
            f.write_str(names.next().unwrap_or("(none)"))?;
            names.try_for_each(|name| write!(f, " {name}"))
        })
    }

    /// The disk's name. A disk that answers and has none is a disk all the same.
    fn read_serial(&self) -> Result<String, Error> {
        let request = Request::new(Operation::GetSerial, 0, vec![Buffer::alloc(1)?]);
        let answer = match self.wait_for(request) {
            Ok(answer) => answer,
            Err(
                error @ (Error::Violation(_) | Error::NeedsReset | Error::TimedOut | Error::Dead),
            ) => return Err(error),
            Err(_) => return Ok(String::new()),
        };
        let mut serial = [0; Operation::SERIAL_BYTES];
        answer.buffers.first().ok_or(Error::Empty)?.read(0, &mut serial)?;
        let name = serial.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).collect())
    }
}
