    /// Frees the descriptors of a chain that lies in the ring itself.
    fn free(&mut self, head: u16, count: u16) {
        // The first descriptor goes on top of the stack, for the next chain to start with.
        let start = self.free_descriptors.len();
        let mut descriptor = head;
        for _ in 0..count {
            self.free_descriptors.push(descriptor);
            descriptor =
                self.next_in_chain.get(usize::from(descriptor)).copied().unwrap_or(descriptor);
        }
        if let Some(chain) = self.free_descriptors.get_mut(start..) {
            chain.reverse();
        }
    }
