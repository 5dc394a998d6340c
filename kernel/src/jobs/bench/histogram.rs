//! Counts durations in buckets, so that percentiles take a fixed amount of memory. Values below 1024
//! have a bucket each; above, each power of two is split into 512 buckets, which keeps every value
//! within 0.2 %.

use alloc::{vec, vec::Vec};

/// Buckets in each power of two, as a power of two.
const SPLIT_BITS: u32 = 9;
const SPLIT: u64 = 1 << SPLIT_BITS;
/// Enough for any 64-bit value.
const BUCKETS: usize = (64 - SPLIT_BITS as usize + 1) << SPLIT_BITS;

/// The number of times that each duration occurred.
pub struct Histogram {
    counts: Vec<u32>,
    total: u64,
    sum: u64,
}

impl Histogram {
    /// Creates an empty histogram.
    pub fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, sum: 0 }
    }

    /// Counts one duration.
    pub fn record(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(bucket(value)) {
            *count = count.saturating_add(1);
        }
        self.total += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Adds all that `other` has counted.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.total += other.total;
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// The mean; 0 if nothing was counted.
    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.total.max(1) as f64
    }

    /// The durations that occurred, the shortest first, with their numbers. Each stands for all of its bucket.
    pub fn durations(&self) -> impl Iterator<Item = (u64, u32)> {
        let counts = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        counts.map(|(index, count)| (upper_end(index), *count))
    }

    /// The number of durations that were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The duration that `share` (0 to 1) of those counted do not exceed.
    pub fn percentile(&self, share: f64) -> u64 {
        let wanted = (self.total as f64 * share) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen > wanted || seen == self.total {
                return upper_end(index);
            }
        }
        0
    }
}

/// Small values have a bucket each; above, the leading bits choose it.
fn bucket(value: u64) -> usize {
    // The kernel's instruction set cannot count leading zeros, and the common values are small.
    let mut shift = 0u32;
    while value >> shift >= 2 * SPLIT {
        shift += 1;
    }
    (u64::from(shift) * SPLIT + (value >> shift)) as usize
}

/// The largest value that falls into a bucket.
fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / SPLIT).saturating_sub(1);
    let leading = bucket - shift * SPLIT;
    (leading << shift) + ((1 << shift) - 1)
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    #[ktest]
    fn buckets_are_in_order_and_narrow() {
        let mut last = 0;
        for value in
            (0..200).chain((12..63).flat_map(|bit| [(1 << bit) - 1, 1 << bit, 3 << (bit - 1)]))
        {
            let bucket = bucket(value);
            assert!(bucket < BUCKETS);
            let end = upper_end(bucket);
            assert!(end >= value && end - value <= value / 512, "{value} {end}");
            assert_eq!(super::bucket(end), bucket);
            if value < 3000 {
                assert!(bucket >= last);
                last = bucket;
            }
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[ktest]
    fn percentiles_of_a_known_distribution() {
        let mut histogram = Histogram::new();
        assert_eq!((histogram.percentile(0.5), histogram.mean()), (0, 0.0));
        for value in 1..=1000 {
            histogram.record(value);
        }
        let mut other = Histogram::new();
        other.record(1_000_000);
        histogram.add(&other);
        let near =
            |share, value: u64| histogram.percentile(share).abs_diff(value) <= value / 512 + 1;
        assert!(near(0.5, 500) && near(0.99, 991) && near(1.0, 1_000_000));
        let durations: Vec<_> = histogram.durations().collect();
        assert_eq!((durations.len(), durations[0], histogram.total()), (1001, (1, 1), 1001));
        assert!(durations.is_sorted() && durations[1000].0.abs_diff(1_000_000) <= 2000);
        assert!((histogram.mean() - (500_500.0 + 1_000_000.0) / 1001.0).abs() < 0.01);
    }
}
