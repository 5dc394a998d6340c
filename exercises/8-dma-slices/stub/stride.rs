        // TODO(exercise 8): a page for each slot, see exercises/8-dma-slices
        size_of::<T>().next_multiple_of(PAGE_SIZE)
