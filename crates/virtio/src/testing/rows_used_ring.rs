//! Rows 1 to 7, 14 and 15: what the device writes to the rings.

use alloc::vec;

use block::{BlockDevice, Error, SECTOR_SIZE};
use ostd::prelude::ktest;

use super::{
    fake::{DeviceQueue, Fault},
    registers::Slot,
    rig::{
        ENTRIES, INDEX_JUMPED, Mode, NOT_OUTSTANDING, Rig, TOO_LONG, UNKNOWN_ID, everywhere,
        everywhere_of,
    },
};
use crate::transport::{Transport, Version::Modern};

/// The device holds two reads and tells a lie: both end with `error`, the device is reset once, and
/// the next requests are done.
fn lie(rig: &Rig, error: Error, tell: impl FnOnce(&mut DeviceQueue, &[u16])) {
    let before = rig.starts();
    let (done, heads) = rig.held(2);
    rig.tell(|queue| tell(queue, &heads));
    assert_eq!(rig.answers(&done), [Err(error); 2]);
    rig.assert_restarted(before);
}

/// Returns a chain that the driver believes or not, by the number of its first descriptor.
fn return_id(queue: &mut DeviceQueue, id: u32, written: u32) {
    queue.write_used(queue.next_used, id, written);
    queue.next_used = queue.next_used.wrapping_add(1);
    queue.write_used_index(queue.next_used);
}

#[ktest]
fn row_01_used_id_beyond_the_queue() {
    everywhere(|rig| {
        for id in [u32::from(ENTRIES), 9999, 0x1_0000, u32::MAX] {
            lie(rig, UNKNOWN_ID, |queue, _| return_id(queue, id, 1));
        }
        // A number whose lower half is right is as wrong.
        lie(rig, UNKNOWN_ID, |queue, heads| return_id(queue, u32::from(heads[0]) | 0x8_0000, 1));
        // So it goes for a caller who sleeps meanwhile.
        let before = rig.starts();
        assert_eq!(rig.read_with(Fault::Id(ENTRIES.into())), Err(UNKNOWN_ID));
        rig.assert_restarted(before);
    });
}

#[ktest]
fn row_02_used_id_that_is_not_outstanding() {
    everywhere(|rig| {
        // Without indirect descriptors some of these lie within a chain, of which only the first
        // names it.
        for nth in 0..usize::from(ENTRIES) - 2 {
            lie(rig, NOT_OUTSTANDING, |queue, heads| {
                let id = (0..ENTRIES).filter(|id| !heads.contains(id)).nth(nth).unwrap();
                return_id(queue, id.into(), 0);
            });
        }
    });
}

#[ktest]
fn row_03_the_same_id_used_twice() {
    everywhere(|rig| {
        // Once it was right: the first request is done, the other one ends with the lie.
        let before = rig.starts();
        rig.disk.plan_faults([Some(Fault::Lose), None]);
        let done = rig.send(2);
        rig.disk.work();
        rig.tell(|queue| {
            let id = queue.used_entry(queue.next_used.wrapping_sub(1)).0;
            return_id(queue, id, 1);
        });
        assert_eq!(rig.answers(&done), [Err(NOT_OUTSTANDING), Ok(())]);
        rig.assert_restarted(before);
    });
}

#[ktest]
fn row_04_used_index_jumps_ahead() {
    everywhere(|rig| {
        for ahead in [3, ENTRIES, ENTRIES + 1, 0x8000] {
            // The entries would name a chain that is outstanding; they are not even read.
            lie(rig, INDEX_JUMPED, |queue, heads| {
                queue.write_used(queue.next_used, heads[0].into(), 1);
                queue.write_used_index(queue.next_used.wrapping_add(ahead));
            });
        }
    });
}

#[ktest]
fn row_05_used_index_goes_backwards() {
    everywhere(|rig| {
        for back in [1, 2, ENTRIES, 0x7fff] {
            rig.assert_works();
            lie(rig, INDEX_JUMPED, |queue, _| {
                queue.write_used_index(queue.next_used.wrapping_sub(back));
            });
        }
    });
}

#[ktest]
fn row_06_written_more_than_was_writable() {
    everywhere_of(Modern, |rig| {
        let writable = SECTOR_SIZE as u32 + 1;
        for written in [writable + 1, 0x8000_0000, u32::MAX] {
            lie(rig, TOO_LONG, |queue, heads| return_id(queue, heads[0].into(), written));
            let before = rig.starts();
            assert_eq!(rig.read_with(Fault::Written(written)), Err(TOO_LONG));
            rig.assert_restarted(before);
        }
    });
}

