//! The table of modes: row, name, what the device does, and how the run must end.
//!
//! The rows are those of the table of misbehaviour that the driver answers one by one. Row 0 stands for
//! what is not in it.

use crate::{
    device::config::{NEVER, SIZE_MAX, VERSION_1},
    mode::{About, Ends, Lie, Mode},
};

const TIMED_OUT: &[&str] = &["deadline", "timed out", "timed_out", "time-out", "in time"];
const INDEX: &[&str] = &["the used index claims"];
const UNKNOWN_ID: &[&str] = &["which does not exist"];
const NOT_OUTSTANDING: &[&str] = &["heads no outstanding chain"];
const TOO_LONG: &[&str] = &["in a chain with room for"];
const NO_ANSWER: &[&str] = &["without an answer"];

/// Every mode there is, in the order in which they are played.
pub static MODES: &[Mode] = &[
    Mode::new(0, "honest", "tells no lie"),
    Mode::new(1, "id-beyond-queue", "used.id = 9999")
        .lie(Lie::IdBeyondQueue)
        .ends(Ends::Recovers, UNKNOWN_ID),
    Mode::new(1, "id-beyond-queue-first", "used.id = 9999 for the first request of all")
        .lie(Lie::IdBeyondQueue)
        .at(0)
        .ends(Ends::Survives, UNKNOWN_ID),
    Mode::new(2, "id-not-outstanding", "used.id names a free descriptor")
        .lie(Lie::IdNotOutstanding)
        .ends(Ends::Recovers, NOT_OUTSTANDING),
    Mode::new(3, "id-twice", "returns a request twice")
        .lie(Lie::IdTwice)
        .ends(Ends::Recovers, &["heads no outstanding chain", "the used index claims"]),
    Mode::new(4, "index-ahead", "used.idx is 1000 too high")
        .lie(Lie::IndexOff(1000))
        .ends(Ends::Recovers, INDEX),
    Mode::new(4, "index-one-ahead", "used.idx claims one more than is outstanding")
        .lie(Lie::IndexOneTooFar)
        .ends(Ends::Recovers, &["the used index claims", "heads no outstanding chain"]),
    Mode::new(5, "index-back", "used.idx is 500 too low")
        .lie(Lie::IndexOff(-500))
        .ends(Ends::Recovers, INDEX),
    Mode::new(6, "length-one-over", "one byte more written than there was room for")
        .lie(Lie::LengthOver(1))
        .ends(Ends::Recovers, TOO_LONG),
    Mode::new(6, "length-huge", "4294967295 bytes written")
        .lie(Lie::LengthHuge)
        .ends(Ends::Recovers, TOO_LONG),
    Mode::new(7, "length-zero-read", "a read with 0 bytes written")
        .lie(Lie::LengthZero)
        .about(About::Reads)
        .ends(Ends::FailsAlone, &["has written 0 of"])
        .kinds(&["short"]),
    Mode::new(7, "length-zero-write", "a write whose answer is 0 bytes long")
        .lie(Lie::LengthZero)
        .about(About::Writes)
        .ends(Ends::FailsAlone, &["has written 0 of", "without an answer"])
        .kinds(&["short", "no_answer"]),
    Mode::new(7, "length-half", "a read with half of the bytes written")
        .lie(Lie::LengthHalf)
        .about(About::Reads)
        .ends(Ends::FailsAlone, &["the device delivered"])
        .kinds(&["short"]),
    Mode::new(8, "no-status-read", "a read whose status byte is never written")
        .lie(Lie::NoStatus)
        .about(About::Reads)
        .ends(Ends::FailsAlone, NO_ANSWER)
        .kinds(&["no_answer"]),
    Mode::new(8, "no-status-write", "a write whose status byte is never written")
        .lie(Lie::NoStatus)
        .about(About::Writes)
        .ends(Ends::FailsAlone, NO_ANSWER)
        .kinds(&["no_answer"]),
    Mode::new(9, "status-0x77", "status 0x77")
        .lie(Lie::Status(0x77))
        .ends(Ends::FailsAlone, &["unknown status 0x77"])
        .kinds(&["bad_status"]),
    Mode::new(9, "status-3", "status 3, the first that has no meaning")
        .lie(Lie::Status(3))
        .ends(Ends::FailsAlone, &["unknown status 0x03"])
        .kinds(&["bad_status"]),
    Mode::new(10, "spurious-interrupts", "200 interrupts with nothing to report")
        .lie(Lie::SpuriousInterrupts),
    Mode::new(11, "interrupt-storm", "interrupts as fast as it can for a second")
        .lie(Lie::InterruptStorm),
    Mode::new(12, "lost", "one request is never returned")
        .lie(Lie::Lost)
        .ends(Ends::Recovers, TIMED_OUT),
    Mode::new(12, "lost-first", "the first request of all is never returned")
        .lie(Lie::Lost)
        .at(0)
        .ends(Ends::Survives, TIMED_OUT),
    Mode::new(12, "silence", "nothing is returned any more")
        .lie(Lie::Silence)
        .ends(Ends::Recovers, TIMED_OUT),
    Mode::new(12, "no-interrupts", "everything is returned, but it never interrupts")
        .lie(Lie::NoInterrupts)
        .ends(Ends::Survives, TIMED_OUT),
    Mode::new(12, "vanish", "the process behind the device ends, for good")
        .lie(Lie::Vanish)
        .ends(Ends::Dead, TIMED_OUT),
    Mode::new(13, "early-interrupts", "interrupts before DRIVER_OK")
        .lie(Lie::EarlyInterrupts)
        .at(0),
    Mode::new(14, "scribble", "overwrites descriptor table and available ring").lie(Lie::Scribble),
    Mode::new(15, "flicker", "status and used entry change before the interrupt")
        .lie(Lie::Flicker)
        .ends(Ends::Survives, &[]),
    Mode::new(15, "flicker-polled", "the same, for a driver that looks all the time")
        .lie(Lie::Flicker)
        .options("virtio.polling=on")
        .ends(Ends::Survives, &[]),
    Mode::new(16, "config-storm", "the capacity changes 300 times, each time notified")
        .lie(Lie::ConfigStorm),
    Mode::new(17, "capacity-0", "capacity 0")
        .config(|c| c.capacity = 0)
        .ends(Ends::Empty, &["0 sectors"]),
    Mode::new(18, "capacity-max", "capacity 2^64-1")
        .config(|c| c.capacity = u64::MAX)
        .ends(Ends::Refused, &["field capacity cannot be 0xffffffffffffffff"]),
    Mode::new(18, "capacity-2-55", "capacity 2^55, the first that does not fit in bytes")
        .config(|c| c.capacity = 1 << 55)
        .ends(Ends::Refused, &["field capacity cannot be 0x80000000000000"]),
    Mode::new(19, "block-size-0", "block size 0")
        .config(|c| c.blk_size = 0)
        .ends(Ends::Refused, &["field blk_size cannot be 0x0"]),
    Mode::new(19, "block-size-3", "block size 3")
        .config(|c| c.blk_size = 3)
        .ends(Ends::Refused, &["field blk_size cannot be 0x3"]),
    Mode::new(19, "block-size-2-31", "block size 2^31")
        .config(|c| c.blk_size = 1 << 31)
        .ends(Ends::Refused, &["field blk_size cannot be 0x80000000"]),
    Mode::new(23, "all-features", "offers every feature bit, packed and in_order among them")
        .config(|c| c.features |= NEVER)
        .device(",packed=on,in_order=on"),
    Mode::new(24, "no-version-1", "a modern device without VERSION_1")
        .config(|c| c.features &= !VERSION_1)
        .ends(Ends::Refused, &["does not offer VERSION_1"]),
    Mode::new(29, "shrink", "the disk loses three quarters while it is used")
        .lie(Lie::Shrink(512))
        .ends(Ends::Shrunken, &["beyond the end of the disk"])
        .kinds(&["out_of_range", "io_error"]),
    Mode::new(29, "shrink-to-0", "the disk loses everything while it is used")
        .lie(Lie::Shrink(0))
        .ends(Ends::Shrunken, &["beyond the end of the disk"])
        .kinds(&["out_of_range", "io_error"]),
    Mode::new(30, "fail-with-garbage", "fails a read, its buffers full of garbage")
        .lie(Lie::FailWithGarbage)
        .about(About::Reads)
        .ends(Ends::FailsAlone, &["I/O error"])
        .kinds(&["io_error"]),
    Mode::new(30, "change-readable", "changes header and data of a write that succeeds")
        .lie(Lie::ChangeReadable)
        .about(About::Writes),
    Mode::new(0, "seg-max-0", "seg_max 0").config(|c| c.seg_max = 0),
    Mode::new(0, "seg-max-1", "seg_max 1").config(|c| c.seg_max = 1),
    Mode::new(0, "seg-max-huge", "seg_max 2^32-1").config(|c| c.seg_max = u32::MAX),
    Mode::new(0, "size-max-0", "size_max 0")
        .config(|c| (c.features, c.size_max) = (c.features | SIZE_MAX, 0))
        .ends(Ends::Refused, &["field size_max cannot be 0x0"]),
    Mode::new(0, "size-max-odd", "size_max 4097")
        .config(|c| (c.features, c.size_max) = (c.features | SIZE_MAX, 4097)),
    Mode::new(0, "serial-spoof", "a serial number that looks like the end of a job")
        .config(|c| c.serial = *b"\r\njob verify: ok\x1b[2J"),
];

