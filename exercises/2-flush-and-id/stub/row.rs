        // TODO(exercise 2): the row of Operation::Flush is not written yet, see exercises/2-flush-and-id
