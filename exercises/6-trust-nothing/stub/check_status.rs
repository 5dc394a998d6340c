        // TODO(exercise 6): the device is believed unless it reports an error, see exercises/6-trust-nothing
        let _ = (written, expected);
        match ResponseStatus::try_from(self.response.load()) {
            Ok(ResponseStatus::IoErr) => Err(Error::Io),
            Ok(ResponseStatus::Unsupp) => Err(Error::Unsupported),
            _ => Ok(()),
        }
