//! Notifications and interrupts: asked for, suppressed, passed.

use super::*;

#[ktest]
fn event_comparison_survives_the_wrap() {
    // (event, new, old)
    assert!(event_passed(5, 6, 5));
    assert!(!event_passed(6, 6, 5));
    assert!(!event_passed(4, 6, 5));
    assert!(event_passed(65_535, 0, 65_535));
    assert!(event_passed(65_534, 3, 65_530));
    assert!(event_passed(2, 3, 65_530));
    assert!(!event_passed(3, 3, 65_530));
    assert!(!event_passed(65_529, 3, 65_530));
    assert!(!event_passed(7, 7, 7));
}

#[ktest]
fn one_notification_for_many_chains() {
    let mut bench = bench(32, EVENT_IDX);
    assert!(!bench.queue.should_notify(), "nothing was added");
    for tag in 0..5 {
        bench.add(1, 1, tag);
    }
    // avail_event is 0, and the index has passed it.
    assert!(bench.queue.should_notify());
    assert!(!bench.queue.should_notify(), "asked once already");
    // The device is awake and has not asked for more.
    bench.add(1, 1, 5);
    assert!(!bench.queue.should_notify());
    // It has taken all and asks for the next.
    while bench.transport.with_queue(|queue| queue.take()).is_some() {}
    bench.add(1, 1, 6);
    assert!(bench.queue.should_notify());
}

#[ktest]
fn the_device_can_suppress_notifications() {
    let mut bench = bench(8, Features::empty());
    bench.add(1, 1, 0);
    assert!(bench.queue.should_notify());
    bench.transport.with_queue(|queue| queue.set_no_notify(true));
    bench.add(1, 1, 1);
    assert!(!bench.queue.should_notify());
    bench.transport.with_queue(|queue| queue.set_no_notify(false));
    bench.add(1, 1, 2);
    assert!(bench.queue.should_notify());
}

#[ktest]
fn interrupts_are_asked_for_and_not() {
    for features in [Features::empty(), EVENT_IDX] {
        let mut bench = bench(8, features);
        let interrupts = |bench: &Bench| bench.transport.with_queue(|q| q.should_interrupt());
        // Far enough round that every index has wrapped once.
        for tag in 0..65_540 {
            let wanted = tag % 3 == 0;
            if wanted {
                assert!(!bench.queue.enable_interrupts());
            } else {
                bench.queue.disable_interrupts();
            }
            bench.add(1, 1, tag);
            bench.turn();
            assert_eq!(interrupts(&bench), wanted, "{tag} {features:?}");
            bench.pop().unwrap();
        }
    }
}

#[ktest]
fn enabling_interrupts_tells_of_what_came_before() {
    for features in [Features::empty(), EVENT_IDX] {
        let mut bench = bench(8, features);
        bench.queue.disable_interrupts();
        bench.add(1, 1, 0);
        bench.turn();
        assert!(bench.queue.enable_interrupts());
        bench.pop().unwrap();
        assert!(!bench.queue.enable_interrupts());
    }
}
