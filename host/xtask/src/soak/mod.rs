//! Long runs against disks that fail: power cuts, and errors of all sorts.
//!
//! ```text
//!   cuts       power cuts while sectors are written
//!   file_cuts  power cuts while four threads work with files
//!   qcow2      the disk of both, whose cache is lost when QEMU is killed
//!   failing    disks that return errors, are slow, change their size
//! ```
//!
//! `xtask test` runs a short version of each suite with a fixed seed; `xtask soak` runs the long
//! ones with a seed from the clock, unless it is given one, and keeps its figures as JSON.

mod cuts;
mod failing;
mod file_cuts;
mod qcow2;
mod report;

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use lab::{
    board::Board,
    place::Place,
    workspace::{Profile, Workspace},
};

use self::{
    cuts::Disk,
    failing::{CASES, Figures, Trial},
    file_cuts::Medium,
};
use crate::report::{Report, Suite};

/// The length of a run, and the seed of its random choices.
#[derive(Args, Clone, Copy, Debug)]
pub struct Extent {
    /// The number of power cuts.
    #[arg(long, default_value_t = 200)]
    pub cuts: u32,
    /// The number of power cuts while files are worked with; a quarter of them are on qcow2.
    #[arg(long, default_value_t = 200)]
    pub file_cuts: u32,
    /// The number of requests of the largest case of the failing disks.
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u32).range(2_000..=10_000_000))]
    pub requests: u32,
    /// The seed of all random choices; by default it comes from the clock.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// The extent of the suites in `xtask test`.
const SHORT: Extent = Extent { cuts: 20, file_cuts: 16, requests: 20_000, seed: Some(1) };

/// The same on the boards beside the lab's own, where only some cases of the failing disks run.
const PART: Extent = Extent { cuts: 4, file_cuts: 4, ..SHORT };

/// The extent of the suites on a board in `xtask test`.
pub fn short(board: Board) -> Extent {
    if board == Board::LAB { SHORT } else { PART }
}

/// Returns true if a case of the failing disks runs on a board in `xtask test`.
pub fn is_short(board: Board, case: &str) -> bool {
    board == Board::LAB || failing::PART.contains(&case)
}

/// The most seconds that a boot and the wait for the cut may take.
const LIMIT_SECONDS: u64 = 120;

/// The most cuts that a disk that ignores flushes gets until it is caught.
const CHANCES: u64 = 8;

/// A soak: all suites on one board, and the report.
pub fn run(workspace: &Workspace, board: Board, extent: Extent) -> Result<bool> {
    let seed = match extent.seed {
        Some(seed) => seed,
        None => {
            // Short enough to be typed again.
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
            now.as_secs() % 1_000_000
        }
    };
    let extent = Extent { seed: Some(seed), ..extent };
    println!(
        "the same again: cargo run -q -p xtask -- soak {} --cuts {} --file-cuts {} --requests {} --seed {seed}",
        board.arguments().join(" "),
        extent.cuts,
        extent.file_cuts,
        extent.requests
    );
    let begin = Instant::now();
    let cuts = Mutex::new(cuts::Totals::default());
    let file_cuts = Mutex::new(file_cuts::Totals::default());
    let failing = Mutex::new(Figures::default());
    let suites = Report::of(&[
        ("power-cuts", &|suite| {
            let totals = power_cuts(workspace, suite, board, extent)?;
            *cuts.lock().unwrap_or_else(PoisonError::into_inner) = totals;
            Ok(())
        }),
        ("file-cuts", &|suite| {
            let totals = file_power_cuts(workspace, suite, board, extent)?;
            *file_cuts.lock().unwrap_or_else(PoisonError::into_inner) = totals;
            Ok(())
        }),
        ("failing", &|suite| {
            let figures = failing_disks(workspace, suite, board, extent, |_| true)?;
            *failing.lock().unwrap_or_else(PoisonError::into_inner) = figures;
            Ok(())
        }),
    ]);
    let cuts = *cuts.lock().unwrap_or_else(PoisonError::into_inner);
    let file_cuts = *file_cuts.lock().unwrap_or_else(PoisonError::into_inner);
    let failing = *failing.lock().unwrap_or_else(PoisonError::into_inner);
    report::write(
        workspace,
        &report::Soak { board, seed, passed: suites.passed(), begin, cuts, file_cuts, failing },
    )?;
    suites.print();
    Ok(suites.passed())
}

