//! The devices that were found and cannot be used, for the sake of whoever misses one.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::Display;

use ostd::sync::SpinLock;

use crate::console::println;

/// A device that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The name of its kind in the VIRTIO specification, such as `block`.
    pub kind: &'static str,
    /// Its bus and address, such as `virtio-mmio 0x10008000`.
    pub place: String,
    /// The reason, as people can read it.
    pub reason: String,
}

static UNUSABLE: SpinLock<Vec<Unusable>> = SpinLock::new(Vec::new());

/// Says on the console that a device cannot be used, and keeps that for [`all`]. Not to be called in
/// interrupt context.
pub fn record(kind: &'static str, place: impl Display, reason: impl Display) {
    println!("{place}: could not be used: {reason}");
    let device = Unusable { kind, place: place.to_string(), reason: reason.to_string() };
    UNUSABLE.lock().push(device);
}

/// The devices of this kind that cannot be used, in the order in which they were found.
pub fn all(kind: &str) -> Vec<Unusable> {
    UNUSABLE.lock().iter().filter(|device| device.kind == kind).cloned().collect()
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    #[ktest]
    fn devices_are_kept_by_their_kind() {
        assert_eq!(all("some test"), []);
        for (kind, reason) in
            [("some test", "broken"), ("other test", "odd"), ("some test", "gone")]
        {
            record(kind, format_args!("bus {:#x}", 16), reason);
        }
        let reasons = all("some test").into_iter().map(|device| (device.place, device.reason));
        let reasons: Vec<_> = reasons.collect();
        assert_eq!(
            reasons,
            [("bus 0x10", "broken"), ("bus 0x10", "gone")]
                .map(|(place, reason)| { (place.to_string(), reason.to_string()) })
        );
    }
}
