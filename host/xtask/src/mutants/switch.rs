//! The number of the active mutant, from the kernel command line: `mutant=17`. Without it none is.
//!
//! `leave_out=a::b,c::d` names unit tests that end at once, `only=a::b,c::d` those that do not.

#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use ostd::boot::boot_info;

/// The command line has not been read.
const UNKNOWN: u32 = u32::MAX;

static CHOSEN: AtomicU32 = AtomicU32::new(UNKNOWN);

/// Returns `true` if this mutant is on.
pub fn on(number: u32) -> bool {
    let mut chosen = CHOSEN.load(Ordering::Relaxed);
    if chosen == UNKNOWN {
        chosen = option("mutant=").and_then(|number| number.parse().ok()).unwrap_or(0);
        CHOSEN.store(chosen, Ordering::Relaxed);
    }
    chosen == number
}

/// Returns `true` if this test is to be left out.
pub fn leaves_out(test: &str) -> bool {
    let names = |list: &str| list.split(',').any(|name| name == test);
    option("leave_out=").is_some_and(names) || option("only=").is_some_and(|list| !names(list))
}

fn option(key: &str) -> Option<&'static str> {
    boot_info().kernel_cmdline.split(' ').find_map(|word| word.strip_prefix(key))
}
