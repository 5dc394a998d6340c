//! The processes below a process.
//!
//! Not a process group: what is started here stays in the terminal's, so that Ctrl-C ends all of it.

use std::{fs, process::Child};

use rustix::process::{Pid, Signal, kill_process};

/// Kills `child` and every process below it, each by its own id, and waits for `child`.
pub(super) fn kill(child: &mut Child) -> std::io::Result<()> {
    // The ids are collected before the first kill: an orphan no longer tells whose child it was.
    for pid in descendants(child.id()) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    child.kill()?;
    child.wait().map(drop)
}

/// The processes below `root`, from Linux's `/proc`; none on a system without it.
fn descendants(root: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pairs: Vec<(u32, u32)> = entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let parent = parent_in_stat(&fs::read_to_string(entry.path().join("stat")).ok()?)?;
            Some((pid, parent))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        next += 1;
        found.extend(pairs.iter().filter(|pair| pair.1 == parent).map(|pair| pair.0));
    }
    found.split_off(1)
}

/// The parent's id in the text of `/proc/PID/stat`: `pid (name) state parent ...`, where the name
/// may hold anything.
fn parent_in_stat(stat: &str) -> Option<u32> {
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent_in_stat("12 (a) b) S 7 12 12"), Some(7));
        assert_eq!(parent_in_stat("12"), None);
    }
}
