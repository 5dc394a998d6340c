//! Unit tests of the queue, against a device's side written from the specification.

use alloc::{collections::BTreeSet, vec::Vec};

use ostd::{
    mm::dma::{DmaCoherent, DmaStream, FromDevice},
    prelude::ktest,
};

use super::{
    super::{
        fake::{DeviceMemory, DeviceQueue, FakeTransport},
        init::Features,
        reset::ResetError,
        transport::{DeviceStatus, Version},
    },
    layout::{Layout, event_passed},
    *,
};
use crate::dma::{CACHE_COHERENT, DmaMemory, DmaSlice, DmaSliceAlloc};

type Word = DmaSlice<u64, DmaCoherent>;

/// Words to read, then words to write.
#[derive(Debug)]
struct Words {
    read: Vec<Word>,
    write: Vec<Word>,
}

impl Chain for Words {
    fn segments<'a>(&'a self, list: &mut Segments<'a>) {
        self.read.iter().for_each(|word| list.device_reads(word));
        self.write.iter().for_each(|word| list.device_writes(word));
    }
}

struct Bench {
    transport: Arc<FakeTransport>,
    queue: Queue<Words, u32>,
    pool: DmaSliceAlloc<u64, DmaCoherent>,
}

const INDIRECT: Features = Features::RING_INDIRECT_DESC;
const EVENT_IDX: Features = Features::RING_EVENT_IDX;

fn bench(size: u16, features: Features) -> Bench {
    let transport = FakeTransport::new(Version::Modern, features.bits());
    {
        let mut state = transport.state.lock();
        state.queue_size_max = 1024;
        state.driver_features = features.bits();
    }
    let queue = Queue::new(transport.clone(), 0, features, size).unwrap();
    let pool = DmaSliceAlloc::new(DmaCoherent::alloc(32, CACHE_COHERENT).unwrap());
    Bench { transport, queue, pool }
}

impl Bench {
    fn words(&self, read: usize, write: usize) -> Words {
        let take = |count| (0..count).map(|_| self.pool.alloc().unwrap()).collect();
        Words { read: take(read), write: take(write) }
    }

    fn add(&mut self, read: usize, write: usize, tag: u32) -> Token {
        let words = self.words(read, write);
        self.queue.add(words, tag).unwrap_or_else(|(error, ..)| panic!("{error:?}"))
    }

    /// The device takes a chain and returns it at once.
    fn turn(&self) -> u16 {
        self.transport.with_queue(|queue| {
            let chain = queue.take().expect("a chain is available");
            queue.give_back(chain.head, chain.writable_length());
            chain.head
        })
    }

    fn pop(&mut self) -> Option<Used<Words, u32>> {
        self.queue.pop().unwrap()
    }
}

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

#[ktest]
fn a_scribbling_device_confuses_only_itself() {
    let mut bench = bench(8, Features::empty());
    for tag in 0..2 {
        bench.add(1, 2, tag);
    }
    let chains: Vec<_> =
        (0..2).map(|_| bench.transport.with_queue(|queue| queue.take()).unwrap()).collect();
    bench.transport.with_queue(|queue| queue.scribble());
    for chain in chains {
        bench.transport.with_queue(|queue| queue.give_back(chain.head, 16));
    }
    assert_eq!((bench.pop().unwrap().tag, bench.pop().unwrap().tag), (0, 1));
    assert_eq!(bench.queue.free.iter().collect::<BTreeSet<_>>().len(), 8);
}

/// Stops the queue; gives the tags of what was outstanding, and drops its memory.
fn stop(queue: &mut Queue<Words, u32>) -> (Result<(), ResetError>, Vec<u32>) {
    let mut tags = Vec::new();
    let result = queue.stop(|memory, tag| {
        drop(memory);
        tags.push(tag);
    });
    (result, tags)
}

/// One outstanding chain with 8 writable bytes at `head`, and a lie about it.
fn lie(tell: impl FnOnce(&mut DeviceQueue, u16)) -> Violation {
    let mut bench = bench(8, Features::empty());
    bench.add(1, 1, 0);
    bench.transport.with_queue(|queue| {
        let head = queue.take().unwrap().head;
        tell(queue, head);
    });
    let violation = bench.queue.pop().unwrap_err();
    // Broken for good, also for those who want to add.
    assert_eq!(bench.queue.pop().unwrap_err(), violation);
    let (error, ..) = bench.queue.add(bench.words(1, 1), 1).unwrap_err();
    assert_eq!(error, AddError::Broken(violation));
    // What was outstanding is still owned, and comes back after a reset.
    let before = bench.pool.available();
    assert_eq!(stop(&mut bench.queue), (Ok(()), [0].into()));
    assert_eq!(bench.pool.available(), before + 2);
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
    let transport = FakeTransport::new(Version::Legacy, 0);
    let mut queue = Queue::new(transport.clone(), 0, Features::empty(), 8).unwrap();
    let pool: DmaSliceAlloc<u64, _> =
        DmaSliceAlloc::new(DmaCoherent::alloc(1, CACHE_COHERENT).unwrap());
    for written in [0, 8, 4711] {
        let words = Words { read: Vec::new(), write: pool.alloc().into_iter().collect() };
        queue.add(words, ()).unwrap();
        transport.with_queue(|queue| {
            let head = queue.take().unwrap().head;
            queue.give_back(head, written);
        });
        assert_eq!(queue.pop().unwrap().unwrap().written, 8);
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
    let violation = bench.queue.pop().unwrap_err();
    assert_eq!(violation, Violation::NotOutstanding { id: head.into() });
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
    let (rings, chain) =
        bench.transport.with_queue(|queue| (queue.descriptors, queue.take().unwrap()));
    let Bench { transport, queue, pool } = bench;
    drop(queue);
    // The device goes on as if nothing had happened, and finds its memory where it was.
    chain.write(0, &[1; 8]);
    assert_eq!(pool.available(), available);
    assert!(DeviceMemory::read(rings, &mut [0; 16]));
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
    let index = 0;
    assert_eq!(bench.queue.restart(), Err(SetupError::InUse { index }));
    let (error, ..) = bench.queue.add(bench.words(1, 1), 1).unwrap_err();
    assert_eq!(error, AddError::Stopped);
    bench.queue.free();
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
        bench.queue.free();
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
            assert!(bench.queue.pop().is_err());
            assert_eq!(stop(&mut bench.queue), (Ok(()), [1].into()));
            assert_eq!(bench.queue.pop().unwrap().map(|used| used.tag), None);
            bench.transport.state.lock().driver_features = features.bits();
            bench.queue.restart().unwrap();
            assert_eq!((bench.queue.outstanding(), bench.queue.free.len()), (0, 4));
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
