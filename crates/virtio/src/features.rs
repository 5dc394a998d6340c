//! Features that do not depend on the kind of device, VIRTIO 1.3 section 6.

use bitflags::bitflags;

bitflags! {
    /// Features of queues and of the interface. Bits 0 to 23 belong to the kind of device and have no name
    /// here.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Features: u64 {
        /// Chains may consist of one descriptor that points to a table of them.
        const RING_INDIRECT_DESC = 1 << 28;
        /// Each side says at which index it wants to be notified or interrupted next.
        const RING_EVENT_IDX = 1 << 29;
        /// The device follows VIRTIO 1.0 or later.
        const VERSION_1 = 1 << 32;
    }
}
