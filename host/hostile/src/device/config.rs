//! The device's description of itself: features, configuration space (VIRTIO 1.3 section 5.2.4) and
//! serial number.

use virtio_bindings::{
    virtio_blk::{
        VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_SIZE_MAX,
    },
    virtio_config::{VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1},
    virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC},
};

/// The size of the disk behind every mode, in sectors of 512 bytes.
pub const SECTORS: u64 = 2048;

/// The length of a serial number, section 5.2.6.
pub const SERIAL_BYTES: usize = 20;

/// Segments can be limited in size.
pub const SIZE_MAX: u64 = 1 << VIRTIO_BLK_F_SIZE_MAX;
/// A modern device.
pub const VERSION_1: u64 = 1 << VIRTIO_F_VERSION_1;

/// The features that the kernel's driver must never acknowledge: packed rings, returning requests
/// in order, and bits that the specification has not given a meaning.
pub const NEVER: u64 =
    1 << VIRTIO_F_RING_PACKED | 1 << VIRTIO_F_IN_ORDER | 0x7f << 50 | 1 << 23 | 1 << 19;

/// The configuration and what goes with it. Modes change it before QEMU reads it.
#[derive(Clone, Debug)]
pub struct Config {
    /// Feature bits, without those of the vhost-user protocol.
    pub features: u64,
    /// In sectors, as told; the disk has [`SECTORS`].
    pub capacity: u64,
    /// The most bytes of a segment; valid with [`SIZE_MAX`].
    pub size_max: u32,
    /// The most segments of a request.
    pub seg_max: u32,
    /// In bytes.
    pub blk_size: u32,
    /// Padded with zeros.
    pub serial: [u8; SERIAL_BYTES],
}

impl Config {
    /// The configuration of a disk with nothing wrong.
    pub fn honest() -> Self {
        Self {
            features: [
                VIRTIO_BLK_F_SEG_MAX,
                VIRTIO_BLK_F_BLK_SIZE,
                VIRTIO_BLK_F_FLUSH,
                VIRTIO_RING_F_INDIRECT_DESC,
                VIRTIO_RING_F_EVENT_IDX,
                VIRTIO_F_VERSION_1,
            ]
            .iter()
            .fold(0, |features, bit| features | 1 << bit),
            capacity: SECTORS,
            size_max: 1 << 20,
            seg_max: 126,
            blk_size: 512,
            serial: *b"hostile\0\0\0\0\0\0\0\0\0\0\0\0\0",
        }
    }

    /// `size` bytes of the configuration space from `offset` on; zeros where nothing is defined.
    pub fn bytes(&self, offset: u32, size: u32) -> Vec<u8> {
        let mut space = self.capacity.to_le_bytes().to_vec();
        space.extend(self.size_max.to_le_bytes());
        space.extend(self.seg_max.to_le_bytes());
        // The geometry, which says nothing.
        space.extend([0; 4]);
        space.extend(self.blk_size.to_le_bytes());
        space
            .into_iter()
            .chain(std::iter::repeat(0))
            .skip(offset as usize)
            .take(size as usize)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_where_the_specification_has_them() {
        let config = Config { capacity: 0x1122, seg_max: 7, blk_size: 4096, ..Config::honest() };
        assert_eq!(config.bytes(0, 8), 0x1122u64.to_le_bytes());
        assert_eq!(config.bytes(12, 4), 7u32.to_le_bytes());
        assert_eq!(config.bytes(20, 4), 4096u32.to_le_bytes());
        assert_eq!(config.bytes(0, 60).len(), 60);
        assert_eq!(config.bytes(24, 36), [0; 36]);
    }
}
