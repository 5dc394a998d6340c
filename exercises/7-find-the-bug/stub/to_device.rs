    // TODO(exercise 7): this queue corrupts with two requests in flight, see exercises/7-find-the-bug
    /// Writes the descriptors of a chain; gives the number of the first one in the ring.
    #[inline(always)]
    fn describe(&mut self, chain: &mut Chain<M>) -> Result<u16, AddError> {
        match self.run {
            Run::Running => {}
            Run::Broken(violation) => return Err(AddError::Broken(violation)),
            Run::Stopped | Run::Prepared | Run::Lost => return Err(AddError::Stopped),
        }
        if !chain.linked {
            return Err(AddError::Chain(ChainError::NotLinked));
        }
        if chain.table.is_some() != self.indirect {
            return Err(AddError::Chain(ChainError::WrongQueue));
        }
        let segments = usize::from(chain.segments);
        if segments > self.max_segments {
            return Err(AddError::Chain(ChainError::TooManySegments));
        }
        let head = match &chain.table {
            Some(table) => {
                let head = self.free_descriptors.pop().ok_or(AddError::Full)?;
                let address = table.extent().address as u64;
                let length = (segments * size_of::<Descriptor>()) as u32;
                let flags = Descriptor::INDIRECT;
                self.rings.write_descriptor(head, Descriptor { address, length, flags, next: 0 });
                chain.occupied = 1;
                head
            }
            None => {
                let descriptors = chain.list.get(..segments);
                let descriptors = descriptors.ok_or(ChainError::TooManySegments)?;
                let head = self.describe_in_ring(descriptors)?;
                chain.occupied = chain.segments;
                head
            }
        };
        chain.linked = false;
        Ok(head)
    }

    /// Writes the descriptors of a chain into the ring itself, where each takes a free place.
    #[cold]
    fn describe_in_ring(&mut self, descriptors: &[Descriptor]) -> Result<u16, AddError> {
        let start = self.free_descriptors.len().checked_sub(descriptors.len());
        let free = start.and_then(|start| self.free_descriptors.get(start..));
        let (Some(start), Some(&head), Some(numbers)) = (start, self.free_descriptors.last(), free)
        else {
            return Err(AddError::Full);
        };
        // The free list is a stack: the chain takes its descriptors from the top down.
        let mut numbers = numbers.iter().rev().copied().peekable();
        let mut descriptors = descriptors.iter();
        while let (Some(number), Some(descriptor)) = (numbers.next(), descriptors.next()) {
            let mut descriptor = *descriptor;
            if let (Some(next), Some(link)) =
                (numbers.peek(), self.next_in_chain.get_mut(usize::from(number)))
            {
                // Linked, they count from 0; in the ring the chain begins at its head.
                descriptor.next = head.wrapping_add(descriptor.next);
                *link = *next;
            }
            self.rings.write_descriptor(number, descriptor);
        }
        self.free_descriptors.truncate(start);
        Ok(head)
    }

    /// Returns `true` if the device wants a notification for what was added since this was last asked.
    ///
    /// Add any number of chains, ask once, and if the answer is yes call
    /// [`super::Transport::notify`] with [`Self::index`], best without the lock of the queue. A yes that is
    /// not followed by a notification may leave the chains lying (section 2.7.13.4).
    #[inline(always)]
    pub fn should_notify(&mut self) -> bool {
        let (new, old) = (self.next_available, self.last_notify_check);
        if new == old {
            return false;
        }
        self.last_notify_check = new;
        if self.event_idx {
            event_passed(self.rings.avail_event(), new, old)
        } else {
            !self.rings.notifications_suppressed()
        }
    }
