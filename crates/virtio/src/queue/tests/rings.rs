//! Chains on their way to the device and back.

use super::*;

#[ktest]
fn layout_is_that_of_the_specification() {
    // Computed by hand from section 2.7.2 for 8 entries.
    let layout = Layout::new(8);
    assert_eq!((layout.available, layout.used), (128, 4096));
    assert_eq!((layout.used_event(), layout.avail_event()), (128 + 4 + 16, 4096 + 4 + 64));
    assert_eq!(layout.bytes, 4096 + 4 + 64 + 2);
    assert_eq!(layout.available_entry(9), 128 + 4 + 2);
    assert_eq!(layout.used_entry(65_535), 4096 + 4 + 7 * 8);
    // The parts of the largest queue do not overlap, and the first one takes four pages.
    let layout = Layout::new(1024);
    assert_eq!((layout.available, layout.used), (16_384, 20_480));
}

#[ktest]
fn the_device_sees_the_chain_as_it_was_listed() {
    for features in [Features::empty(), INDIRECT] {
        let mut bench = bench(8, features);
        let words = bench.words(2, 3);
        let addresses: Vec<_> = words
            .read
            .iter()
            .chain(&words.write)
            .map(|word| word.extent().address as u64)
            .collect();
        words.read[0].write(&0x1122_3344).unwrap();
        bench.queue.add(words, 0).unwrap();
        let chain = bench.transport.with_queue(|queue| queue.take()).unwrap();
        assert_eq!(chain.indirect, !features.is_empty());
        assert_eq!(chain.buffers.iter().map(|b| b.address).collect::<Vec<_>>(), addresses);
        let directions: Vec<_> = chain.buffers.iter().map(|b| b.writable).collect();
        assert_eq!(directions, [false, false, true, true, true]);
        assert!(chain.buffers.iter().all(|b| b.length == 8));
        assert_eq!(chain.readable()[..4], 0x1122_3344u32.to_le_bytes());

        chain.write(8, &7u64.to_le_bytes());
        bench.transport.with_queue(|queue| queue.give_back(chain.head, 24));
        let used = bench.pop().unwrap();
        assert_eq!(used.written, 24);
        assert_eq!(used.memory.write[1].read().unwrap(), 7);
    }
}

#[ktest]
fn indices_wrap_past_65535() {
    for features in [Features::empty(), EVENT_IDX | INDIRECT] {
        let mut bench = bench(4, features);
        let mut words = Some(bench.words(1, 1));
        for round in 0..70_000u32 {
            let token = bench.queue.add(words.take().unwrap(), round).unwrap();
            bench.turn();
            let used = bench.pop().unwrap();
            assert_eq!((used.token, used.tag, used.written), (token, round, 8));
            words = Some(used.memory);
        }
        assert!(bench.pop().is_none());
        assert_eq!(bench.queue.free.len(), 4);
    }
}

#[ktest]
fn every_size_fills_up_and_empties() {
    for log2 in 0..=10 {
        let size = 1u16 << log2;
        let mut bench = bench(size, INDIRECT);
        assert_eq!(bench.queue.size(), size);
        for tag in 0..u32::from(size) {
            bench.add(1, 1, tag);
        }
        assert_eq!((bench.queue.room(), bench.queue.outstanding()), (0, usize::from(size)));
        let (error, _, tag) = bench.queue.add(bench.words(1, 1), 4711).unwrap_err();
        assert_eq!((error, tag), (AddError::Full, 4711));
        for _ in 0..size {
            bench.turn();
        }
        let tags: BTreeSet<_> = core::iter::from_fn(|| bench.pop()).map(|used| used.tag).collect();
        assert!(tags.into_iter().eq(0..u32::from(size)));
        assert_eq!(bench.queue.free.len(), usize::from(size));
    }
}

#[ktest]
fn direct_chains_take_a_descriptor_for_each_segment() {
    let mut bench = bench(8, Features::empty());
    assert_eq!((bench.queue.room(), bench.queue.max_segments()), (8, 8));
    bench.add(2, 1, 0);
    bench.add(1, 2, 1);
    assert_eq!(bench.queue.room(), 2);
    let (error, memory, _) = bench.queue.add(bench.words(1, 2), 2).unwrap_err();
    assert_eq!(error, AddError::Full);
    drop(memory);
    bench.turn();
    assert_eq!(bench.pop().unwrap().tag, 0);
    bench.add(1, 2, 2);
    assert_eq!(bench.queue.room(), 2);
    assert_eq!(bench.queue.outstanding(), 2);
}

#[ktest]
fn chains_come_back_in_any_order() {
    for features in [Features::empty(), INDIRECT] {
        let mut bench = bench(16, features);
        let tokens: Vec<_> = (0..5).map(|tag| bench.add(1, 2, tag)).collect();
        let chains: Vec<_> =
            (0..5).map(|_| bench.transport.with_queue(|queue| queue.take()).unwrap()).collect();
        for place in [3, 0, 4, 2, 1] {
            bench.transport.with_queue(|queue| queue.give_back(chains[place].head, 0));
            let used = bench.pop().unwrap();
            assert_eq!((used.tag, used.token), (place as u32, tokens[place]));
        }
        // The free list is whole again: the queue can be filled to the last descriptor.
        assert_eq!(bench.queue.free.iter().collect::<BTreeSet<_>>().len(), 16);
        for tag in 0..5 {
            bench.add(1, 2, tag);
            bench.turn();
            assert_eq!(bench.pop().unwrap().tag, tag);
        }
    }
}

#[ktest]
fn chains_against_the_rules_are_refused() {
    struct Bad {
        pages: DmaCoherent,
        incoming: DmaStream<FromDevice>,
        fault: ChainError,
    }
    impl Chain for Bad {
        fn segments<'a>(&'a self, list: &mut Segments<'a>) {
            match self.fault {
                ChainError::Empty => {}
                ChainError::BadRange => list.device_reads_part(&self.pages, 4000..4097),
                ChainError::WrongDirection => list.device_reads(&self.incoming),
                ChainError::ReadAfterWrite => {
                    list.device_writes(&self.incoming);
                    list.device_reads(&self.pages);
                }
                ChainError::TooManySegments => {
                    (0..=MAX_SEGMENTS).for_each(|_| list.device_reads(&self.pages));
                }
                ChainError::TooLong => unreachable!(),
            }
        }
    }
    let transport = FakeTransport::new(Version::Modern, 0);
    let mut queue = Queue::new(transport.clone(), 0, Features::empty(), 64).unwrap();
    for fault in [
        ChainError::Empty,
        ChainError::BadRange,
        ChainError::WrongDirection,
        ChainError::ReadAfterWrite,
        ChainError::TooManySegments,
    ] {
        let chain = Bad {
            pages: DmaCoherent::alloc(1, CACHE_COHERENT).unwrap(),
            incoming: DmaStream::alloc_uninit(1, CACHE_COHERENT).unwrap(),
            fault,
        };
        let (error, ..) = queue.add(chain, ()).map_err(|(e, c, ())| (e, c.fault)).unwrap_err();
        assert_eq!(error, AddError::Chain(fault));
    }
    assert_eq!((queue.outstanding(), queue.free.len()), (0, 64));
    assert_eq!(transport.with_queue(|queue| queue.available_index()), 0);
}

#[ktest]
fn a_chain_longer_than_the_queue_is_refused_and_not_full() {
    let mut bench = bench(4, Features::empty());
    let (error, ..) = bench.queue.add(bench.words(4, 1), 0).unwrap_err();
    assert_eq!(error, AddError::Chain(ChainError::TooManySegments));
}
