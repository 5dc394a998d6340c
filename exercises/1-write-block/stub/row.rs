        // TODO(exercise 1): the row of Operation::Write is not written yet, see exercises/1-write-block
