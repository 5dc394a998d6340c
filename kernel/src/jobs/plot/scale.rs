//! The axis of durations, on which each power of ten is as wide as any other.

use alloc::{format, string::String};
use core::ops::RangeInclusive;

/// The part of the axis that is shown: from one power of ten to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    /// Exponents of ten, of microseconds. The second is larger.
    from: i32,
    to: i32,
}

impl Scale {
    /// The shortest one that shows both durations, in microseconds above 0.
    pub fn of(shortest: f64, longest: f64) -> Self {
        // A duration of 64 bits has few digits.
        let from = libm::floor(libm::log10(shortest)) as i32;
        let to = libm::ceil(libm::log10(longest)) as i32;
        Self { from, to: to.max(from.saturating_add(1)) }
    }

    /// The exponents of the powers of ten on it.
    pub fn exponents(self) -> RangeInclusive<i32> {
        self.from..=self.to
    }

    /// The place of a duration, from 0 to 1 if it is shown.
    pub fn place(self, duration: f64) -> f64 {
        let (from, to) = (f64::from(self.from), f64::from(self.to));
        (libm::log10(duration) - from) / (to - from)
    }
}

/// The microseconds of a power of ten.
pub(super) fn power(exponent: i32) -> f64 {
    libm::pow(10.0, f64::from(exponent))
}

/// A duration of so many microseconds for people: three digits that count.
pub(super) fn name(duration: f64) -> String {
    let (value, unit) = match duration {
        below if below < 1e3 => (duration, "us"),
        below if below < 1e6 => (duration / 1e3, "ms"),
        _ => (duration / 1e6, "s"),
    };
    let decimals = match value {
        below if below < 9.995 => 2,
        below if below < 99.95 => 1,
        _ => 0,
    };
    let number = format!("{value:.decimals$}");
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => &number,
    };
    format!("{number} {unit}")
}

/// The distance between the marks of an axis up to `highest`: 1, 2 or 5 times a power of ten, with no more than five
/// marks.
pub(super) fn step(highest: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for step in [1, 2, 5].map(|digit| power.saturating_mul(digit)) {
            if highest / step <= 5 {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    #[ktest]
    fn a_scale_has_whole_powers_of_ten() {
        for (shortest, longest, exponents) in [
            (12.0, 95.0, 1..=2),
            (12.0, 101.0, 1..=3),
            (0.1, 2e6, -1..=7),
            (10.0, 10.0, 1..=2),
            (100.0, 1000.0, 2..=3),
        ] {
            assert_eq!(Scale::of(shortest, longest).exponents(), exponents, "{shortest} {longest}");
        }
        let scale = Scale::of(12.0, 950.0);
        for (duration, place) in [(10.0, 0.0), (100.0, 0.5), (1000.0, 1.0), (31.622_776_6, 0.25)] {
            assert!((scale.place(duration) - place).abs() < 1e-6, "{duration}");
        }
    }

    #[ktest]
    fn durations_have_names() {
        for (duration, text) in [
            (0.1, "0.1 us"),
            (1.0, "1 us"),
            (21.34, "21.3 us"),
            (123.4, "123 us"),
            (100.0, "100 us"),
            (1000.0, "1 ms"),
            (99_960.0, "100 ms"),
            (2_500_000.0, "2.5 s"),
            (300e6, "300 s"),
        ] {
            assert_eq!(name(duration), text);
        }
        assert_eq!((power(-1), power(0), power(3)), (0.1, 1.0, 1000.0));
    }

    #[ktest]
    fn marks_are_few_and_round() {
        for (highest, expected) in
            [(0, 1), (1, 1), (5, 1), (6, 2), (12, 5), (29, 5), (30, 10), (1000, 200), (1234, 500)]
        {
            assert_eq!(step(highest), expected, "{highest}");
        }
        assert!(u64::MAX / step(u64::MAX) <= 5);
    }
}
