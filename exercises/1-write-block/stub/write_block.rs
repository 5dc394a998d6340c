        // TODO(exercise 1): write_block is not written yet, see exercises/1-write-block
        // The five steps are those of read_block above. Which type does the request have, and who
        // writes which segment?
        let _ = (RequestType::In, RequestType::Out);
        Err(Error::Driver("exercise 1: write_block is not written yet, see exercises/1-write-block"))
