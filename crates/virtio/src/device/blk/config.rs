//! A block device's features and configuration space, sections 5.2.3 and 5.2.4. Every value is input and
//! is checked before anything relies on it.

use bitflags::bitflags;
use block::SECTOR_SIZE;

use super::super::super::{
    handshake::{InitError, read_config},
    transport::{Transport, TransportError},
};

bitflags! {
    /// Features of a block device (section 5.2.3); all that this driver implements.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BlkFeatures: u64 {
        /// The configuration tells the largest segment.
        const BLK_SIZE_MAX = 1 << 1;
        /// The configuration tells the most segments of a request.
        const BLK_SEG_MAX = 1 << 2;
        /// The disk cannot be written.
        const BLK_RO = 1 << 5;
        /// The configuration tells the block size.
        const BLK_BLK_SIZE = 1 << 6;
        /// There may be a volatile write cache, and a request to flush it.
        const BLK_FLUSH = 1 << 9;
        /// The configuration tells the physical block size.
        const BLK_TOPOLOGY = 1 << 10;
        /// The configuration tells whether the write cache is on.
        const BLK_CONFIG_WCE = 1 << 11;
        /// The device has several request queues.
        const BLK_MQ = 1 << 12;
        /// The device knows discard requests.
        const BLK_DISCARD = 1 << 13;
        /// The device knows write-zeroes requests.
        const BLK_WRITE_ZEROES = 1 << 14;
    }
}

/// Field offsets in bytes, section 5.2.4 (`struct virtio_blk_config`).
mod field {
    pub const CAPACITY: usize = 0;
    pub const SIZE_MAX: usize = 8;
    pub const SEG_MAX: usize = 12;
    pub const BLK_SIZE: usize = 20;
    pub const PHYSICAL_BLOCK_EXP: usize = 24;
    pub const WRITEBACK: usize = 32;
    pub const NUM_QUEUES: usize = 34;
    pub const MAX_DISCARD_SECTORS: usize = 36;
    pub const MAX_WRITE_ZEROES_SECTORS: usize = 48;
}

/// The largest block size that is accepted, in bytes.
const MAX_BLOCK_SIZE: u32 = 1 << 16;

/// The checked configuration, but for the capacity: that may change while the device is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlkConfig {
    /// In bytes: a power of two, at least 512.
    pub block_size: u32,
    /// In bytes, at least `block_size`.
    pub physical_block_size: u32,
    /// The most data segments of a request, at least 1.
    pub max_segments: u32,
    /// The most bytes of a segment: a multiple of `block_size`, not 0.
    pub max_segment_bytes: u32,
    /// The write cache is on.
    pub writeback: bool,
    /// The number of request queues, at least 1.
    pub queues: u16,
    /// The most sectors of one discard request: whole blocks, at least one.
    pub max_discard_sectors: u32,
    /// The most sectors of one write-zeroes request: whole blocks, at least one.
    pub max_write_zeroes_sectors: u32,
}

impl BlkConfig {
    /// Reads and checks the configuration.
    ///
    /// # Errors
    ///
    /// [`InitError::BadConfig`] names the field that cannot be; [`InitError::Config`] and
    /// [`InitError::ConfigUnstable`] as [`read_config`].
    pub fn read(transport: &dyn Transport, features: BlkFeatures) -> Result<Self, InitError> {
        read_config(transport, |transport| Raw::read(transport, features))?.check(features)
    }

    /// Reads and checks the capacity, in sectors of 512 bytes; times 512 it still fits 64 bits.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_capacity(transport: &dyn Transport) -> Result<u64, InitError> {
        let capacity = read_config(transport, |transport| {
            let low = transport.config_u32(field::CAPACITY)?;
            let high = transport.config_u32(field::CAPACITY + 4)?;
            Ok(u64::from(high) << 32 | u64::from(low))
        })?;
        match capacity.checked_mul(SECTOR_SIZE as u64) {
            Some(_) => Ok(capacity),
            None => Err(InitError::BadConfig { field: "capacity", value: capacity }),
        }
    }
}

/// The fields as the device gives them; 0 stands for one that the features say is not there.
#[derive(PartialEq)]
struct Raw {
    size_max: u32,
    seg_max: u32,
    blk_size: u32,
    physical_block_exp: u8,
    writeback: u8,
    num_queues: u16,
    max_discard_sectors: u32,
    max_write_zeroes_sectors: u32,
}

