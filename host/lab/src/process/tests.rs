use std::fs;

use super::*;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn shell(script: &str, limit: Duration) -> (Finished, String) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let finished = run(sh(script), limit, &log).unwrap();
    (finished, fs::read_to_string(log).unwrap())
}

/// Starts a script, hands it to `work`, and cleans up behind it.
fn start<T>(script: &str, limit: Duration, work: impl FnOnce(Process) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    work(Process::start(sh(script), limit, &folder.path().join("log")).unwrap())
}

/// Waits until a process is no more. It dies when it is next scheduled, and may linger as a zombie
/// until its new parent collects it.
fn expect_death(pid: &str) {
    let dead = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    for _ in 0..1000 {
        if dead() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("process {pid} lives on");
}

#[test]
fn output_and_status_come_back_and_are_logged() {
    let (finished, log) = shell("echo out; echo err >&2; exit 3", LONG);
    assert_eq!(finished.end, End::Exited(3));
    assert_eq!(finished.output, "out\nerr\n");
    assert_eq!(log, "\n$ sh -c 'echo out; echo err >&2; exit 3'\nout\nerr\n");
}

#[test]
fn a_program_that_is_typed_to_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut process =
        Process::start_to_type(sh("read line; echo \"<$line>\""), LONG, &log).unwrap();
    process.type_in(b"two words\n").unwrap();
    assert_eq!(process.finish().unwrap().output, "<two words>\n");
    start("true", LONG, |mut process| {
        assert!(matches!(process.type_in(b"x").unwrap_err(), ProcessError::Input { .. }));
    });
}

#[test]
fn the_time_limit_ends_the_whole_family() {
    let (finished, _) = shell("sleep 1000 & echo $!; wait", Duration::from_millis(300));
    assert_eq!(finished.end, End::TimedOut(Duration::from_millis(300)));
    expect_death(finished.output.trim());
}

#[test]
fn a_program_that_writes_without_end_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    // A little more than is allowed, and then it waits.
    let script = format!("head -c {} /dev/zero; sleep 1000", OUTPUT_LIMIT + 1);
    let finished = run(sh(&script), LONG, &log).unwrap();
    assert_eq!((finished.end, finished.output.len()), (End::TooMuchOutput, OUTPUT_LIMIT));
}

#[test]
fn a_bad_status_is_told_with_the_end_of_the_output() {
    let failed = Finished { end: End::Exited(2), output: "one\ntwo\n".into() };
    let error = failed.expect_success().unwrap_err();
    assert_eq!(error.to_string(), "exit status 2\n    | one\n    | two");
    Finished { end: End::Exited(0), output: String::new() }.expect_success().unwrap();
    let late = Finished { end: End::TimedOut(LONG), output: String::new() };
    assert_eq!(late.expect_success().unwrap_err().to_string(), "no end after 60 s, killed");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let command = Command::new("no-such-program-anywhere");
    let error = run(command, LONG, &folder.path().join("log")).unwrap_err();
    assert!(error.to_string().starts_with("cannot start no-such-program-anywhere;"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn only_complete_lines_are_looked_at() {
    let script = "printf 'count 1'; sleep 0.2; printf '2\\nrest'; exec sleep 1000";
    start(script, LONG, |mut process| {
        process.wait_until("it had counted", |text| text.contains("count 12\n")).unwrap();
        assert_eq!(process.kill().unwrap(), "count 12\n");
    });
}

#[test]
fn lines_that_came_during_another_wait_are_looked_at() {
    start("echo ready; exec sleep 1000", Duration::from_secs(5), |mut process| {
        process.wait_until("it was ready", |text| text == "ready\n").unwrap();
        process.wait_until("it was ready before", |text| text == "ready\n").unwrap();
    });
}

#[test]
fn an_end_before_its_time_is_told() {
    start("echo last; exit 7", LONG, |mut process| {
        let error = process.wait_until("it had sung", |_| false).unwrap_err().to_string();
        assert_eq!(error, "it ended before it had sung: exit status 7\n    | last");
        assert!(matches!(process.kill().unwrap_err(), ProcessError::EndedBefore { .. }));
    });
    start("echo still here; sleep 1000", Duration::from_millis(300), |mut process| {
        let error = process.wait_until("it had sung", |_| false).unwrap_err();
        assert!(matches!(error, ProcessError::LateFor { .. }), "{error}");
    });
}

#[test]
fn what_is_dropped_ends_with_its_family() {
    let pid = start("sleep 1000 & echo $!; wait", LONG, |mut process| {
        process.wait_until("it had told the id", |text| !text.is_empty()).unwrap();
        process.complete_lines().trim().to_owned()
    });
    expect_death(&pid);
}

#[test]
fn a_retry_ends_with_success_or_with_the_program() {
    let attempts = |script, good_at| {
        start(script, LONG, |mut process| {
            let mut count = 0;
            let result = process.retry(|_| {
                count += 1;
                if count == good_at {
                    Ok(())
                } else {
                    Err(ProcessError::Wait(io::ErrorKind::Other.into()))
                }
            });
            (count, result.is_ok())
        })
    };
    assert_eq!(attempts("sleep 1000", 3), (3, true));
    assert!(!attempts("exit 0", u32::MAX).1);
}

#[test]
fn the_first_line_of_a_program_that_succeeds() {
    assert_eq!(first_line(sh("echo one; echo two")).unwrap(), "one");
    assert!(first_line(sh("echo one; exit 1")).is_err());
    assert!(first_line(sh("true")).is_err());
}
