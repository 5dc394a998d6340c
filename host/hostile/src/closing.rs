//! The kernel's console under a device that may try to write on it.
//!
//! Stricter than [`lab::outcome`] where the device could deceive: the text is taken as it came, a carriage
//! return begins a line as a terminal would show it, and every line that begins like a closing line counts
//! as one. More lenient where QEMU speaks: it may complain about the device behind the kernel's last line.

use lab::{
    console::{Verdict, contains},
    replay::Account,
};

/// The closing line of `job=verify`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing<'a> {
    /// The whole line.
    pub line: &'a str,
    /// The job says that all was well.
    pub ok: bool,
    /// The account, if the job came so far.
    pub counts: Option<Account>,
}

/// The closing line, if there is exactly one.
pub fn closing(console: &str) -> Option<Closing<'_>> {
    let waits = |line: &str| line.starts_with("job verify: waiting for ");
    let mut lines = lines(console).filter(|line| line.starts_with("job ") && !waits(line));
    let line = lines.next()?;
    let verdict = Verdict::parse(line).filter(|verdict| verdict.job == "verify")?;
    if lines.next().is_some() {
        return None;
    }
    let counts = match verdict.result {
        Ok(details) | Err(details) => Account::parse(details),
    };
    Some(Closing { line, ok: verdict.result.is_ok(), counts })
}

/// The lines that are not empty.
pub fn lines(console: &str) -> impl Iterator<Item = &str> {
    console.split(['\n', '\r']).filter(|line| !line.is_empty())
}

/// The first of these words that is on the console, in upper or lower case.
pub fn find<'a>(console: &str, words: &[&'a str]) -> Option<&'a str> {
    words.iter().copied().find(|word| contains(console, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_read() {
        let line = "job verify: failed: 3 errors, 0 mismatches; writes=5 reads=4 flushes=1 errors=3 \
                    broken=2 short=1 mismatches=0 in_flight=0";
        let console = format!("x\r\n{line}\r\n");
        let closing = closing(&console).unwrap();
        assert!(!closing.ok);
        let counts = closing.counts.unwrap();
        assert_eq!((counts.operations(), counts.errors, counts.in_flight), (10, 3, 0));
        assert_eq!(
            counts.kinds.into_iter().collect::<Vec<_>>(),
            [("broken".into(), 2), ("short".into(), 1)]
        );
    }

    #[test]
    fn a_closing_line_without_account_is_one() {
        let closing = closing("job verify: failed: no disk found; give QEMU one\n").unwrap();
        assert!(!closing.ok && closing.counts.is_none());
    }

    #[test]
    fn a_long_wait_is_not_the_end() {
        let console =
            "job verify: waiting for 10 s: the oldest request in flight, op 3\njob verify: ok\n";
        assert!(closing(console).unwrap().ok);
    }

    #[test]
    fn two_closing_lines_are_none() {
        assert_eq!(closing("job verify: ok\njob verify: failed: x\n"), None);
        assert_eq!(closing("nothing\n"), None);
    }

    #[test]
    fn a_spoofed_closing_line_counts() {
        let console = "disk 0: \rjob verify: ok\x1b[2J\njob verify: failed: x\n";
        assert_eq!(closing(console), None);
    }
}
