//! A disk whose cache is lost when QEMU is killed.
//!
//! The image is a qcow2 file. QEMU keeps the table that says where in the file a sector lies in its
//! own memory until a flush, so a kill loses what was written since, as a power cut does on a disk
//! with a volatile cache. (A raw file would survive: the host has it.)

use std::fs;

use anyhow::{Context, Result};
use lab::{
    place::Place,
    process::End,
    qemu::{Access, EIO, Fault, Stack},
};

use super::cuts::Disk;

/// QEMU's options for the image `disk`.
pub fn device(place: &Place, disk: Disk) -> Vec<String> {
    let stack = Stack::file(&place.file("disk")).under("driver=qcow2");
    match disk {
        Disk::Honest => stack.device(""),
        Disk::IgnoresFlushes => stack
            .under(&format!("driver=blkdebug{}", Fault::every(Access::Flush, EIO).rule(0)))
            .under("driver=raw")
            .device(",werror=ignore"),
    }
}

/// The content of the image after a power cut.
///
/// # Errors
///
/// It is damaged, or cannot be read.
pub fn content(place: &Place) -> Result<Vec<u8>> {
    // After a power cut some clusters may be in use by nobody (status 3). That is waste, not damage.
    let check = place.run("qemu-img", &["check", "-q", "-f", "qcow2", "disk"])?;
    if check.end != End::Exited(3) {
        check.expect_success().context("the image is damaged")?;
    }
    place
        .run("qemu-img", &["convert", "-f", "qcow2", "-O", "raw", "disk", "raw"])?
        .expect_success()?;
    fs::read(place.file("raw")).context("cannot read the image")
}
