use super::*;

fn outcome(status: i32, console: &str) -> Outcome {
    Outcome::new("job=x", &Finished { end: End::Exited(status), output: console.to_owned() })
}

#[test]
fn the_verdict_must_be_the_last_line_and_the_only_one() {
    assert_eq!(outcome(0, "a\r\njob x: ok yes\r\n\n").expect_ok("x").unwrap(), "yes");
    assert!(outcome(0, "job x: ok\nmore").expect_ok("x").is_err());
    assert!(outcome(0, "job x: ok\njob x: ok").expect_ok("x").is_err());
    assert!(outcome(0, "").expect_ok("x").is_err());
}

#[test]
fn verdict_and_exit_status_must_agree() {
    assert!(outcome(1, "job x: ok").expect_ok("x").is_err());
    assert!(outcome(0, "job x: failed: y").expect_failed("x").is_err());
    assert_eq!(outcome(1, "job x: failed: y").expect_failed("x").unwrap(), "y");
    assert!(outcome(1, "job x: failed: y").expect_failed("z").is_err());
    outcome(1, "job x: failed: Past the end").expect_failed_with("x", &["past"]).unwrap();
}

#[test]
fn a_verdict_is_not_believed_against_the_exit_status() {
    let verdict = |end, console: &str| {
        let outcome = Outcome::new("job=x", &Finished { end, output: console.to_owned() });
        outcome.verdict().map(|verdict| verdict.result.is_ok()).ok()
    };
    assert_eq!(verdict(End::Exited(0), "a\njob x: ok n=7\n\n"), Some(true));
    assert_eq!(verdict(End::Exited(1), "job x: failed: n=7"), Some(false));
    assert_eq!(verdict(End::Exited(1), "job x: ok n=7"), None);
    assert_eq!(verdict(End::Exited(0), "job x: failed: n=7"), None);
    assert_eq!(verdict(End::TooMuchOutput, "job x: ok n=7"), None);
    assert_eq!(verdict(End::Exited(0), "job x: ok n=7\nmore"), None);
}

#[test]
fn each_architecture_has_its_exit_statuses() {
    let outcome = |status, console: &str| {
        let finished = Finished { end: End::Exited(status), output: console.to_owned() };
        Outcome::of(Arch::X86_64, "job=x", &finished)
    };
    assert_eq!(outcome(33, "job x: ok y").expect_ok("x").unwrap(), "y");
    assert_eq!(outcome(65, "job x: failed: y").expect_failed("x").unwrap(), "y");
    outcome(33, "").expect_success().unwrap();
    // The first is the kernel's on RISC-V, and the second QEMU's own.
    for status in [0, 1] {
        assert!(outcome(status, "job x: ok").verdict().is_err());
        assert!(outcome(status, "job x: failed: y").verdict().is_err());
        assert!(outcome(status, "").expect_success().is_err());
    }
}

#[test]
fn a_complaint_shows_the_end_of_the_console() {
    let error = outcome(1, "one\njob x: ok\n").expect_ok("x").unwrap_err();
    assert_eq!(
        error.to_string(),
        "job x should have succeeded with exit status 0\n  command line: job=x\n  \
         QEMU: exit status 1\n    | one\n    | job x: ok"
    );
}

#[test]
fn lines_and_words() {
    let found = outcome(0, "One two\nthree\nthree\n");
    found.expect_line("One two").unwrap();
    assert!(found.expect_line("three").is_err());
    assert!(found.expect_line("two").is_err());
    assert_eq!(found.expect_words(&["TWO", "one"]).unwrap(), "One two");
    assert!(found.expect_words(&["one", "three"]).is_err());
    found.expect_no_line_with("four").unwrap();
    assert!(found.expect_no_line_with("THREE").is_err());
}

#[test]
fn disks_and_features() {
    let found = outcome(
        0,
        "virtio-mmio 0x10008000: features A B\ndisk 0: serial \"a\", queue 42\ndisk 1: x",
    );
    assert_eq!(found.features().unwrap(), ["A", "B"]);
    assert_eq!(found.disks(), 2);
    found.expect_disk(0, &["serial \"a\"", "queue 42"]).unwrap();
    assert!(found.expect_disk(0, &["queue 4"]).is_err());
}

#[test]
fn dumps() {
    let text = "00000200  48 65 00  |He.|\n00000203  7e  |~|\n";
    assert_eq!(outcome(0, text).dump().unwrap(), (0x200, vec![0x48, 0x65, 0, 0x7e]));
    assert!(outcome(0, "00000200  48  |H|\n00000202  48  |H|").dump().is_err());
}
