//! Unit tests of the queue, against a device's side written from the specification.

mod events;
mod lies;
mod life;
mod rings;
mod tables;

use alloc::{collections::BTreeSet, vec::Vec};

use dma::{DmaMemory, DmaSliceAlloc};
use ostd::{
    mm::dma::{DmaCoherent, DmaStream, FromDevice},
    prelude::ktest,
};

use super::{layout::Layout, split::event_passed, *};
use crate::{
    reset::ResetError,
    testing::fake::{DeviceChain, DeviceMemory, DeviceQueue, FakeTransport, Words, WordsPool},
    transport::DeviceStatus,
};

struct Bench {
    transport: Arc<FakeTransport>,
    queue: Queue<Words, u32>,
    pool: WordsPool,
}

const INDIRECT: Features = Features::RING_INDIRECT_DESC;
const EVENT_IDX: Features = Features::RING_EVENT_IDX;

fn bench(size: u16, features: Features) -> Bench {
    bench_of(Version::Modern, size, features)
}

fn bench_of(version: Version, size: u16, features: Features) -> Bench {
    let transport = FakeTransport::new(version, features.bits());
    {
        let mut state = transport.state.lock();
        state.queue_size_max = 1024;
        state.driver_features = features.bits();
    }
    let queue = Queue::new(transport.clone(), 0, features, size).unwrap();
    let tables = features.contains(INDIRECT).then(|| usize::from(size) + 1);
    Bench { transport, queue, pool: WordsPool::new(32 * 512, tables) }
}

impl Bench {
    /// Puts a chain into the queue; gives its number among all chains.
    fn add(&mut self, read: usize, write: usize, tag: u32) -> u16 {
        let chain = self.pool.chain(read, write);
        let place = chain.place;
        self.add_again(chain, tag);
        place
    }

    fn add_again(&mut self, chain: Box<Chain<Words>>, tag: u32) {
        self.queue.add(chain, tag).unwrap_or_else(|(error, ..)| panic!("{error:?}"));
    }

    /// The device takes a chain.
    fn take(&self) -> DeviceChain {
        self.transport.with_queue(|queue| queue.take()).expect("a chain is available")
    }

    /// The device takes a chain and returns it at once.
    fn turn(&self) -> u16 {
        let chain = self.take();
        self.transport.with_queue(|queue| queue.give_back(chain.head, chain.writable_length()));
        chain.head
    }

    /// Looks at the used ring and takes back one chain.
    fn try_pop(&mut self) -> Result<Option<Used<Words, u32>>, Violation> {
        self.queue.look()?;
        self.queue.pop()
    }

    fn pop(&mut self) -> Option<Used<Words, u32>> {
        self.try_pop().unwrap()
    }

    /// All descriptors of the ring are free, each once.
    fn assert_empty(&self) {
        let free = &self.queue.free_descriptors;
        let different: BTreeSet<_> = free.iter().collect();
        assert_eq!(self.queue.outstanding(), 0);
        let size = usize::from(self.queue.size());
        assert_eq!((free.len(), different.len()), (size, size));
    }
}

/// Stops the queue; gives the tags of what was outstanding, and drops its memory.
fn stop(queue: &mut Queue<Words, u32>) -> (Result<(), ResetError>, Vec<u32>) {
    let mut tags = Vec::new();
    let result = queue.stop(|chain, tag| {
        drop(chain);
        tags.push(tag);
    });
    (result, tags)
}
