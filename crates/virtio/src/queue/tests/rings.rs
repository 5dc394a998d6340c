//! Chains on their way to the device and back.

use ostd::arch::read_tsc;

use super::*;

#[ktest]
fn layout_is_that_of_the_specification() {
    // Computed by hand from section 2.7.2 for 8 entries.
    let layout = Layout::new(8);
    assert_eq!((layout.available, layout.used), (128, 4096));
    assert_eq!((layout.used_event, layout.avail_event), (128 + 4 + 16, 4096 + 4 + 64));
    assert_eq!(layout.bytes, 4096 + 4 + 64 + 2);
    // The parts of the largest queue do not overlap, and the first one takes four pages.
    let layout = Layout::new(1024);
    assert_eq!((layout.available, layout.used), (16_384, 20_480));
}

#[ktest]
fn entries_lie_where_the_specification_has_them() {
    let rings = Rings::alloc(8).unwrap();
    let base = rings.addresses().descriptor_table() as u64;
    // Number 9 is the second time round.
    rings.publish(9, 0x1234);
    let mut entry = [0; 2];
    assert!(DeviceMemory::read(base + 128 + 4 + 2, &mut entry));
    let mut index = [0; 2];
    assert!(DeviceMemory::read(base + 128 + 2, &mut index));
    assert_eq!((u16::from_le_bytes(entry), u16::from_le_bytes(index)), (0x1234, 10));
    // Number 65,535 is the last place.
    assert!(DeviceMemory::write(base + 4096 + 4 + 7 * 8, &[1, 2, 0, 0, 3, 0, 4, 0]));
    assert_eq!(rings.used_entry(65_535), (0x201, 0x4_0003));
}

#[ktest]
fn the_device_sees_the_chain_as_it_was_listed() {
    for features in [Features::empty(), INDIRECT] {
        let mut bench = bench(8, features);
        let chain = bench.pool.chain(2, 3);
        let words = chain.memory();
        let addresses: Vec<_> = words
            .read
            .iter()
            .chain(&words.write)
            .map(|word| word.extent().address as u64)
            .collect();
        words.read[0].write(&0x1122_3344).unwrap();
        bench.add_again(chain, 0);
        let chain = bench.take();
        assert_eq!(chain.table.is_some(), !features.is_empty());
        assert_eq!(chain.buffers.iter().map(|b| b.address).collect::<Vec<_>>(), addresses);
        let directions: Vec<_> = chain.buffers.iter().map(|b| b.writable).collect();
        assert_eq!(directions, [false, false, true, true, true]);
        assert!(chain.buffers.iter().all(|b| b.length == 8));
        assert_eq!(chain.readable()[..4], 0x1122_3344u32.to_le_bytes());

        chain.write(8, &7u64.to_le_bytes());
        bench.transport.with_queue(|queue| queue.give_back(chain.head, 24));
        let used = bench.pop().unwrap();
        assert_eq!(used.written, 24);
        assert_eq!(used.chain.memory().write[1].read().unwrap(), 7);
    }
}

#[ktest]
fn indices_wrap_past_65535() {
    for features in [Features::empty(), EVENT_IDX | INDIRECT] {
        let mut bench = bench(4, features);
        let mut spare = Some(bench.pool.chain(1, 1));
        for round in 0..70_000u32 {
            let mut chain = spare.take().unwrap();
            Words::link(&mut chain).unwrap();
            bench.add_again(chain, round);
            bench.turn();
            let used = bench.pop().unwrap();
            assert_eq!((used.chain.place, used.tag, used.written), (0, round, 8));
            spare = Some(used.chain);
        }
        assert!(bench.pop().is_none());
        bench.assert_empty();
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
        assert_eq!(
            (bench.queue.free_segments(), bench.queue.outstanding()),
            (0, usize::from(size))
        );
        let (error, _, tag) = bench.queue.add(bench.pool.chain(1, 1), 4711).unwrap_err();
        assert_eq!((error, tag), (AddError::Full, 4711));
        for _ in 0..size {
            bench.turn();
        }
        let tags: BTreeSet<_> = core::iter::from_fn(|| bench.pop()).map(|used| used.tag).collect();
        assert!(tags.into_iter().eq(0..u32::from(size)));
        bench.assert_empty();
    }
}

