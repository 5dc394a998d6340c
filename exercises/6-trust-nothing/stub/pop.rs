        // TODO(exercise 6): the used entry is believed so far, see exercises/6-trust-nothing
        let (id, mut written) = self.rings.used_entry(self.next_used);
        self.next_used = self.next_used.wrapping_add(1);
        let record = usize::try_from(id).ok().and_then(|id| self.outstanding.get_mut(id));
        // There is nothing to give back under a number that heads no chain. Is that all there is to say?
        let Some(Outstanding { chain, tag }) = record.and_then(Option::take) else {
            return Ok(None);
        };
        let chain = ManuallyDrop::into_inner(chain);
        if self.ignores_length {
            written = chain.writable;
        }
        // Cannot truncate: it is a number of a descriptor.
        match chain.occupied {
            1 => self.free_descriptors.push(id as u16),
            several => self.free(id as u16, several),
        }
        self.outstanding_count -= 1;
        Ok(Some(Used { chain, tag, written }))
