//! The kernels of the selftest.

/// A kernel, and the required result of testing it.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// The tests in the kernel.
    pub tests: &'static str,
    /// The name given to `cargo osdk test`.
    pub filter: Option<&'static str>,
    /// The result that `cargo osdk test` must have.
    pub expected: Expected<'static>,
}

/// A required result of `cargo osdk test`.
pub enum Expected<'a> {
    /// Exit status 0 after this many tests.
    Passes(u32),
    /// Another exit status, and these words in what is printed.
    Fails(&'a str),
}
use Expected::{Fails, Passes};

/// A workspace in which one crate is odd, and the required result of testing all crates at once.
pub struct CratesCase {
    /// Its name.
    pub name: &'static str,
    /// The tests in the odd crate; those of all others pass.
    pub tests: &'static str,
    /// The result that `cargo osdk test` must have.
    pub expected: Expected<'static>,
}

/// The only source file of a kernel with these tests.
pub fn kernel(tests: &str) -> String {
    source("#[ostd::main]\nfn kernel_main() {}\n\n", tests)
}

/// The only source file of another crate with these tests.
pub fn library(tests: &str) -> String {
    source("", tests)
}

fn source(items: &str, tests: &str) -> String {
    format!(
        "//! Tests and nothing else.\n#![no_std]\n#![forbid(unsafe_code)]\n\n{items}\
         #[cfg(ktest)]\nmod tests {{\n    #[allow(unused_imports)]\n    use ostd::prelude::ktest;\n\
         {tests}}}\n"
    )
}

/// Tests that pass.
pub const GOOD: &str = r#"
    #[ktest]
    fn passes() {}

    #[ktest]
    #[should_panic]
    fn panics_as_it_should() {
        panic!("this is expected");
    }
"#;

/// Every way in which tests can go right or wrong.
pub const CASES: &[Case] = &[
    Case { name: "passing-tests-pass", tests: GOOD, filter: None, expected: Passes(2) },
    Case {
        name: "one-test-by-name-passes",
        tests: GOOD,
        filter: Some("passes"),
        expected: Passes(1),
    },
    Case {
        name: "a-name-that-matches-nothing-fails",
        tests: GOOD,
        filter: Some("no_test_has_this_name"),
        expected: Fails("no test ran"),
    },
    Case { name: "no-test-at-all-fails", tests: "", filter: None, expected: Fails("no test ran") },
    Case {
        name: "a-failing-test-fails",
        tests: BAD,
        filter: None,
        expected: Fails("1 of 2 tests failed"),
    },
    Case {
        name: "a-missing-panic-fails",
        tests: r#"
    #[ktest]
    #[should_panic]
    fn does_not_panic() {}
"#,
        filter: None,
        expected: Fails("1 of 1 tests failed"),
    },
    Case {
        name: "a-panic-in-another-task-fails",
        tests: r#"
    #[ktest]
    fn spawns_a_task_that_panics() {
        use ostd::task::{Task, TaskOptions};
        TaskOptions::new(|| panic!("in another task")).data(()).spawn().unwrap();
        for _ in 0..1000 {
            Task::yield_now();
        }
    }
"#,
        filter: None,
        expected: Fails("cargo osdk test: kernel: the kernel "),
    },
    Case {
        name: "a-panic-in-an-interrupt-fails",
        tests: r#"
    #[ktest]
    fn panics_in_the_timer_interrupt() {
        ostd::timer::register_callback_on_cpu(|| panic!("in an interrupt"));
        loop {
            core::hint::spin_loop();
        }
    }
"#,
        filter: None,
        expected: Fails("cargo osdk test: kernel: "),
    },
    Case {
        name: "a-hang-fails",
        tests: r#"
    #[ktest]
    fn never_ends() {
        let _no_interrupts = ostd::irq::disable_local();
        loop {
            core::hint::spin_loop();
        }
    }
"#,
        filter: None,
        expected: Fails("the tests hung"),
    },
    Case {
        name: "a-test-that-switches-off-fails",
        tests: r#"
    #[ktest]
    fn passes() {}

    #[ktest]
    fn switches_off() {
        ostd::power::poweroff(ostd::power::ExitCode::Success);
    }
"#,
        filter: None,
        expected: Fails("the kernel ended before the test runner did"),
    },
    Case {
        name: "a-kernel-that-does-not-compile-fails",
        tests: r#"
    #[ktest]
    fn is_wrong() {
        let _: u32 = "not a number";
    }
"#,
        filter: None,
        expected: Fails("could not compile"),
    },
];

const BAD: &str = r#"
    #[ktest]
    fn passes() {}

    #[ktest]
    fn fails() {
        assert_eq!(1 + 1, 3);
    }
"#;

/// Every way in which several crates together can go right or wrong.
pub const CRATES: &[CratesCase] = &[
    CratesCase { name: "passing-crates-pass", tests: GOOD, expected: Passes(2) },
    CratesCase {
        name: "a-failing-test-of-one-crate-fails",
        tests: BAD,
        expected: Fails("1 of 2 tests failed"),
    },
    CratesCase {
        name: "no-test-at-all-in-one-crate-fails",
        tests: "",
        expected: Fails("no test ran"),
    },
];
