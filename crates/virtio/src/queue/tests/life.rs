//! Set-up, stop, and whose the memory is in between.

use super::*;

#[ktest]
fn sizes_are_negotiated() {
    let size = |max, wanted| {
        let transport = FakeTransport::new(Version::Modern, 0);
        transport.state.lock().queue_size_max = max;
        Queue::<Words, u32>::new(transport, 0, Features::empty(), wanted).map(|queue| queue.size())
    };
    assert_eq!(size(256, 1024), Ok(256));
    assert_eq!(size(256, 16), Ok(16));
    assert_eq!(size(100, 1024), Ok(64));
    assert_eq!(size(u32::MAX, u16::MAX), Ok(MAX_QUEUE_SIZE));
    assert_eq!(size(0x1_0000, 1024), Ok(1024));
    assert_eq!(size(0, 1024), Err(SetupError::NoSuchQueue { index: 0 }));
}

#[ktest]
fn a_queue_in_use_is_left_alone() {
    let transport = FakeTransport::new(Version::Modern, 0);
    transport.state.lock().ready = true;
    let queue = Queue::<Words, u32>::new(transport, 0, Features::empty(), 8);
    assert_eq!(queue.unwrap_err(), SetupError::InUse { index: 0 });
}

#[ktest]
fn dropping_a_queue_never_frees_what_the_device_can_reach() {
    let mut bench = bench(8, INDIRECT);
    bench.add(1, 1, 0);
    let available = bench.pool.available();
    let (rings, chain) = (bench.transport.with_queue(|queue| queue.descriptors), bench.take());
    let Bench { transport, queue, pool } = bench;
    drop(queue);
    // The device goes on as if nothing had happened, and finds its memory where it was.
    chain.write(0, &[1; 8]);
    assert_eq!(pool.available(), available);
    assert!(DeviceMemory::read(rings, &mut [0; 16]));
    let (table, _) = chain.table.unwrap();
    drop(pool);
    assert!(chain.is_in_memory() && DeviceMemory::read(table, &mut [0; 16]));
    transport.with_queue(|queue| queue.give_back(chain.head, 8));
}

#[ktest]
fn a_device_that_does_not_reset_keeps_its_memory() {
    let mut bench = bench(8, Features::empty());
    bench.add(1, 1, 42);
    let available = bench.pool.available();
    {
        let mut state = bench.transport.state.lock();
        state.status = DeviceStatus::DRIVER_OK;
        state.ignores_reset = true;
    }
    let rings = bench.transport.with_queue(|queue| queue.descriptors);
    let error = ResetError { status: DeviceStatus::DRIVER_OK };
    assert_eq!(stop(&mut bench.queue), (Err(error), [42].into()));
    assert_eq!(bench.pool.available(), available);
    // Nor is it given to the device again, whatever that says of the queue.
    for ready in [true, false] {
        bench.transport.state.lock().ready = ready;
        let index = bench.queue.index();
        assert_eq!(bench.queue.restart(), Err(SetupError::InUse { index }));
    }
    bench.queue.start();
    let (error, ..) = bench.queue.add(bench.pool.chain(1, 1), 1).unwrap_err();
    assert_eq!(error, AddError::Stopped);
    bench.queue.release();
    assert!(DeviceMemory::read(rings, &mut [0; 16]));
}

#[ktest]
fn a_stopped_queue_frees_its_rings_and_a_running_one_does_not() {
    for stopped in [true, false] {
        let mut bench = bench(8, INDIRECT);
        let rings = bench.transport.with_queue(|queue| queue.descriptors);
        if stopped {
            assert_eq!(stop(&mut bench.queue).0, Ok(()));
        }
        bench.queue.release();
        assert_eq!(DeviceMemory::read(rings, &mut [0; 16]), !stopped);
    }
}

#[ktest]
fn a_stopped_queue_starts_again_from_nothing() {
    for features in [Features::empty(), EVENT_IDX | INDIRECT] {
        let mut bench = bench(4, features);
        for round in 0..3 {
            // Leave it in the middle of things: some returned, some not, and broken.
            for tag in 0..2 {
                bench.add(1, 1, tag);
            }
            bench.turn();
            bench.pop().unwrap();
            bench.transport.with_queue(|queue| queue.write_used_index(100));
            assert!(bench.try_pop().is_err());
            assert_eq!(stop(&mut bench.queue), (Ok(()), [1].into()));
            assert_eq!(bench.pop().map(|used| used.tag), None);
            // It takes nothing before it is restarted and started.
            let stopped = |bench: &mut Bench| {
                let (error, ..) = bench.queue.add(bench.pool.chain(1, 1), 9).unwrap_err();
                assert_eq!((error, bench.queue.free_segments()), (AddError::Stopped, 0));
            };
            bench.queue.start();
            stopped(&mut bench);
            bench.transport.state.lock().ready = true;
            assert_eq!(bench.queue.restart(), Err(SetupError::InUse { index: 0 }));
            bench.transport.state.lock().ready = false;
            bench.transport.state.lock().driver_features = features.bits();
            bench.queue.restart().unwrap();
            stopped(&mut bench);
            bench.queue.start();
            bench.assert_empty();
            bench.add(1, 1, round);
            assert!(bench.queue.should_notify());
            bench.turn();
            assert_eq!(bench.pop().unwrap().tag, round);
        }
        bench.transport.state.lock().queue_size_max = 2;
        assert_eq!(stop(&mut bench.queue).0, Ok(()));
        assert_eq!(bench.queue.restart(), Err(SetupError::NoSuchQueue { index: 0 }));
    }
}
