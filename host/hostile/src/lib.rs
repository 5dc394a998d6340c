//! A disk that lies, and a judge of the kernel that has to live with it.
//!
//! The program `hostile` plays each mode of the table in [`modes`]: it starts the device, boots the real kernel
//! in the real QEMU with `job=verify` on that device, and decides from the console, the device's own account
//! and the contents of the disk whether the kernel came out as it must. Other programs of the host use the
//! parts, with a device of their own behind a [`session`] or with the modes as they are.
//!
//! ```text
//!   kernel <-> QEMU <-> wire <-> vhost-user library <-> session <-> device
//!              lab::qemu         vhost-user-backend                 honest, or lies.rs
//! ```

#![forbid(unsafe_code)]

mod closing;
pub mod device;
pub mod judge;
pub mod mode;
pub mod modes;
pub mod play;
pub mod report;
pub mod session;
pub mod wire;
pub mod words;