#[ktest]
fn direct_chains_take_a_descriptor_for_each_segment() {
    let mut bench = bench(8, Features::empty());
    assert_eq!((bench.queue.free_segments(), bench.queue.max_segments()), (8, 8));
    bench.add(2, 1, 0);
    bench.add(1, 2, 1);
    assert_eq!(bench.queue.free_segments(), 2);
    let (error, chain, _) = bench.queue.add(bench.pool.chain(1, 2), 2).unwrap_err();
    assert_eq!(error, AddError::Full);
    drop(chain);
    bench.turn();
    assert_eq!(bench.pop().unwrap().tag, 0);
    bench.add(1, 2, 2);
    assert_eq!(bench.queue.free_segments(), 2);
    assert_eq!(bench.queue.outstanding(), 2);
}

#[ktest]
fn chains_come_back_in_any_order() {
    for features in [Features::empty(), INDIRECT] {
        let mut bench = bench(16, features);
        let places: Vec<_> = (0..5).map(|tag| bench.add(1, 2, tag)).collect();
        let chains: Vec<_> = (0..5).map(|_| bench.take()).collect();
        for nth in [3, 0, 4, 2, 1] {
            bench.transport.with_queue(|queue| queue.give_back(chains[nth].head, 0));
            let used = bench.pop().unwrap();
            assert_eq!((used.tag, used.chain.place), (nth as u32, places[nth]));
        }
        // The free list is whole again: the queue can be filled to the last descriptor.
        bench.assert_empty();
        for tag in 0..5 {
            bench.add(1, 2, tag);
            bench.turn();
            assert_eq!(bench.pop().unwrap().tag, tag);
        }
    }
}

/// The chain that was used last is most likely in the cache.
#[ktest]
fn the_descriptors_that_came_back_last_are_used_first_and_in_their_order() {
    let mut bench = bench(8, Features::empty());
    let mut heads = Vec::new();
    for segments in [3, 1, 3, 2] {
        bench.add(segments, 1, 0);
        heads.push(bench.turn());
        bench.pop().unwrap();
    }
    assert_eq!(heads, [heads[0]; 4]);
}

#[ktest]
fn chains_against_the_rules_are_refused() {
    struct Bad {
        pages: DmaCoherent,
        incoming: DmaStream<FromDevice>,
    }
    fn list<'a>(fault: ChainError, bad: &'a Bad, segments: &mut Segments<'a>) {
        match fault {
            ChainError::Empty => {}
            ChainError::BadRange => segments.device_reads_part(&bad.pages, 4000..4097),
            ChainError::WrongDirection => segments.device_reads(&bad.incoming),
            ChainError::ReadAfterWrite => {
                segments.device_writes(&bad.incoming);
                segments.device_reads(&bad.pages);
            }
            ChainError::TooManySegments => {
                (0..=MAX_SEGMENTS).for_each(|_| segments.device_reads(&bad.pages));
            }
            _ => unreachable!(),
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
        let bad = Bad {
            pages: dma::alloc_coherent(1).unwrap(),
            incoming: DmaStream::alloc_uninit(1, true).unwrap(),
        };
        let mut chain = Box::new(Chain::new(bad, 0, None));
        // It was good once.
        chain.link(|bad, segments| segments.device_writes(&bad.incoming)).unwrap();
        assert_eq!(chain.link(|bad, segments| list(fault, bad, segments)), Err(fault));
        let (error, ..) = queue.add(chain, ()).unwrap_err();
        assert_eq!(error, AddError::Chain(ChainError::NotLinked));
    }
    assert_eq!((queue.outstanding(), queue.free_descriptors.len()), (0, 64));
    assert_eq!(transport.with_queue(|queue| queue.available_index()), 0);
    // A part must lie inside of its memory, whoever writes it.
    let mut chain = Chain::new(dma::alloc_coherent(1).unwrap(), 0, None);
    for (range, result) in [(4000..4096, Ok(())), (4000..4097, Err(ChainError::BadRange))] {
        assert_eq!(chain.link(|pages, list| list.device_reads_part(pages, range.clone())), result);
        assert_eq!(chain.link(|pages, list| list.device_writes_part(pages, range.clone())), result);
    }
}

#[ktest]
fn the_time_at_which_a_chain_was_sent_is_known() {
    let mut bench = bench(8, Features::empty());
    let before = read_tsc();
    bench.add(1, 1, 0);
    let between = read_tsc();
    bench.add(1, 1, 1);
    let mut times: Vec<_> = bench.queue.outstanding_since().collect();
    times.sort_unstable();
    assert_eq!(times.len(), 2);
    assert!((before..=between).contains(&times[0]) && (between..=read_tsc()).contains(&times[1]));
}

#[ktest]
fn a_chain_longer_than_the_queue_is_refused_and_not_full() {
    let mut bench = bench(4, Features::empty());
    let (error, ..) = bench.queue.add(bench.pool.chain(4, 1), 0).unwrap_err();
    assert_eq!(error, AddError::Chain(ChainError::TooManySegments));
}
