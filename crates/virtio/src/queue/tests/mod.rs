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
        fake::{DeviceMemory, DeviceQueue, FakeTransport, Words},
        init::Features,
        reset::ResetError,
        transport::{DeviceStatus, Version},
    },
    layout::{Layout, event_passed},
    *,
};
use crate::dma::{CACHE_COHERENT, DmaMemory, DmaSliceAlloc};

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
        let words = Words::new(&self.pool, read, write);
        assert_eq!((words.read.len(), words.write.len()), (read, write), "the pool is empty");
        words
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
