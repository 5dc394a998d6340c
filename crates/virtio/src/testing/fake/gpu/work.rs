//! The way of a command through the fake GPU: taken, executed, and returned as its fault has it.

use alloc::{vec, vec::Vec};
use core::iter;

use super::{
    super::{DeviceChain, DeviceMemory},
    CONTROLQ, CURSORQ, FakeGpu, GpuFault,
};
use crate::transport::{DeviceStatus, InterruptStatus};

impl FakeGpu {
    /// Executes everything available, then interrupts if the driver wants that.
    pub fn work(&self) {
        for queue in [CONTROLQ, CURSORQ] {
            let take = || self.transport.try_with_queue_of(queue, |queue| queue.take()).flatten();
            // All are taken first: a fault may leave no way to find the others.
            let chains: Vec<_> = iter::from_fn(take).collect();
            self.inner.lock().steps += chains.len() as u64;
            let resets = self.transport.resets();
            for chain in chains {
                if self.transport.resets() != resets {
                    // They are its own no more.
                    break;
                }
                match queue {
                    CONTROLQ => self.execute(chain),
                    _ => self.execute_cursor(chain),
                }
            }
        }
        let wanted = |queue| {
            self.transport.try_with_queue_of(queue, |queue| queue.should_interrupt()) == Some(true)
        };
        // Both are asked, as each counts for itself.
        if wanted(CONTROLQ) | wanted(CURSORQ) {
            self.transport.interrupt(InterruptStatus::USED_BUFFER);
        }
    }

    fn execute(&self, chain: DeviceChain) {
        let mut inner = self.current();
        let fault = inner.faults.pop_front().flatten();
        match fault {
            Some(GpuFault::Lose) => return,
            Some(GpuFault::Reset) => {
                drop(inner);
                self.transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
                self.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
                return;
            }
            _ => {}
        }
        let request = chain.readable();
        let word = |at: usize| u32::from_le_bytes(request[at..at + 4].try_into().unwrap());
        inner.log.push(word(0));
        let mut answer = match fault {
            Some(GpuFault::Refuse(kind)) => kind.to_le_bytes().to_vec(),
            _ => inner.answer(word(0), &request),
        };
        drop(inner);
        if let Some(GpuFault::Type(kind)) = fault {
            answer[..4].copy_from_slice(&kind.to_le_bytes());
        }
        let own = u64::from(word(8)) | u64::from(word(12)) << 32;
        let (flags, fence) = match fault {
            Some(GpuFault::Fence(fence)) => (u32::from(fence.is_some()), fence.unwrap_or(0)),
            Some(GpuFault::FenceOf(later)) => (1, own.wrapping_add_signed(later)),
            _ => (word(4) & 1, own),
        };
        let mut response = answer[..4].to_vec();
        response.extend(flags.to_le_bytes());
        response.extend(fence.to_le_bytes());
        response.extend([0; 8]);
        response.extend(&answer[4..]);
        match fault {
            Some(GpuFault::NoAnswer) => {}
            Some(GpuFault::Garbage(byte)) => chain.write(0, &vec![byte; response.len()]),
            Some(GpuFault::HeaderOnly) => chain.write(0, &response[..24]),
            _ => chain.write(0, &response),
        }
        if let (Some(GpuFault::Scribble), Some(request)) = (fault, chain.buffers.first()) {
            assert!(DeviceMemory::write(request.address, &vec![0xa5; request.length as usize]));
        }
        self.give_back(CONTROLQ, &chain, response.len() as u32, fault);
    }

    fn execute_cursor(&self, chain: DeviceChain) {
        let request = chain.readable();
        assert_eq!((request.len(), chain.writable_length()), (56, 0), "a cursor has no answer");
        let word = |at: usize| u32::from_le_bytes(request[at..at + 4].try_into().unwrap());
        let mut inner = self.current();
        inner.log.push(word(0));
        let cursor = (word(0), (word(28), word(32)), word(40), (word(44), word(48)));
        if let Some(output) = inner.cursors.get_mut(word(24) as usize) {
            *output = Some(cursor);
        }
        let fault = inner.cursor_faults.pop_front().flatten();
        drop(inner);
        if fault != Some(GpuFault::Lose) {
            self.give_back(CURSORQ, &chain, 0, fault);
        }
    }

    /// Returns a chain in which it has written so much, as the fault has it.
    fn give_back(&self, queue: usize, chain: &DeviceChain, written: u32, fault: Option<GpuFault>) {
        self.inner.lock().steps += 1;
        let (mut id, mut written, mut times, mut ahead) = (chain.head.into(), written, 1, 0);
        match fault {
            Some(GpuFault::Written(lie)) => written = lie,
            Some(GpuFault::Id(lie)) => id = lie,
            Some(GpuFault::Twice) => times = 2,
            Some(GpuFault::Ahead(lie)) => ahead = lie,
            _ => {}
        }
        self.transport.try_with_queue_of(queue, |queue| {
            if fault == Some(GpuFault::Scribble) {
                queue.scribble();
            }
            for _ in 0..times {
                queue.write_used(queue.next_used, id, written);
                queue.next_used = queue.next_used.wrapping_add(1);
            }
            queue.next_used = queue.next_used.wrapping_add(ahead);
            queue.write_used_index(queue.next_used);
        });
    }
}
