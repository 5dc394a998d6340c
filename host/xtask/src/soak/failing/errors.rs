//! Many errors at once: each must arrive at the request that it hit, and nowhere else.

use std::{collections::BTreeSet, fmt::Write as _};

use anyhow::{Result, ensure};
use fastrand::Rng;
use lab::{
    qemu::{Access, EIO, ENOSPC, Fault, REPORT_ERRORS},
    replay::{NAMED, Workload},
};
use plan::{Kind, Operation};

use super::{Case, Figures, Trial};

pub const CASES: &[Case] = &[
    Case { name: "errors-in-many-sectors", run: many_sectors },
    Case { name: "errors-at-many-moments", run: many_moments },
    Case { name: "disk-becomes-full", run: becomes_full },
];

/// The number of sectors that cannot be read, and of those that cannot be written.
const BAD: usize = 24;

/// Runs the workload with these rules for errors; exactly the operations in `failed` must fail.
fn run(
    trial: &Trial,
    workload: &Workload,
    rules: &str,
    failed: impl FnOnce(&[Operation]) -> Result<BTreeSet<u32>>,
) -> Result<Figures> {
    let disk = trial.disk(workload)?;
    let disk =
        disk.under(&format!("driver=blkdebug{rules}")).under("driver=raw").device(REPORT_ERRORS);
    let outcome = trial.run(disk, &workload.command_line())?;
    let failed = failed(&workload.failures(&outcome)?)?;
    ensure!(!failed.is_empty(), "the workload does not touch the faults: choose another seed");
    let (before, disk) = (workload.noise(), trial.contents()?);
    Ok(workload.expect(&outcome, &failed, &before, &disk)?.into())
}

/// Sectors all over the disk that can never be read, and others that can never be written, at depth
/// 32: the host knows every operation that must fail, and how many these are.
fn many_sectors(trial: &Trial) -> Result<Figures> {
    let workload = trial.workload(1, 32);
    let mut random = Rng::with_seed(trial.seed);
    let mut draw = || (0..BAD).map(|_| random.u64(0..workload.span)).collect::<BTreeSet<u64>>();
    let (unreadable, unwritable) = (draw(), draw());

    let read = unreadable.iter().map(|sector| Fault::every(Access::Read, EIO).at(*sector));
    let write = unwritable.iter().map(|sector| Fault::every(Access::Write, ENOSPC).at(*sector));
    let rules: String = (0..).zip(read.chain(write)).map(|(n, fault)| fault.rule(n)).collect();
    run(trial, &workload, &rules, |_| {
        let hit = |operation: &Operation| {
            let bad = match operation.kind {
                Kind::Read => &unreadable,
                Kind::Write => &unwritable,
                Kind::Flush => return false,
            };
            bad.range(operation.range()).next().is_some()
        };
        Ok(workload.plan()?.filter(hit).map(|operation| operation.index).collect())
    })
}

/// Reads, writes and flushes that fail once each, in a random order, at depth 32. Which ones are hit
/// depends on the host, but they are so few that the kernel names them all.
fn many_moments(trial: &Trial) -> Result<Figures> {
    let workload = trial.workload(10, 32);
    let mut random = Rng::with_seed(trial.seed);
    let mut kinds = vec![Kind::Read; 5];
    kinds.extend([Kind::Write; 5]);
    kinds.extend([Kind::Flush; 4]);
    random.shuffle(&mut kinds);

    // A chain of states: some writes lead to where a fault lies in wait for its kind of access, and
    // from there it goes on. QEMU itself reads from the disk before the kernel does, but never
    // writes.
    let mut rules = String::new();
    let mut state = 1;
    let mut transitions = 0;
    let mut go_on = |rules: &mut String, event: &str, state: &mut u32| {
        let key = format!(",set-state.{transitions}");
        let next = *state + 1;
        let _ = write!(rules, "{key}.event={event}{key}.state={state}{key}.new_state={next}");
        transitions += 1;
        *state = next;
    };
    for (number, kind) in kinds.iter().enumerate() {
        for _ in 0..random.u32(1..=20) {
            go_on(&mut rules, "write_aio", &mut state);
        }
        let (event, access) = match kind {
            Kind::Read => ("read_aio", "read"),
            Kind::Write => ("write_aio", "write"),
            Kind::Flush => ("flush_to_disk", "flush"),
        };
        let key = format!(",inject-error.{number}");
        let errno = if random.bool() { EIO } else { ENOSPC };
        let _ = write!(
            rules,
            "{key}.event={event}{key}.state={state}{key}.iotype={access}{key}.once=on\
             {key}.errno={errno}"
        );
        go_on(&mut rules, event, &mut state);
    }
    run(trial, &workload, &rules, |failed| {
        for kind in [Kind::Read, Kind::Write, Kind::Flush] {
            let found = failed.iter().filter(|operation| operation.kind == kind).count();
            let planned = kinds.iter().filter(|other| **other == kind).count();
            // QEMU joins neighbours, so a fault may hit two; and leaves out a flush, and the fault
            // with it, where it sees nothing to flush. What was hit is then checked one by one.
            let least = if kind == Kind::Flush { 1 } else { planned / 2 };
            ensure!(
                (least..=2 * planned).contains(&found),
                "{found} errors of the kind {kind:?}, and {planned} were planned"
            );
        }
        Ok(failed.iter().map(|operation| operation.index).collect())
    })
}

/// From some moment on there is no room for any write, and reading goes on. One at a time, so that
/// the first failure tells the moment.
fn becomes_full(trial: &Trial) -> Result<Figures> {
    let workload = trial.workload(10, 1);
    let mut rules = String::new();
    // Full after a few flushes.
    let flushes = Rng::with_seed(trial.seed).usize(2..8);
    for number in 0..flushes {
        let (key, state) = (format!(",set-state.{number}"), number + 1);
        let _ = write!(
            rules,
            "{key}.event=flush_to_disk{key}.state={state}{key}.new_state={}",
            state + 1
        );
    }
    let key = ",inject-error.0";
    let _ = write!(
        rules,
        "{key}.event=write_aio{key}.iotype=write{key}.state={}{key}.errno={ENOSPC}",
        flushes + 1
    );
    run(trial, &workload, &rules, |failed| {
        ensure!(failed.len() == NAMED, "only {} writes have failed", failed.len());
        let first = failed.iter().map(|operation| operation.index).min().unwrap_or_default();
        Ok(workload.writes()?.map(|write| write.index).filter(|index| *index >= first).collect())
    })
}
