//! One boot with a disk that is the grader's witness, and what it has to tell.

use std::path::Path;

use anyhow::{Result, bail};
use hostile::{
    session::{Served, Session},
    wire::Wire,
};
use lab::{
    place::Place,
    process::End,
    qemu::{Guest, Machine},
};
use vm_memory::{GuestMemoryAtomic, GuestMemoryMmap};

use super::Stand;
use crate::recorder::{Manner, Recorder, Recording};

/// The guest's memory, as a device is given it.
type Memory = GuestMemoryAtomic<GuestMemoryMmap>;

/// The evidence of a run.
pub struct Seen<A> {
    /// The end of QEMU.
    pub end: End,
    /// The disk's account.
    pub account: A,
    /// The disk's contents afterwards.
    pub disk: Vec<u8>,
}

/// Makes sure that a driver which had not made all of `wanted` requests when its time was over had stopped to
/// make them.
///
/// # Errors
///
/// Requests still came: the host is too slow.
pub fn ensure_stopped(seen: &Seen<Recording>, wanted: usize) -> Result<()> {
    let Seen { end, account, .. } = seen;
    let End::TimedOut(limit) = end else { return Ok(()) };
    let number = account.requests.len();
    if number >= wanted || account.idle > *limit / 4 {
        return Ok(());
    }
    let seconds = limit.as_secs();
    bail!(
        "the host is too slow: {number} of {wanted} requests had come in {seconds} s, and more came"
    )
}

/// A disk that records, with these contents.
pub fn recorder(manner: Manner, contents: Vec<u8>) -> impl FnOnce(Memory, Wire) -> Recorder {
    |memory, wire| Recorder::new(manner, contents, memory, wire)
}

/// Boots `machine`, which is given the socket of the disk, with the kernel command line `line`. What the disk
/// has to tell is put into the log by `tell`, too.
///
/// # Errors
///
/// The host is to blame.
pub fn boot<D: Served>(
    stand: &Stand<'_>,
    place: &Place,
    device: impl FnOnce(Memory, Wire) -> D,
    machine: impl FnOnce(&Path) -> Machine,
    line: &str,
    tell: impl FnOnce(&D::Account) -> String,
) -> Result<Seen<D::Account>> {
    let socket = place.file("disk.sock");
    let session = Session::open(device, &socket, place.folder())?;
    let finished = stand.run(machine(&socket).command(&Guest::new(&place.kernel, line)), place);
    // The session ends however QEMU did.
    let (account, disk, _) = session.close();
    let end = finished?.end;
    lab::process::append(&place.log, &format!("\n{end}\n{}\n", tell(&account)))?;
    Ok(Seen { end, account, disk })
}

/// The account of a disk that records, for the log.
pub fn in_words(recording: &Recording) -> String {
    let Recording { starts, notifications, unseen, interrupts, acknowledged, .. } = recording;
    let mut text = format!(
        "set up {starts} times, {notifications} notifications, {unseen} chains never seen, {interrupts} \
         interrupts, features {acknowledged:#x}\n"
    );
    for request in recording.requests.iter().take(200) {
        let segments: Vec<String> = request
            .segments
            .iter()
            .map(|s| format!("{}{}", if s.device_writes { "w" } else { "r" }, s.length))
            .collect();
        text += &format!(
            "{} sector {} [{}] status {:?}\n",
            request.kind,
            request.sector,
            segments.join(" "),
            request.status
        );
    }
    text + &recording.complaints.join("\n")
}
