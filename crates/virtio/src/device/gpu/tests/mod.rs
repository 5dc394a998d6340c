//! The GPU against the fake device.
