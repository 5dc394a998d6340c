//! Power cuts: QEMU is killed at a random moment while the kernel writes and flushes, and then
//! everything that was flushed must be in the disk image, which is a qcow2 file.

use std::{thread, time::Duration};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use lab::{
    board::Board,
    image::SECTOR,
    place::Place,
    qemu::{Guest, Vm},
    replay::{Findings, Shadow},
};
use plan::{Kind, Plan};

use super::{LIMIT_SECONDS, qcow2};

/// As many operations as the kernel can count: the cut comes long before.
const ENDLESS: u32 = u32::MAX;

/// A disk that does what it is told, or one that does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Disk {
    /// Flushes go to the image.
    Honest,
    /// Flushes are acknowledged and nothing is done: an error that QEMU makes up takes the place
    /// of each, and the device is told to ignore errors.
    IgnoresFlushes,
}

/// The findings of one power cut.
pub struct Cut {
    /// Sectors on the disk, and the sectors that are not as they must be.
    pub findings: Findings,
    /// Writes that had been flushed.
    pub flushed: u64,
}

/// The findings of all power cuts together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Power cuts.
    pub cuts: u64,
    /// Sectors that were looked at.
    pub sectors: u64,
    /// Writes that had been flushed.
    pub flushed: u64,
    /// Sectors that have lost a flushed write.
    pub lost: u64,
    /// Sectors that hold what was never written there.
    pub foreign: u64,
    /// Sectors in which a write that had not been flushed is undone: that is what power cuts do.
    pub undone: u64,
}

impl Totals {
    /// Adds one cut.
    pub fn add(&mut self, Cut { findings, flushed }: &Cut) {
        self.cuts += 1;
        self.sectors += findings.sectors;
        self.flushed += flushed;
        self.lost += findings.lost;
        self.foreign += findings.foreign;
        self.undone += findings.undone;
    }
}

/// One machine that loses its power. All that can be chosen is drawn from `seed`; only the exact
/// moment of the cut depends on the clock.
#[derive(Debug)]
struct Setting {
    seed: u64,
    board: Board,
    /// With version 1 of virtio-mmio, on a board that has it.
    legacy: bool,
    /// The size of the disk; all of it is written to.
    sectors: u64,
    /// The longest write in sectors.
    max: u32,
    /// Writes in flight.
    depth: u32,
    /// Writes between two flushes.
    flush_every: u32,
    /// The unit in which the image file grows, in bytes.
    cluster: u32,
    /// The cut comes after so many flushes ...
    flushes: usize,
    /// ... and so many microseconds more.
    delay: u64,
}

impl Setting {
    fn draw(board: Board, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut one_of = |choices: [u32; 3]| choices[random.usize(..choices.len())];
        let (cluster, max, depth) =
            (one_of([512, 4096, 65536]), one_of([1, 8, 64]), one_of([1, 8, 32]));
        let megabytes = one_of([1, 8, 32]);
        Self {
            seed,
            board,
            legacy: random.bool(),
            sectors: u64::from(megabytes) * 2048,
            max,
            depth,
            flush_every: random.u32(1..=100),
            cluster,
            flushes: random.usize(0..=24),
            delay: random.u64(0..20_000),
        }
    }

    fn command_line(&self) -> String {
        let Self { seed, sectors, max, depth, flush_every, .. } = self;
        format!(
            "job=ledger seed={seed} count={ENDLESS} qd={depth} span={sectors} max={max} \
             flush_every={flush_every}"
        )
    }

    /// The image must hold all writes up to operation `flushed`, and may hold those that the kernel
    /// submits before it flushes again; no others.
    fn shadow(&self, flushed: Option<u32>) -> Result<(Shadow, u64)> {
        let plan = Plan::new(self.seed, ENDLESS, self.sectors, self.max)?;
        let mut writes = plan.filter(|operation| operation.kind == Kind::Write).peekable();
        let mut shadow = Shadow::new(self.seed, usize::try_from(self.sectors)?);
        let mut safe = 0;
        while let Some(write) =
            writes.next_if(|write| flushed.is_some_and(|flushed| write.index <= flushed))
        {
            shadow.certain(&write)?;
            safe += 1;
        }
        ensure!(
            safe % u64::from(self.flush_every) == 0,
            "the kernel says to have flushed after {safe} writes, which it should not have"
        );
        for write in writes.take(self.flush_every as usize) {
            shadow.possible(&write)?;
        }
        Ok((shadow, safe))
    }
}

/// Boots, cuts the power, and looks at the image.
///
/// # Errors
///
/// The check could not be made. What it found out is no error here.
pub fn cut(place: &Place, board: Board, seed: u64, disk: Disk) -> Result<Cut> {
    let setting = Setting::draw(board, seed);
    run(place, &setting, disk).with_context(|| format!("{setting:?}"))
}

fn run(place: &Place, setting: &Setting, disk: Disk) -> Result<Cut> {
    let cluster = format!("cluster_size={}", setting.cluster);
    let bytes = setting.sectors * SECTOR as u64;
    place
        .run(
            "qemu-img",
            &["create", "-q", "-f", "qcow2", "-o", &cluster, "disk", &bytes.to_string()],
        )?
        .expect_success()?;

    let command_line = setting.command_line();
    let mut vm = Vm::boot(
        &setting.board.machine(setting.legacy).options(qcow2::device(place, disk)),
        &Guest::new(&place.kernel, &command_line),
        place.limit(LIMIT_SECONDS),
        &place.log,
        place.file("qmp"),
    )?;
    vm.wait_for_disk()?;
    vm.wait_until("enough was flushed", |text| ledger(text).count() >= setting.flushes)?;
    thread::sleep(Duration::from_micros(setting.delay));
    let printed = vm.cut_power()?;
    let image = qcow2::content(place)?;
    let (shadow, flushed) = setting.shadow(ledger(&printed).last())?;
    let findings = shadow.look(&vec![0; usize::try_from(bytes)?], &image)?;
    Ok(Cut { findings, flushed })
}

/// The operations up to which the kernel says to have flushed, in the order in which it says so.
fn ledger(text: &str) -> impl Iterator<Item = u32> {
    text.lines().filter_map(|line| line.strip_prefix("ledger: flushed ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_depends_on_its_seed_alone() {
        let text = |seed| format!("{:?}", Setting::draw(Board::LAB, seed));
        assert_eq!(text(5), text(5));
        assert_ne!(text(5), text(6));
    }

    #[test]
    fn the_ledger_is_read() {
        let text = "disk 0: x\nledger: flushed 7\nledger: flushed 21\nledger: flushed\n";
        assert_eq!(ledger(text).collect::<Vec<_>>(), [7, 21]);
    }

    #[test]
    fn a_flush_at_an_odd_place_is_noticed() {
        let setting = Setting { flush_every: 10, ..Setting::draw(Board::LAB, 1) };
        assert_eq!(setting.shadow(None).unwrap().1, 0);
        let plan = Plan::new(setting.seed, ENDLESS, setting.sectors, setting.max).unwrap();
        let writes: Vec<_> = plan.filter(|op| op.kind == Kind::Write).take(30).collect();
        assert_eq!(setting.shadow(Some(writes[19].index)).unwrap().1, 20);
        assert!(setting.shadow(Some(writes[20].index)).is_err());
    }
}
