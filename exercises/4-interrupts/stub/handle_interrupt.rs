        // TODO(exercise 4): an interrupt may have two causes, and not all it tells is looked at, see
        // exercises/4-interrupts
        if self.transport.acknowledge_interrupt() != InterruptStatus::empty() {
            self.configuration_changed();
        }
