use std::time::Duration;

use super::*;

const LOAD: Workload = Workload { seed: 1, count: 0, depth: 8, span: 64, max: 8 };

/// Judges a run of which the account says this; the plan is empty, and so is the disk.
fn judge(mode: &Mode, end: End, console: &str, diary: &Diary) -> Result<Ended> {
    judge_on(Arch::Riscv64, mode, end, console, diary)
}

fn judge_on(arch: Arch, mode: &Mode, end: End, console: &str, diary: &Diary) -> Result<Ended> {
    Evidence { mode, arch, workload: &LOAD, end, console, diary, before: &[], disk: &[] }.judge()
}

fn account(errors: &str) -> String {
    let total: u64 = errors.split_once('=').map_or(0, |(_, count)| count.parse().unwrap());
    let end =
        if total == 0 { "ok".into() } else { format!("failed: {total} errors, 0 mismatches;") };
    format!(
        "job verify: {end} writes=0 reads=0 flushes=0 errors={total} {errors} mismatches=0 in_flight=0"
    )
}

fn diary(starts: u64, lies: u64) -> Diary {
    Diary { starts, lies, answered_since: 9, ..Diary::default() }
}

fn mode(ends: Ends) -> Mode {
    Mode::new(1, "x", "").lie(Lie::IdBeyondQueue).ends(ends, &["Violated"])
}

const OK: End = End::Exited(0);
const BAD: End = End::Exited(1);

#[test]
fn a_recovery_needs_a_reset_a_name_and_few_errors() {
    let mode = mode(Ends::Recovers);
    let named = |errors| format!("it violated this\n{}\n", account(errors));
    judge(&mode, BAD, &named("broken=3"), &diary(2, 1)).unwrap();
    judge(&mode, OK, &named(""), &diary(2, 1)).unwrap();
    judge(&mode, BAD, &named("broken=3"), &diary(1, 1)).unwrap_err();
    judge(&mode, BAD, &named("broken=9"), &diary(2, 1)).unwrap_err();
    judge(&mode, BAD, &account("broken=3"), &diary(2, 1)).unwrap_err();
    judge(&mode, BAD, &named("broken=3"), &diary(2, 0)).unwrap_err();
    let idle = Diary { answered_since: 0, ..diary(2, 1) };
    judge(&mode, BAD, &named("broken=3"), &idle).unwrap_err();
}

#[test]
fn hangs_panics_and_contradictions_are_failures() {
    let mode = mode(Ends::Survives);
    judge(&mode, OK, &account(""), &diary(1, 1)).unwrap();
    judge(&mode, End::TimedOut(Duration::ZERO), &account(""), &diary(1, 1)).unwrap_err();
    judge(&mode, BAD, &account(""), &diary(1, 1)).unwrap_err();
    judge(&mode, OK, &format!("panic: x\n{}", account("")), &diary(1, 1)).unwrap_err();
    judge(&mode, OK, "virtio-mmio\n", &diary(1, 1)).unwrap_err();
    judge(&mode, OK, &format!("{}{}", "x\n".repeat(300), account("")), &diary(1, 1)).unwrap_err();
}

#[test]
fn a_pc_tells_success_and_failure_by_statuses_of_its_own() {
    let mode = mode(Ends::Survives);
    let judge = |status, errors| {
        let console = format!("violated\n{}", account(errors));
        judge_on(Arch::X86_64, &mode, End::Exited(status), &console, &diary(1, 1))
    };
    judge(33, "").unwrap();
    judge(65, "short=1").unwrap();
    for (status, errors) in [(0, ""), (65, ""), (1, "short=1"), (33, "short=1")] {
        judge(status, errors).unwrap_err();
    }
}

#[test]
fn a_failure_that_stays_alone_is_counted() {
    let mode = mode(Ends::FailsAlone).kinds(&["short"]);
    let named = |errors| format!("violated\n{}", account(errors));
    judge(&mode, BAD, &named("short=2"), &diary(1, 2)).unwrap();
    judge(&mode, BAD, &named("short=1"), &diary(1, 2)).unwrap_err();
    judge(&mode, BAD, &named("short=2"), &diary(2, 2)).unwrap_err();
    judge(&mode, BAD, &named("io_error=2"), &diary(1, 2)).unwrap_err();
}

#[test]
fn wrong_data_and_open_requests_are_failures() {
    let mode = mode(Ends::Survives);
    let wrong = account("").replace("mismatches=0", "mismatches=1");
    judge(&mode, OK, &wrong, &diary(1, 1)).unwrap_err();
    let open = account("").replace("in_flight=0", "in_flight=1");
    judge(&mode, OK, &open, &diary(1, 1)).unwrap_err();
    let lost = account("").replace("reads=0", "reads=1");
    judge(&mode, OK, &lost, &diary(1, 1)).unwrap_err();
}

#[test]
fn a_dead_device_was_tried_a_few_times_and_is_called_so() {
    let mode = mode(Ends::Dead);
    let said = format!("violated, it is dead\n{}", account("broken=300"));
    judge(&mode, BAD, &said, &diary(4, 4)).unwrap();
    judge(&mode, BAD, &said, &diary(40, 40)).unwrap_err();
    judge(&mode, BAD, &said.replace("dead", "ill"), &diary(4, 4)).unwrap_err();
}

#[test]
fn forbidden_features_and_bad_chains_are_failures() {
    let mode = Mode::new(23, "x", "");
    judge(&mode, OK, &account(""), &diary(1, 0)).unwrap();
    let packed = Diary { acknowledged: 1 << 34, ..diary(1, 0) };
    judge(&mode, OK, &account(""), &packed).unwrap_err();
    let complaint = Diary { complaints: vec!["x".into()], ..diary(1, 0) };
    judge(&mode, OK, &account(""), &complaint).unwrap_err();
}