impl Raw {
    fn read(transport: &dyn Transport, features: BlkFeatures) -> Result<Self, TransportError> {
        let u32_if = |feature, offset| {
            if features.contains(feature) { transport.config_u32(offset) } else { Ok(0) }
        };
        let u8_if = |feature, offset| {
            if features.contains(feature) { transport.config_u8(offset) } else { Ok(0) }
        };
        Ok(Self {
            size_max: u32_if(BlkFeatures::BLK_SIZE_MAX, field::SIZE_MAX)?,
            seg_max: u32_if(BlkFeatures::BLK_SEG_MAX, field::SEG_MAX)?,
            blk_size: u32_if(BlkFeatures::BLK_BLK_SIZE, field::BLK_SIZE)?,
            physical_block_exp: u8_if(BlkFeatures::BLK_TOPOLOGY, field::PHYSICAL_BLOCK_EXP)?,
            writeback: u8_if(BlkFeatures::BLK_CONFIG_WCE, field::WRITEBACK)?,
            num_queues: match features.contains(BlkFeatures::BLK_MQ) {
                true => transport.config_u16(field::NUM_QUEUES)?,
                false => 1,
            },
            max_discard_sectors: u32_if(BlkFeatures::BLK_DISCARD, field::MAX_DISCARD_SECTORS)?,
            max_write_zeroes_sectors: u32_if(
                BlkFeatures::BLK_WRITE_ZEROES,
                field::MAX_WRITE_ZEROES_SECTORS,
            )?,
        })
    }

    fn check(self, features: BlkFeatures) -> Result<BlkConfig, InitError> {
        let bad = |field, value| Err(InitError::BadConfig { field, value });

        let block_size = match self.blk_size {
            _ if !features.contains(BlkFeatures::BLK_BLK_SIZE) => SECTOR_SIZE as u32,
            size if size.is_power_of_two()
                && (SECTOR_SIZE as u32..=MAX_BLOCK_SIZE).contains(&size) =>
            {
                size
            }
            size => return bad("blk_size", size.into()),
        };
        let physical_block_size = block_size
            .checked_mul(1u32.checked_shl(self.physical_block_exp.into()).unwrap_or(0))
            .filter(|size| *size > 0)
            .unwrap_or(block_size);
        // Segments end at block boundaries, so that a request can be split between any two.
        let max_segment_bytes = match self.size_max {
            _ if !features.contains(BlkFeatures::BLK_SIZE_MAX) => u32::MAX,
            bytes => bytes,
        } / block_size
            * block_size;
        if max_segment_bytes == 0 {
            return bad("size_max", self.size_max.into());
        }
        // Without SEG_MAX nothing is known, and one segment is what any device takes.
        let max_segments = self.seg_max.max(1);
        let whole_blocks = |feature, name, sectors: u32| {
            let blocks = block_size / SECTOR_SIZE as u32;
            match sectors / blocks * blocks {
                0 if features.contains(feature) => bad_limit(name, sectors),
                sectors => Ok(sectors),
            }
        };
        if self.num_queues == 0 {
            return bad("num_queues", 0);
        }
        // With FLUSH alone the cache must be taken to be on (section 5.2.5.1).
        let writeback = features.contains(BlkFeatures::BLK_FLUSH)
            && (!features.contains(BlkFeatures::BLK_CONFIG_WCE) || self.writeback != 0);
        Ok(BlkConfig {
            block_size,
            physical_block_size,
            max_segments,
            max_segment_bytes,
            writeback,
            queues: self.num_queues,
            max_discard_sectors: whole_blocks(
                BlkFeatures::BLK_DISCARD,
                "max_discard_sectors",
                self.max_discard_sectors,
            )?,
            max_write_zeroes_sectors: whole_blocks(
                BlkFeatures::BLK_WRITE_ZEROES,
                "max_write_zeroes_sectors",
                self.max_write_zeroes_sectors,
            )?,
        })
    }
}

fn bad_limit(field: &'static str, value: u32) -> Result<u32, InitError> {
    Err(InitError::BadConfig { field, value: value.into() })
}
