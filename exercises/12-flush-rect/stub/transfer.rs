    /// The byte of the backing at which an area starts.
    fn offset(&self, area: Rect) -> usize {
        // TODO(exercise 12): only areas in the upper left corner start there, see exercises/12-flush-rect
        let _ = area;
        0
    }

    /// The command by which the device copies an area from the backing.
    #[inline]
    pub fn transfer(&self, area: Rect) -> Command {
        let fields = [0, 0, self.number, 0];
        kind::TRANSFER_TO_HOST_2D.of(area, fields)
    }
