use plan::PlanError;

use super::*;
use crate::{
    image::SECTOR,
    process::{End, Finished},
};

const LOAD: Workload = Workload { seed: 1, count: 50, depth: 8, span: 64, max: 8 };

/// The disk behind the run, these operations having failed without effect.
fn disk(failed: &[u32]) -> Vec<u8> {
    let mut disk = vec![0; 64 * SECTOR];
    for operation in Plan::new(1, 50, 64, 8).unwrap() {
        if operation.kind != Kind::Write || failed.contains(&operation.index) {
            continue;
        }
        for sector in operation.range() {
            let place = &mut disk.as_chunks_mut().0[sector as usize];
            plan::fill(1, operation.index, sector, place);
        }
    }
    disk
}

fn last_write() -> Operation {
    LOAD.writes().unwrap().last().unwrap()
}

/// Looks at a disk that was empty at first. The operations that the kernel says have failed may have
/// been done; without a list, any may have failed.
fn check(disk: &[u8], failed: Option<&[u32]>) -> bool {
    let fate = |write: &Operation| match failed {
        Some(failed) if !failed.contains(&write.index) => Fate::Done,
        _ => Fate::Possible,
    };
    LOAD.shadow(fate).unwrap().look(&vec![0; 64 * SECTOR], disk).unwrap().good()
}

#[test]
fn a_lost_write_is_found() {
    assert!(check(&disk(&[]), Some(&[])));
    let lost = [last_write().index];
    assert!(!check(&disk(&lost), Some(&[])));
    assert!(check(&disk(&lost), Some(&lost)));
    assert!(check(&disk(&[]), Some(&lost)));
    assert!(check(&vec![0; 64 * SECTOR], None));
}

#[test]
fn what_nobody_wrote_is_found() {
    let mut damaged = disk(&[]);
    damaged[40 * SECTOR + 100] ^= 1;
    assert!(!check(&damaged, None));
}

#[test]
fn the_parts_of_a_plan() {
    let all: Vec<_> = LOAD.plan().unwrap().collect();
    let indices = |choice: &dyn Fn(&Operation) -> bool| -> Vec<u32> {
        all.iter().filter(|op| choice(op)).map(|op| op.index).collect()
    };
    let write = last_write();
    let touching = LOAD.touching(write.sector, Kind::Write).unwrap();
    assert_eq!(touching.last(), Some(&write.index));
    let first = LOAD.writes().unwrap().next().unwrap().index;
    assert_eq!(
        LOAD.flushes_after_a_write().unwrap(),
        indices(&|op| op.kind == Kind::Flush && op.index > first)
    );
    let nothing = Workload { span: 0, ..LOAD };
    assert!(matches!(nothing.plan().unwrap_err(), ReplayError::NoPlan(PlanError::NoSpan)));
}

#[test]
fn the_command_line_names_every_parameter() {
    let expected = "job=verify seed=1 count=50 qd=3 span=64 max=8";
    assert_eq!(LOAD.at_depth(3).command_line(), expected);
}

/// An account of the whole plan, with so many I/O errors.
fn good_account(errors: u64) -> Account {
    let count = |kind| LOAD.plan().unwrap().filter(|op| op.kind == kind).count() as u64;
    Account {
        writes: count(Kind::Write),
        reads: count(Kind::Read),
        flushes: count(Kind::Flush),
        errors,
        kinds: [("io_error".to_owned(), errors)].into_iter().filter(|kind| kind.1 > 0).collect(),
        ..Account::default()
    }
}

#[test]
fn an_account_must_be_that_of_the_plan() {
    LOAD.check_account(&good_account(0)).unwrap();
    LOAD.check_account(&good_account(2)).unwrap();
    let wrong = |change: fn(&mut Account)| {
        let mut account = good_account(1);
        change(&mut account);
        LOAD.check_account(&account).unwrap_err()
    };
    assert!(matches!(wrong(|a| a.reads += 1), ReplayError::Count { key: "reads", .. }));
    assert!(matches!(wrong(|a| a.writes -= 1), ReplayError::Count { key: "writes", .. }));
    assert!(matches!(wrong(|a| a.flushes = 99), ReplayError::Count { key: "flushes", .. }));
    assert!(matches!(wrong(|a| a.in_flight = 1), ReplayError::InFlight(1)));
    assert!(matches!(wrong(|a| a.mismatches = 2), ReplayError::Mismatches(2)));
    assert!(matches!(wrong(|a| a.errors = 2), ReplayError::Sum { sum: 1, errors: 2 }));
}