/// Cuts the power again and again: nothing that was flushed may be lost. And it proves that losses
/// would be noticed, by a disk that ignores flushes.
pub fn power_cuts(
    workspace: &Workspace,
    suite: &mut Suite,
    board: Board,
    extent: Extent,
) -> Result<cuts::Totals> {
    let first = extent.seed.unwrap_or_default();
    let Some(kernel) = suite.build_kernel_for(workspace, board, Profile::Dev)? else {
        return Ok(cuts::Totals::default());
    };
    let name = board.name("a-disk-that-ignores-flushes-is-caught");
    let log = workspace.log("power-cuts", &name);
    suite.check(&name, Some(&log), || {
        for seed in seeds(first, CHANCES) {
            let place = Place::new(workspace, &kernel, &log)?;
            let cut = cuts::cut(&place, board, seed, Disk::IgnoresFlushes)?;
            // It keeps less than it says, but nothing else.
            if cut.findings.foreign > 0 {
                cut.findings.expect_good()?;
            }
            if cut.findings.lost > 0 {
                return Ok(());
            }
        }
        bail!("nothing was missing after {CHANCES} power cuts")
    });

    let totals = Mutex::new(cuts::Totals::default());
    let seeds: Vec<u64> = seeds(first, extent.cuts.into()).collect();
    in_parallel(workspace, suite, "power-cuts", board, &kernel, &seeds, |place, seed| {
        let cut = cuts::cut(place, board, *seed, Disk::Honest)?;
        totals.lock().unwrap_or_else(PoisonError::into_inner).add(&cut);
        Ok(cut.findings.expect_good()?)
    });
    let totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{totals}");
    Ok(totals)
}

/// Cuts the power again and again while files are worked with: nothing that was synced may be lost, and the file system
/// must be in order but for what a cut may leave. And it proves that losses would be noticed, on both sorts of disk.
pub fn file_power_cuts(
    workspace: &Workspace,
    suite: &mut Suite,
    board: Board,
    extent: Extent,
) -> Result<file_cuts::Totals> {
    let first = extent.seed.unwrap_or_default();
    let Some(kernel) = suite.build_kernel_for(workspace, board, Profile::Dev)? else {
        return Ok(file_cuts::Totals::default());
    };
    for (name, medium) in [
        ("a-cache-that-ignores-flushes-is-caught", Medium::Cached),
        ("a-qcow2-that-ignores-flushes-is-caught", Medium::Qcow2),
    ] {
        let name = board.name(name);
        let log = workspace.log("file-cuts", &name);
        suite.check(&name, Some(&log), || {
            for seed in seeds(first, CHANCES) {
                let place = Place::new(workspace, &kernel, &log)?;
                let cut = file_cuts::cut(&place, board, seed, medium, Disk::IgnoresFlushes)?;
                if cut.verdict.is_err() {
                    return Ok(());
                }
            }
            bail!("nothing was missing after {CHANCES} power cuts")
        });
    }

    let totals = Mutex::new(file_cuts::Totals::default());
    let seeds: Vec<u64> = seeds(first, extent.file_cuts.into()).collect();
    in_parallel(workspace, suite, "file-cuts", board, &kernel, &seeds, |place, seed| {
        let medium = if seed.wrapping_sub(first) % 4 == 3 { Medium::Qcow2 } else { Medium::Cached };
        let cut = file_cuts::cut(place, board, *seed, medium, Disk::Honest)?;
        totals.lock().unwrap_or_else(PoisonError::into_inner).add(&cut);
        cut.verdict.map(|_findings| ())
    });
    let totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{totals}");
    Ok(totals)
}

fn seeds(first: u64, count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |number| first.wrapping_add(number))
}

/// Runs the cases with failing disks whose names are `wanted`.
pub fn failing_disks(
    workspace: &Workspace,
    suite: &mut Suite,
    board: Board,
    extent: Extent,
    wanted: impl Fn(&str) -> bool,
) -> Result<Figures> {
    let seed = extent.seed.unwrap_or_default();
    let Some(kernel) = suite.build_kernel_for(workspace, board, Profile::Dev)? else {
        return Ok(Figures::default());
    };
    let figures = Mutex::new(Figures::default());
    let cases = CASES.iter().copied().flatten().filter(|case| wanted(case.name));
    let cases: Vec<&failing::Case> = cases.collect();
    in_parallel(workspace, suite, "failing", board, &kernel, &cases, |place, case| {
        let found = (case.run)(&Trial { board, place, seed, requests: extent.requests })
            .with_context(|| format!("seed {seed}, {} requests", extent.requests))?;
        figures.lock().unwrap_or_else(PoisonError::into_inner).add(&found);
        Ok(())
    });
    let figures = figures.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{figures}");
    Ok(figures)
}

/// Runs one check for each of `items`, each in a place of its own.
fn in_parallel<T: Named + Sync>(
    workspace: &Workspace,
    suite: &mut Suite,
    name: &str,
    board: Board,
    kernel: &Path,
    items: &[T],
    run: impl Fn(&Place, &T) -> Result<()> + Sync,
) {
    suite.check_all(
        items,
        None,
        |item| board.name(&item.name()),
        |case| workspace.log(name, case),
        |item, log| run(&Place::new(workspace, kernel, log)?, item),
    );
}

/// An item with a name for its check.
trait Named {
    /// Its name, also that of its log.
    fn name(&self) -> String;
}

impl Named for u64 {
    fn name(&self) -> String {
        format!("cut-{self}")
    }
}

impl Named for &failing::Case {
    fn name(&self) -> String {
        self.name.to_owned()
    }
}
