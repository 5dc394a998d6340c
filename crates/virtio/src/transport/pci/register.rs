//! Register offsets in bytes in the common configuration structure, section 4.1.4.3.
//!
//! Names and order are the specification's. "RW", "R" and "W" say what the driver may do.

/// RW
pub const DEVICE_FEATURE_SELECT: usize = 0x00;
/// R: 32 feature bits, which ones DEVICE_FEATURE_SELECT says.
pub const DEVICE_FEATURE: usize = 0x04;
/// RW
pub const DRIVER_FEATURE_SELECT: usize = 0x08;
/// RW: 32 feature bits, which ones DRIVER_FEATURE_SELECT says.
pub const DRIVER_FEATURE: usize = 0x0c;
/// RW, 16 bits: the message for changes of the configuration.
pub const CONFIG_MSIX_VECTOR: usize = 0x10;
/// R, 16 bits
pub const NUM_QUEUES: usize = 0x12;
/// RW, 8 bits
pub const DEVICE_STATUS: usize = 0x14;
/// R, 8 bits
pub const CONFIG_GENERATION: usize = 0x15;
/// RW, 16 bits: the queue that the registers below are about.
pub const QUEUE_SELECT: usize = 0x16;
/// RW, 16 bits: at first the largest that is possible; 0 if there is no such queue.
pub const QUEUE_SIZE: usize = 0x18;
/// RW, 16 bits: the message for what the device returns.
pub const QUEUE_MSIX_VECTOR: usize = 0x1a;
/// RW, 16 bits
pub const QUEUE_ENABLE: usize = 0x1c;
/// R, 16 bits: where the queue's notifications go, in units of notify_off_multiplier.
pub const QUEUE_NOTIFY_OFF: usize = 0x1e;
/// RW, 64 bits: the descriptor table.
pub const QUEUE_DESC: usize = 0x20;
/// RW, 64 bits: the driver area (available ring).
pub const QUEUE_DRIVER: usize = 0x28;
/// RW, 64 bits: the device area (used ring).
pub const QUEUE_DEVICE: usize = 0x30;
/// The registers up to here are those that every device has.
pub const END: usize = 0x38;