/// The console of a run in which these operations failed, as the kernel tells it.
fn console(failed: &[Operation]) -> String {
    let mut console = String::from("disk 0: x\n");
    for operation in failed {
        console += &format!("verify: {operation} failed: the device reports an I/O error\n");
    }
    let Account { writes, reads, flushes, .. } = good_account(0);
    let errors = failed.len();
    let (verdict, kinds) = match errors {
        0 => ("ok".to_owned(), String::new()),
        _ => (format!("failed: {errors} errors, 0 mismatches;"), format!(" io_error={errors}")),
    };
    console
        + &format!(
            "job verify: {verdict} writes={writes} reads={reads} flushes={flushes} errors={errors}{kinds} \
             mismatches=0 in_flight=0\n"
        )
}

fn outcome(console: String, status: i32) -> Outcome {
    Outcome::new("job=verify", &Finished { end: End::Exited(status), output: console })
}

fn expect(
    console: String,
    status: i32,
    failed: &[u32],
    disk: &[u8],
) -> Result<(Account, Findings)> {
    let failed = failed.iter().copied().collect();
    LOAD.expect(&outcome(console, status), &failed, &vec![0; 64 * SECTOR], disk)
}

#[test]
fn exactly_the_expected_operations_fail() {
    let write = last_write();
    let lost = [write.index];
    expect(console(&[]), 0, &[], &disk(&[])).unwrap();
    let (account, findings) = expect(console(&[write]), 1, &lost, &disk(&lost)).unwrap();
    assert_eq!((account.errors, findings.sectors), (1, 64));

    let error = |console, status, failed: &[u32], disk: &[u8]| {
        expect(console, status, failed, disk).unwrap_err()
    };
    assert!(matches!(
        error(console(&[]), 0, &lost, &disk(&lost)),
        ReplayError::Errors { errors: 0, expected: 1 }
    ));
    assert!(matches!(
        error(console(&[write]), 1, &[0], &disk(&lost)),
        ReplayError::ShouldNotFail(operation) if operation == write
    ));
    // The disk says otherwise: done although it failed, or not done at all.
    assert!(matches!(
        error(console(&[write]), 1, &lost, &disk(&[])),
        ReplayError::BadSectors(BadSectors { lost: 0, .. })
    ));
    assert!(matches!(error(console(&[]), 0, &[], &disk(&lost)), ReplayError::BadSectors(_)));
    // Exit status and verdict contradict each other.
    assert!(matches!(error(console(&[]), 1, &[], &disk(&[])), ReplayError::Unexpected(_)));
}

#[test]
fn failures_must_be_told_as_they_are() {
    let write = last_write();
    let lost = [write.index];
    let tell = |change: &dyn Fn(&str) -> String| {
        expect(change(&console(&[write])), 1, &lost, &disk(&lost)).unwrap_err()
    };
    let line = format!("verify: {write} failed: the device reports an I/O error\n");
    assert!(matches!(
        tell(&|console| console.replace(&line, "")),
        ReplayError::Named { named: 0, expected: 1 }
    ));
    assert!(matches!(
        tell(&|console| console.replace(&line, &line.repeat(2))),
        ReplayError::Twice(_)
    ));
    assert!(matches!(
        tell(&|console| console.replace("an I/O error", "a cold")),
        ReplayError::Reason(_)
    ));
    let elsewhere = Operation { sector: write.sector + 1, ..write }.to_string();
    assert!(matches!(
        tell(&|console| console.replace(&write.to_string(), &elsewhere)),
        ReplayError::NoFailure(_)
    ));
    assert!(matches!(
        tell(&|console| console.replace("io_error", "short")),
        ReplayError::Kind(kind) if kind == "short"
    ));
}
