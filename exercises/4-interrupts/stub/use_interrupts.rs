        // TODO(exercise 4): whoever waits goes on polling, see exercises/4-interrupts