#[ktest]
fn row_07_written_too_little_for_the_answer() {
    everywhere_of(Modern, |rig| {
        let (before, expected) = (rig.starts(), SECTOR_SIZE as u32 + 1);
        for written in [0, 1, expected - 1] {
            let short = Err(Error::Short { written, expected });
            assert_eq!(rig.read_with(Fault::Written(written)), short);
            rig.assert_works();
        }
        rig.disk.plan_faults([Some(Fault::Written(0))]);
        let short = Err(Error::Short { written: 0, expected: 1 });
        assert_eq!(rig.driver.write_block(3, &[0; SECTOR_SIZE]), short);
        assert_eq!(rig.starts(), before, "an answer that is too short harms nobody else");
    });
}

#[ktest]
fn row_14_descriptors_and_available_ring_overwritten() {
    everywhere(|rig| {
        let before = rig.starts();
        for _ in 0..3 {
            let (done, _) = rig.held(4);
            rig.disk.transport.with_queue(|queue| queue.scribble());
            rig.disk.find_lost();
            rig.look();
            assert_eq!(rig.answers(&done), [Ok(()); 4]);
            rig.assert_works();
        }
        assert_eq!(rig.starts(), before);
    });
}

/// The ways to write over an indirect table. The last one leaves segments that could be those of a chain.
const SCRIBBLES: [fn(&mut [[u8; 16]]); 4] = [
    |entries| entries.fill([0xa5; 16]),
    |entries| entries.fill([0; 16]),
    |entries| {
        let first = entries[0];
        entries.fill(first);
    },
    |entries| entries.swap(0, 2),
];

#[ktest]
fn row_14_indirect_tables_overwritten() {
    for mode in [Mode::Polled, Mode::Interrupt] {
        let rig = Rig::modern(mode);
        for (scribble, version) in SCRIBBLES.into_iter().zip(0..) {
            let before = rig.starts();
            // All chains have been used for what they are used for again.
            let spoil = || {
                let (done, heads) = rig.held(ENTRIES.into());
                let chains = rig.disk.lost();
                rig.disk.finish_lost();
                assert_eq!(rig.answers(&done), vec![Ok(()); heads.len()]);
                rig.disk.transport.with_queue(|queue| {
                    chains.iter().for_each(|chain| queue.scribble_table(chain, scribble));
                });
            };
            // Nobody notices, neither those who submit nor those who wait.
            spoil();
            assert_eq!(rig.answers_of(ENTRIES.into()), [Ok(()); ENTRIES as usize], "{version}");
            spoil();
            rig.assert_works();
            assert_eq!(rig.answers_of(ENTRIES.into()), [Ok(()); ENTRIES as usize], "{version}");
            assert_eq!(rig.starts(), before, "that harms nobody else");
        }
        rig.assert_idle();
    }
}

#[ktest]
fn row_14_indirect_tables_are_good_again_after_a_reset() {
    for mode in [Mode::Polled, Mode::Interrupt] {
        let rig = Rig::modern(mode);
        for scribble in SCRIBBLES {
            let before = rig.starts();
            let (done, heads) = rig.held(ENTRIES.into());
            let chains = rig.disk.lost();
            rig.tell(|queue| {
                chains.iter().for_each(|chain| queue.scribble_table(chain, scribble));
                queue.write_used_index(1000);
            });
            assert_eq!(rig.answers(&done), vec![Err(INDEX_JUMPED); heads.len()]);
            rig.disk.forget_lost();
            assert_eq!(rig.answers_of(ENTRIES.into()), [Ok(()); ENTRIES as usize]);
            rig.assert_restarted(before);
        }
        rig.assert_idle();
    }
}

#[ktest]
fn row_15_shared_data_changes_between_two_reads() {
    everywhere(|rig| {
        // Whatever a used entry was before: what it is when the driver looks is what counts.
        let (done, heads) = rig.held(1);
        rig.disk.transport.with_queue(|queue| return_id(queue, 9999, u32::MAX));
        rig.disk.transport.with_queue(|queue| {
            queue.write_used(queue.next_used.wrapping_sub(1), heads[0].into(), 0);
        });
        rig.look();
        assert_eq!(rig.answers(&done), [Err(Error::NoAnswer)]);
        rig.disk.forget_lost();
        // What it becomes afterwards does not, nor does the answer that it belonged to.
        let done = rig.send(1);
        rig.disk.work();
        rig.look();
        rig.disk.transport.with_queue(|queue| {
            for entry in 0..queue.size {
                queue.write_used(entry, 9999, u32::MAX);
            }
        });
        assert_eq!(rig.answers(&done), [Ok(())]);
        rig.assert_works();
    });
    // Every field of the configuration is read once.
    let slot = Slot::modern();
    slot.driver().unwrap();
    let mut reads = slot.take_config_reads();
    let all = reads.len();
    reads.sort_unstable();
    reads.dedup();
    assert_eq!((reads.len(), reads.contains(&0)), (all, true));
    assert_eq!(slot.transport().unwrap().version(), Modern);
}
