//! The load: what the command line asks for, running it, and the line of JSON.

use alloc::{format, string::String};

use fastrand::Rng;
use ostd::arch::{read_tsc, tsc_freq};

use crate::disk::{Complete, Disk, MAX_DEPTH};

const SECTOR_SIZE: usize = 512;

/// The load to put on the disk.
#[derive(Clone)]
pub struct Load {
    mode: String,
    /// Bytes of a request.
    pub block: usize,
    depth_asked: usize,
    /// The way to learn of completions.
    pub complete: Complete,
    amount: Amount,
}

#[derive(Clone, Copy)]
enum Amount {
    Requests(u64),
    Seconds(u64),
}

/// The outcome of a run.
pub struct Measured {
    requests: u64,
    /// Ticks of the machine's timer.
    ticks: u64,
}

impl Load {
    /// Reads the kernel command line.
    ///
    /// # Errors
    ///
    /// The mistake in it, in words.
    pub fn parse(line: &str) -> Result<Self, String> {
        const MODES: [&str; 4] = ["randread", "randwrite", "read", "write"];

        let word = |key: &str| {
            line.split_whitespace()
                .filter_map(|word| word.split_once('='))
                .find_map(|(name, value)| (name == key).then_some(value))
        };
        let number = |key| match word(key).map(str::parse::<u64>) {
            None => Ok(None),
            Some(Ok(number)) if number > 0 => Ok(Some(number)),
            Some(_) => Err(format!("{key}= takes a number from 1 on")),
        };
        let needed = |key| number(key)?.ok_or_else(|| format!("{key}=N is missing"));
        let mode = word("mode")
            .filter(|mode| MODES.contains(mode))
            .ok_or("mode=randread|randwrite|read|write is missing")?;
        let block = usize::try_from(needed("bs")?).unwrap_or(usize::MAX);
        if !block.is_multiple_of(SECTOR_SIZE) || block > 1 << 20 {
            return Err(format!("bs={block} is no multiple of {SECTOR_SIZE} up to 1048576"));
        }
        Ok(Self {
            mode: mode.into(),
            block,
            depth_asked: usize::try_from(needed("qd")?).unwrap_or(usize::MAX),
            complete: match word("complete") {
                None | Some("irq") => Complete::Irq,
                Some("poll") => Complete::Poll,
                Some(other) => return Err(format!("complete={other}: the peer has irq and poll")),
            },
            amount: match number("count")? {
                Some(count) => Amount::Requests(count),
                None => Amount::Seconds(number("seconds")?.unwrap_or(3)),
            },
        })
    }

    /// The requests to keep in flight.
    pub fn depth(&self) -> usize {
        self.depth_asked.min(MAX_DEPTH)
    }

    /// As much as the kernel's own bench does before it measures.
    pub fn warm_up(&self) -> Self {
        let count = match self.amount {
            Amount::Requests(count) => (count / 10).clamp(self.depth() as u64, 2000),
            Amount::Seconds(_) => 2000,
        };
        Self { amount: Amount::Requests(count), ..self.clone() }
    }

    /// Runs the load. `seed` chooses the places.
    ///
    /// # Errors
    ///
    /// The first request that failed, in words.
    pub fn run(&self, disk: &Disk, seed: u64) -> Result<Measured, String> {
        let write = matches!(&*self.mode, "randwrite" | "write");
        let mut random = self.mode.starts_with("rand").then(|| Rng::with_seed(seed));
        let sectors = (self.block / SECTOR_SIZE) as u64;
        let places = disk.lock().capacity() / sectors;
        if places == 0 {
            return Err(format!("the disk is smaller than {} bytes", self.block));
        }
        let mut following = 0;
        let mut next_sector = || match &mut random {
            Some(random) => random.u64(0..places) * sectors,
            None => {
                let place = following;
                following = (place + 1) % places;
                place * sectors
            }
        };

        let start = read_tsc();
        let (count, end) = match self.amount {
            Amount::Requests(count) => (count, u64::MAX),
            Amount::Seconds(seconds) => {
                (u64::MAX, start.saturating_add(seconds.saturating_mul(tsc_freq())))
            }
        };
        let (mut submitted, mut requests, mut now) = (0, 0, start);
        let mut driver = disk.lock();
        loop {
            while driver.has_room() && submitted < count && now < end {
                driver.submit(write, next_sector())?;
                submitted += 1;
            }
            if driver.open() == 0 {
                break;
            }
            // Interrupts come through while it is not locked.
            drop(driver);
            driver = disk.lock_when_answered();
            now = read_tsc();
            requests += driver.reap()?;
        }
        Ok(Measured { requests, ticks: read_tsc() - start })
    }

    /// The line of JSON.
    pub fn json(&self, measured: &Measured, interrupts: u64) -> String {
        let ios = measured.requests.max(1) as f64;
        let seconds = measured.ticks as f64 / tsc_freq() as f64;
        let iops = ios / seconds.max(f64::MIN_POSITIVE);
        format!(
            "{{\"mode\":\"{}\",\"bs\":{},\"qd\":{},\"qd_asked\":{},\"complete\":\"{}\",\"tasks\":1,\
             \"ios\":{},\"seconds\":{seconds:.3},\"iops\":{iops:.0},\"mib_s\":{:.1},\"mean_us\":null,\
             \"p50_us\":null,\"p99_us\":null,\"p999_us\":null,\"irqs\":{:.4},\"notifies\":null,\
             \"looks\":null,\"sleeps\":null,\"instructions\":null}}",
            self.mode,
            self.block,
            self.depth(),
            self.depth_asked,
            match self.complete {
                Complete::Irq => "irq",
                Complete::Poll => "poll",
            },
            measured.requests,
            iops * self.block as f64 / f64::from(1 << 20),
            interrupts as f64 / ios,
        )
    }
}