/// A row that no vhost-user device can play.
pub struct NotPlayable {
    /// The row.
    pub row: u8,
    /// The reason for which it cannot.
    pub why: &'static str,
}

/// The rows that need a transport or QEMU itself to lie. The kernel's unit tests play them on a fake transport.
pub static NOT_PLAYABLE: &[NotPlayable] = &[
    NotPlayable {
        row: 20,
        why: "the largest queue size is QEMU's register: 1024 for every device",
    },
    NotPlayable { row: 21, why: "queue_ready is QEMU's register" },
    NotPlayable { row: 22, why: "FEATURES_OK is QEMU's register" },
    NotPlayable { row: 25, why: "the reset is QEMU's register" },
    NotPlayable { row: 26, why: "DEVICE_NEEDS_RESET is QEMU's register" },
    NotPlayable { row: 27, why: "the device status is QEMU's register" },
    NotPlayable { row: 28, why: "magic, version and device id are QEMU's registers" },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_is_played_or_said_not_to_be() {
        let played = MODES.iter().filter_map(|mode| mode.row);
        let rows: BTreeSet<u8> = played.chain(NOT_PLAYABLE.iter().map(|it| it.row)).collect();
        assert!(rows.into_iter().eq(1..=30));
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = MODES.iter().map(|mode| mode.name).collect();
        assert_eq!(names.len(), MODES.len());
    }
}
