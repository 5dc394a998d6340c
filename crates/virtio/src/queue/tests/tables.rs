//! Indirect tables, which are written anew each time.

use super::*;

/// Lets the device write over the table of the only chain that is available; then the chain comes back.
fn spoil(bench: &mut Bench) -> Box<Chain<Words>> {
    let chain = bench.take();
    chain.change_table(|entries| entries.fill([0xa5; 16]));
    bench.transport.with_queue(|queue| queue.give_back(chain.head, 0));
    bench.pop().unwrap().chain
}

/// Sends a chain, and says which entries of its table have been written since the device spoilt it.
fn written(bench: &mut Bench, chain: Box<Chain<Words>>, entries: u16) -> Vec<bool> {
    let (table, segments) = (chain.table.as_ref().unwrap().extent().address, chain.segments());
    bench.add_again(chain, 0);
    let at = table as u64;
    let written = (0..u64::from(entries)).map(|entry| {
        let mut bytes = [0; 16];
        assert!(DeviceMemory::read(at + 16 * entry, &mut bytes));
        bytes != [0xa5; 16]
    });
    assert!(segments <= entries.into());
    written.collect()
}

#[ktest]
fn all_of_a_table_is_written_each_time() {
    let mut bench = bench(4, INDIRECT);
    bench.add(1, 2, 0);
    let mut chain = spoil(&mut bench);
    for _ in 0..3 {
        Words::link(&mut chain).unwrap();
        assert_eq!(written(&mut bench, chain, 3), [true; 3]);
        chain = spoil(&mut bench);
    }
    // No more than that.
    chain.memory_mut().write.truncate(1);
    Words::link(&mut chain).unwrap();
    assert_eq!(written(&mut bench, chain, 3), [true, true, false]);
    take_back_untaken(&mut bench);
}

/// The device returns the chain without a look at its table.
fn take_back_untaken(bench: &mut Bench) -> (Box<Chain<Words>>, u32) {
    bench.transport.with_queue(|queue| {
        let head = queue.newest();
        queue.skip();
        queue.give_back(head, 0);
    });
    let used = bench.pop().unwrap();
    (used.chain, used.tag)
}

#[ktest]
fn a_chain_that_grows_and_shrinks_is_described_as_it_is() {
    let mut bench = bench(8, INDIRECT);
    bench.add(1, 1, 0);
    bench.turn();
    let mut chain = bench.pop().unwrap().chain;
    for (round, write) in [3, 1, 2, 2, 5, 1, 4].into_iter().enumerate() {
        let mut words = bench.pool.chain(0, write);
        chain.memory_mut().write = core::mem::take(&mut words.memory_mut().write);
        Words::link(&mut chain).unwrap();
        let expected: Vec<_> = chain
            .memory()
            .read
            .iter()
            .chain(&chain.memory().write)
            .map(|word| word.extent().address as u64)
            .collect();
        bench.add_again(chain, round as u32);
        let seen = bench.take();
        assert_eq!(seen.buffers.iter().map(|b| b.address).collect::<Vec<_>>(), expected);
        assert!(seen.buffers.iter().enumerate().all(|(place, b)| b.writable == (place > 0)));
        bench.transport.with_queue(|queue| queue.give_back(seen.head, 0));
        chain = bench.pop().unwrap().chain;
    }
}

#[ktest]
fn a_chain_that_may_have_changed_cannot_be_sent() {
    for features in [INDIRECT, Features::empty()] {
        let mut bench = bench(8, features);
        let mut chain = bench.pool.chain(1, 1);
        chain.memory_mut().write.clear();
        let (error, mut chain, _) = bench.queue.add(chain, 0).unwrap_err();
        assert_eq!(error, AddError::Chain(ChainError::NotLinked));
        Words::link(&mut chain).unwrap();
        bench.add_again(chain, 1);
        assert_eq!(bench.take().buffers.len(), 1);
    }
}

#[ktest]
fn a_chain_is_linked_for_each_time_that_it_is_sent() {
    for features in [INDIRECT, Features::empty()] {
        let mut bench = bench(8, features);
        bench.add(1, 1, 0);
        bench.turn();
        // The device may have written over its table.
        let chain = bench.pop().unwrap().chain;
        let (error, mut chain, _) = bench.queue.add(chain, 0).unwrap_err();
        assert_eq!(error, AddError::Chain(ChainError::NotLinked));
        Words::link(&mut chain).unwrap();
        bench.add_again(chain, 1);
        assert_eq!(bench.take().buffers.len(), 2);
    }
}

#[ktest]
fn a_chain_of_another_kind_of_queue_is_refused() {
    for (features, other) in [(INDIRECT, Features::empty()), (Features::empty(), INDIRECT)] {
        let (mut bench, foreign) = (bench(8, features), bench(8, other));
        let (error, ..) = bench.queue.add(foreign.pool.chain(1, 1), 0).unwrap_err();
        assert_eq!(error, AddError::Chain(ChainError::WrongQueue));
        bench.assert_empty();
    }
}

#[ktest]
fn a_table_takes_as_many_segments_as_it_has_entries() {
    const NEXT_TABLE: Descriptor = Descriptor { address: 0xa5, length: 0xa5, flags: 0, next: 0xa5 };

    let tables = DmaSliceAlloc::<Table, _>::coherent(2).unwrap();
    for has_table in [true, false] {
        let (table, next) = (tables.alloc().unwrap(), tables.alloc().unwrap());
        // They lie back to back, in one order or the other.
        next.write(&[NEXT_TABLE; MAX_SEGMENTS]).unwrap();
        let pages = dma::alloc_coherent(1).unwrap();
        let mut chain = Chain::new(pages, 0, has_table.then_some(table));
        for (segments, outcome) in [
            (MAX_SEGMENTS, Ok(())),
            (MAX_SEGMENTS + 1, Err(ChainError::TooManySegments)),
            (MAX_SEGMENTS + 2, Err(ChainError::TooManySegments)),
            (MAX_SEGMENTS, Ok(())),
        ] {
            let linked = chain.link(|pages, list| {
                (0..segments).for_each(|_| list.device_reads(pages));
            });
            assert_eq!((linked, chain.is_linked()), (outcome, outcome.is_ok()));
            assert_eq!(next.read().unwrap(), [NEXT_TABLE; MAX_SEGMENTS]);
        }
    }
}
