//! Unit tests of the queue, against a device's side written from the specification.

mod events;
mod lies;
mod life;
mod rings;

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

/// Stops the queue; gives the tags of what was outstanding, and drops its memory.
fn stop(queue: &mut Queue<Words, u32>) -> (Result<(), ResetError>, Vec<u32>) {
    let mut tags = Vec::new();
    let result = queue.stop(|memory, tag| {
        drop(memory);
        tags.push(tag);
    });
    (result, tags)
}
