        // TODO(exercise 2): device_id is not written yet, see exercises/2-flush-and-id
        // The device writes at most SERIAL_BYTES bytes. Disks are used without a name until then.
        let _ = (RequestType::GetId, RequestType::Flush);
        Ok(Err(Error::Driver("exercise 2: device_id is not written yet")))
