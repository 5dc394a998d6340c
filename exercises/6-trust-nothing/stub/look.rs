        // TODO(exercise 6): the used index is hardly checked, see exercises/6-trust-nothing
        if returned > self.rings.size() {
            let outstanding = self.outstanding_count;
            let violation = Violation::UsedIndexJumped { returned, outstanding };
            self.run = Run::Broken(violation);
            return Err(violation);
        }
