//! The figures of a run, and the summary of several runs.

use std::collections::BTreeMap;

use super::load::{Load, Subject};

/// Times from submission to completion, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// The mean.
    pub mean: f64,
    /// Half of the requests take at most this long.
    pub p50: f64,
    /// 99 % do.
    pub p99: f64,
    /// 99.9 % do.
    pub p999: f64,
}

/// One run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Requests a second.
    pub iops: f64,
    /// 2^20 bytes a second.
    pub mib_s: f64,
    /// Not known of the host.
    pub latency: Option<Latency>,
    /// Interrupts of the disk per request, where there are any.
    pub interrupts: Option<f64>,
    /// Notifications of the disk per request, where the guest counts them.
    pub notifications: Option<f64>,
    /// Looks at the disk by those who wait per request, where the guest counts them.
    pub looks: Option<f64>,
    /// Sleeps of those who wait per request, where the guest counts them.
    pub sleeps: Option<f64>,
    /// Requests to the disk that read or write, where it is about files.
    pub transfers: Option<f64>,
    /// Flushes of the disk, where it is about files.
    pub flushes: Option<f64>,
}

impl Sample {
    /// A run of which no more is known than this.
    pub const fn of_speed(iops: f64, mib_s: f64) -> Self {
        Self {
            iops,
            mib_s,
            latency: None,
            interrupts: None,
            notifications: None,
            looks: None,
            sleeps: None,
            transfers: None,
            flushes: None,
        }
    }

    /// A run of something that takes so many microseconds.
    pub const fn of_time(us: f64) -> Self {
        Self::of_speed(1e6 / us, 0.0)
    }

    /// The microseconds that one takes.
    pub fn us(&self) -> f64 {
        1e6 / self.iops
    }
}

/// The runs so far.
#[derive(Default)]
pub struct Results {
    samples: BTreeMap<(Load, Subject), Vec<Sample>>,
    /// Runs that gave nothing, and why.
    pub failures: Vec<String>,
}

impl Results {
    /// Adds a run.
    pub fn add(&mut self, load: Load, subject: Subject, sample: Sample) {
        self.samples.entry((load, subject)).or_default().push(sample);
    }

    /// The runs of `subject` under `load`, in the order of the rounds.
    pub fn of(&self, load: Load, subject: Subject) -> &[Sample] {
        self.samples.get(&(load, subject)).map_or(&[], Vec::as_slice)
    }

    /// Everything, by load and subject.
    pub fn all(&self) -> impl Iterator<Item = (Load, Subject, &[Sample])> {
        self.samples.iter().map(|(&(load, subject), samples)| (load, subject, samples.as_slice()))
    }

    /// One figure of `subject` under `load`; `None` without a run that has it.
    pub fn figure(
        &self,
        load: Load,
        subject: Subject,
        figure: impl Fn(&Sample) -> Option<f64>,
    ) -> Option<Spread> {
        Spread::of(self.of(load, subject).iter().filter_map(figure).collect())
    }

    /// Requests a second.
    pub fn iops(&self, load: Load, subject: Subject) -> Option<Spread> {
        self.figure(load, subject, |sample| Some(sample.iops))
    }

    /// The requests a second of `one`, as a multiple of `other`'s: the quotient of the medians,
    /// with the lowest and highest quotient within a round.
    pub fn ratio(&self, load: Load, one: Subject, other: Subject) -> Option<Spread> {
        self.ratio_between((load, one), (load, other))
    }

    /// The same where the loads differ, too.
    pub fn ratio_between(&self, one: (Load, Subject), other: (Load, Subject)) -> Option<Spread> {
        let median = self.iops(one.0, one.1)?.median / self.iops(other.0, other.1)?.median;
        let rounds = self.of(one.0, one.1).iter().zip(self.of(other.0, other.1));
        let spread = Spread::of(rounds.map(|(one, other)| one.iops / other.iops).collect())?;
        Some(Spread { median, min: spread.min.min(median), max: spread.max.max(median) })
    }
}

/// A figure over the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

impl Spread {
    /// `None` if `figures` is empty.
    pub fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = if figures.len() % 2 == 1 {
            figures[middle]
        } else {
            (figures[middle - 1] + figures[middle]) / 2.0
        };
        Some(Self { median, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::{Medium, random_read};

    #[test]
    fn medians() {
        assert_eq!(Spread::of(vec![]), None);
        assert_eq!(
            Spread::of(vec![3.0, 1.0, 2.0]),
            Some(Spread { median: 2.0, min: 1.0, max: 3.0 })
        );
        assert_eq!(Spread::of(vec![1.0, 2.0]).unwrap().median, 1.5);
    }

    #[test]
    fn ratios_pair_the_rounds() {
        let load = random_read(Medium::Null, 1);
        let mut results = Results::default();
        for (subject, figures) in
            [(Subject::Linux, [10.0, 20.0, 40.0]), (Subject::Host, [20.0, 60.0, 40.0])]
        {
            for iops in figures {
                let sample = Sample::of_speed(iops, 0.0);
                results.add(load, subject, sample);
            }
        }
        assert_eq!(
            results.ratio(load, Subject::Host, Subject::Linux),
            Some(Spread { median: 2.0, min: 1.0, max: 3.0 })
        );
        assert_eq!(
            results.ratio(random_read(Medium::Null, 2), Subject::Host, Subject::Linux),
            None
        );
    }
}
