//! The unit tests of the kernel and of the crates on OSTD that it is made of. They run inside QEMU, those
//! of each crate in a boot of their own.

pub mod output;

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result, anyhow};
use lab::{
    arch::Arch,
    process::{self, Finished},
    text,
    workspace::Workspace,
};
use serde_json::json;

use self::output::{Boot, Verdict};
use crate::report::Suite;

/// Seconds; read by tools/qemu-test.sh.
const TIME_LIMIT: &str = "KTEST_TIMEOUT";

/// Runs the unit tests on the machines of these architectures, and writes `target/ktest/report.json`: the tests, and
/// what the fuzzer says of itself on the first machine. The tests for one machine run while others are compiled.
pub fn run(workspace: &Workspace, suite: &mut Suite, archs: &[Arch]) -> Result<()> {
    let finished: Vec<Result<Finished>> = thread::scope(|scope| {
        let start = |&arch: &Arch| scope.spawn(move || test(arch, workspace));
        let runs: Vec<_> = archs.iter().map(start).collect();
        let ends = runs.into_iter().map(|run| run.join());
        ends.map(|end| end.unwrap_or_else(|_| Err(anyhow!("its thread has died")))).collect()
    });
    let mut tests = Vec::new();
    let mut fuzz = None;
    for (&arch, finished) in archs.iter().zip(finished) {
        let (boots, output) = enter_all(arch, workspace, suite, finished?);
        let of_machine = boots.iter().flat_map(|boot| &boot.tests);
        tests.extend(of_machine.map(|test| {
            let (arch, verdict) = (arch.name(), test.verdict.to_string());
            json!({ "name": test.name, "arch": arch, "verdict": verdict })
        }));
        let said = output.lines().rev().find_map(|line| line.strip_prefix("fuzz: "));
        fuzz = fuzz.or_else(|| said.map(str::to_owned));
    }
    let path = workspace.target.join("ktest/report.json");
    let report = json!({ "tests": tests, "fuzz": fuzz });
    fs::write(&path, format!("{report:#}\n"))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The name of a run for a machine, and its log.
fn whole(arch: Arch, workspace: &Workspace) -> (String, PathBuf) {
    let name = format!("cargo-osdk-test-{arch}");
    let log = workspace.log("ktest", &name);
    (name, log)
}

/// Runs `cargo osdk test` once, which boots once for each default member of the workspace.
fn test(arch: Arch, workspace: &Workspace) -> Result<Finished> {
    let (_, log) = whole(arch, workspace);
    process::new_log(&log)?;
    let mut cargo = workspace.cargo();
    cargo.args(["osdk", "test"]).arg(arch.osdk_argument());
    // OSDK has one place for the tests of a crate, whatever they are for; what is compiled on the way there is shared.
    cargo.env("CARGO_TARGET_DIR", workspace.target.join("ktest").join(arch.name()));
    cargo.env("CARGO_BUILD_BUILD_DIR", &workspace.target);
    if std::env::var_os(TIME_LIMIT).is_none() {
        cargo.env(TIME_LIMIT, workspace.limit(300).as_secs().to_string());
    }
    // The wrapper around QEMU has a limit of its own, which is the better one: it knows which test
    // hung.
    Ok(process::run(cargo, workspace.limit(2400), &log)?)
}

/// Enters every test that was started. A member of which no test ran has failed. Returns the boots, and all that was
/// printed.
fn enter_all(
    arch: Arch,
    workspace: &Workspace,
    suite: &mut Suite,
    finished: Finished,
) -> (Vec<Boot>, String) {
    let (whole, log) = whole(arch, workspace);
    let output = text::plain(&finished.output);
    let boots = output::boots(&output);
    for member in workspace.members.iter().filter(|member| member.is_default) {
        println!("{} on {arch}:", member.name);
        match boots.iter().find(|boot| boot.package == member.name) {
            Some(boot) => enter(arch, boot, suite, &log),
            // OSDK stops at the first crate that does not compile.
            None => {
                let result = Err(anyhow!("its tests were not started"));
                suite.record(&on(arch, &member.name), Some(&log), result);
            }
        }
    }
    // Every boot may be good and the run bad. Where a boot is bad, that is the reason.
    match finished.expect_success() {
        Ok(()) => drop(fs::remove_file(&log)),
        Err(error) if boots.iter().all(Boot::is_good) => {
            suite.record(&whole, Some(&log), Err(error.into()));
        }
        Err(_) => {}
    }
    (boots, output)
}

/// The name of something on a machine, which goes without saying for the lab's own.
fn on(arch: Arch, name: &str) -> String {
    match arch {
        Arch::Riscv64 => name.to_owned(),
        Arch::X86_64 => format!("{name} on {arch}"),
    }
}

/// Enters the tests of a boot, and the boot itself if it is bad although they all passed: it ended too
/// early, or no test ran.
fn enter(arch: Arch, boot: &Boot, suite: &mut Suite, log: &Path) {
    for test in &boot.tests {
        println!("{} ... {}", test.name, test.verdict);
        let result = test.verdict.result();
        // The log is one for all tests, so it is none of those that passed.
        suite.record(&on(arch, &test.name), result.is_err().then_some(log), result);
    }
    match boot.check() {
        Ok(passed) => println!("{}: {passed} passed", boot.package),
        Err(_) if boot.tests.iter().any(|test| test.verdict != Verdict::Ok) => {}
        Err(reason) => suite.record(&on(arch, &boot.package), Some(log), Err(anyhow!("{reason}"))),
    }
}
