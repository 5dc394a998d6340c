//! Log lines on the console: `[   0.123] warn  virtio::queue: message`.
//!
//! The number is the time since the machine started, in seconds. Warnings and errors are shown; to see
//! more, put `ostd.log_level=info` or `ostd.log_level=debug` on the kernel's command line
//! (`ostd.log_level=off` shows nothing). Code logs with the `log` crate's macros; OSTD passes those on to
//! the logger here.

use core::fmt;

use ostd::log::{Level, LevelFilter, Log, Record, inject_logger, max_level, set_max_level};

use crate::console::println;

/// Installs the logger, and the level `warn` when the command line asks for none. OSTD itself has put in
/// force a level that it asks for, and leaves everything off otherwise.
///
/// Call it once, early: what was logged before has gone to OSTD's own fallback or nowhere.
pub fn init() {
    inject_logger(&ConsoleLogger);
    let asked_for = level_on(&ostd::boot::boot_info().kernel_cmdline);
    // "off" from anything but "off" itself means that OSTD was asked for a level it does not know.
    if max_level() == LevelFilter::Off && asked_for != Some("off") {
        set_max_level(LevelFilter::Warning);
        if let Some(unknown) = asked_for {
            log::warn!(
                "ostd.log_level={unknown:?} is no level; give one of: off error warn info debug"
            );
        }
    }
}

/// The value of the first `ostd.log_level=` in `cmdline`, taken as OSTD takes it.
fn level_on(cmdline: &str) -> Option<&str> {
    cmdline.split(' ').find_map(|word| word.strip_prefix("ostd.log_level="))
}

/// Prints each record as one line. Usable from any context but the `Display` of something being printed:
/// the console is locked, with IRQs off, while a line is formatted.
struct ConsoleLogger;

impl Log for ConsoleLogger {
    fn log(&self, record: &Record<'_>) {
        let line = Line { milliseconds: uptime(), record };
        println!("{line}");
    }
}

/// The time since the machine started in milliseconds; 0 before OSTD has found out the clock's frequency.
fn uptime() -> u64 {
    ostd::arch::read_tsc().checked_div(ostd::arch::tsc_freq() / 1000).unwrap_or(0)
}

struct Line<'a> {
    milliseconds: u64,
    record: &'a Record<'a>,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[{:>4}.{:03}] {:<5} {}: {}{}",
            self.milliseconds / 1000,
            self.milliseconds % 1000,
            level_name(self.record.level()),
            place(self.record.module_path()),
            self.record.prefix(),
            self.record.args()
        )
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Emerg => "emerg",
        Level::Alert => "alert",
        Level::Crit => "crit",
        Level::Error => "error",
        Level::Warning => "warn",
        Level::Notice => "note",
        Level::Info => "info",
        Level::Debug => "debug",
    }
}

/// A module's path as students know it: without the crate, and without `drivers`.
fn place(module_path: &str) -> &str {
    let within =
        module_path.strip_prefix(concat!(env!("CARGO_PKG_NAME"), "::")).unwrap_or(module_path);
    within.strip_prefix("drivers::").unwrap_or(within)
}

#[cfg(ktest)]
mod tests {
    use alloc::format;

    use ostd::prelude::ktest;

    use super::*;

    fn line(milliseconds: u64, level: Level, module_path: &'static str) -> alloc::string::String {
        let args = format_args!("queue {} is broken", 7);
        let record = Record::new(level, "", args, module_path, "queue.rs", 1);
        format!("{}", Line { milliseconds, record: &record })
    }

    #[ktest]
    fn lines_show_time_level_and_place() {
        assert_eq!(
            line(123, Level::Warning, "kernel::drivers::mmio"),
            "[   0.123] warn  mmio: queue 7 is broken"
        );
        assert_eq!(
            line(12_345_006, Level::Error, "kernel::power"),
            "[12345.006] error power: queue 7 is broken"
        );
        assert_eq!(
            line(0, Level::Debug, "ostd::io"),
            "[   0.000] debug ostd::io: queue 7 is broken"
        );
    }

    #[ktest]
    fn the_level_is_read_as_ostd_reads_it() {
        assert_eq!(level_on("job=info ostd.log_level=debug -- x"), Some("debug"));
        assert_eq!(level_on("job=info"), None);
        assert_eq!(level_on("xostd.log_level=debug"), None);
    }

    #[ktest]
    fn the_clock_runs() {
        let start = uptime();
        assert!(start > 0);
        while uptime() == start {}
    }
}
