//! A device that writes what it must not.

use super::*;

#[ktest]
fn a_scribbling_device_confuses_only_itself() {
    let mut bench = bench(8, Features::empty());
    for tag in 0..2 {
        bench.add(1, 2, tag);
    }
    let chains = [bench.take(), bench.take()];
    bench.transport.with_queue(|queue| queue.scribble());
    for chain in chains {
        bench.transport.with_queue(|queue| queue.give_back(chain.head, 16));
    }
    assert_eq!((bench.pop().unwrap().tag, bench.pop().unwrap().tag), (0, 1));
    bench.assert_empty();
}

/// One outstanding chain with 8 writable bytes at `head`, and a lie about it.
fn lie(tell: impl FnOnce(&mut DeviceQueue, u16)) -> Violation {
    let mut bench = bench(8, Features::empty());
    bench.add(1, 1, 0);
    bench.transport.with_queue(|queue| {
        let head = queue.take().unwrap().head;
        tell(queue, head);
    });
    let violation = bench.try_pop().unwrap_err();
    // Broken for good, also for those who want to add.
    assert_eq!(bench.queue.pop().unwrap_err(), violation);
    assert_eq!(bench.queue.look(), Err(violation));
    assert_eq!(bench.queue.violation(), Some(violation));
    assert_eq!(bench.queue.free_segments(), 0);
    let (error, ..) = bench.queue.add(bench.pool.chain(1, 1), 1).unwrap_err();
    assert_eq!(error, AddError::Broken(violation));
    // What was outstanding is still owned, and comes back after a reset.
    let before = bench.pool.available();
    assert_eq!(stop(&mut bench.queue), (Ok(()), [0].into()));
    assert_eq!(bench.pool.available().0, before.0 + 2);
    violation
}

#[ktest]
fn lies_in_the_used_ring_are_named() {
    assert_eq!(
        lie(|queue, head| {
            queue.write_used(0, head.into(), 8);
            queue.write_used_index(2);
        }),
        Violation::UsedIndexJumped { returned: 2, outstanding: 1 }
    );
    assert_eq!(
        lie(|queue, _| queue.write_used_index(65_535)),
        Violation::UsedIndexJumped { returned: 65_535, outstanding: 1 }
    );
    assert_eq!(lie(|queue, _| queue.give_back(8, 0)), Violation::UnknownId { id: 8 });
    assert_eq!(
        lie(|queue, head| {
            queue.write_used(0, u32::from(head) | 0x1_0000, 8);
            queue.write_used_index(1);
        }),
        Violation::UnknownId { id: 0x1_0000 }
    );
    assert_eq!(
        lie(|queue, head| queue.give_back(head ^ 1, 0)),
        Violation::NotOutstanding { id: 1 }
    );
    assert_eq!(
        lie(|queue, head| queue.give_back(head, 9)),
        Violation::LengthTooLong { written: 9, writable: 8 }
    );
}

#[ktest]
fn the_used_index_must_not_go_back_behind_what_it_has_shown() {
    let mut bench = bench(8, Features::empty());
    bench.add(1, 1, 0);
    bench.turn();
    assert!(bench.queue.enable_interrupts());
    // Shown, but not taken yet.
    bench.transport.with_queue(|queue| queue.write_used_index(0));
    assert!(bench.queue.enable_interrupts());
    let violation = Violation::UsedIndexJumped { returned: 0, outstanding: 1 };
    assert_eq!(bench.queue.pop().unwrap_err(), violation);
}

#[ktest]
fn a_legacy_device_s_lengths_mean_nothing() {
    let mut bench = bench_of(Version::Legacy, 8, Features::empty());
    for written in [0, 8, 4711] {
        bench.add(0, 1, 0);
        let head = bench.take().head;
        bench.transport.with_queue(|queue| queue.give_back(head, written));
        assert_eq!(bench.pop().unwrap().written, 8);
    }
}

#[ktest]
fn the_same_chain_twice_is_a_violation() {
    let mut bench = bench(8, Features::empty());
    bench.add(1, 1, 0);
    bench.add(1, 1, 1);
    let head = bench.turn();
    bench.pop().unwrap();
    bench.transport.with_queue(|queue| queue.give_back(head, 0));
    let violation = bench.try_pop().unwrap_err();
    assert_eq!(violation, Violation::NotOutstanding { id: head.into() });
}
