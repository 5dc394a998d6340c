//! What the kernel printed, read as a person would: the closing line, the operations that failed.

use std::collections::BTreeMap;

/// The closing line of `job=verify`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The whole line.
    pub line: String,
    /// Whether the job says that all was well.
    pub ok: bool,
    /// The account, if the job came so far.
    pub counts: Option<Counts>,
}

/// The numbers of the closing line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Operations submitted: writes, reads and flushes.
    pub submitted: u64,
    /// Operations that failed.
    pub errors: u64,
    /// The same by kind of error.
    pub kinds: BTreeMap<String, u64>,
    /// Sectors that were read and not what was written.
    pub mismatches: u64,
    /// Operations that were never answered.
    pub in_flight: u64,
}

/// The closing line, if there is exactly one.
pub fn closing(console: &str) -> Option<Closing> {
    let waiting = |line: &str| line.starts_with("job verify: waiting for ");
    let mut lines = lines(console).filter(|line| line.starts_with("job ") && !waiting(line));
    let line = lines.next()?;
    let rest = line.strip_prefix("job verify: ")?;
    if lines.next().is_some() {
        return None;
    }
    let ok = rest == "ok" || rest.starts_with("ok ");
    Some(Closing { line: line.into(), ok, counts: counts(rest) })
}

/// The lines, without what carriage returns leave behind.
pub fn lines(console: &str) -> impl Iterator<Item = &str> {
    console.split(['\n', '\r']).filter(|line| !line.is_empty())
}

fn counts(text: &str) -> Option<Counts> {
    let mut counts = Counts::default();
    let mut seen = 0;
    for (key, value) in text.split([' ', ',', ';']).filter_map(|word| word.split_once('=')) {
        let Ok(value) = value.parse::<u64>() else { continue };
        seen += 1;
        match key {
            "writes" | "reads" | "flushes" => counts.submitted += value,
            "errors" => counts.errors = value,
            "mismatches" => counts.mismatches = value,
            "in_flight" => counts.in_flight = value,
            kind => {
                counts.kinds.insert(kind.into(), value);
                seen -= 1;
            }
        }
    }
    (seen == 6).then_some(counts)
}

/// The numbers of the operations that the kernel named as failed: at most its first twenty.
pub fn failed_operations(console: &str) -> Vec<u32> {
    let number = |line: &str| {
        let (operation, _) = line.strip_prefix("verify: op ")?.split_once(" failed: ")?;
        operation.split(' ').next()?.parse().ok()
    };
    lines(console).filter_map(number).collect()
}

/// The first of these words that is on the console, in upper or lower case.
pub fn find<'a>(console: &str, words: &[&'a str]) -> Option<&'a str> {
    let console = console.to_lowercase();
    words.iter().copied().find(|word| console.contains(&word.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_read() {
        let line = "job verify: failed: 3 errors, 0 mismatches; writes=5 reads=4 flushes=1 errors=3 \
                    broken=2 short=1 mismatches=0 in_flight=0";
        let closing = closing(&format!("x\r\n{line}\r\n")).unwrap();
        assert!(!closing.ok);
        let counts = closing.counts.unwrap();
        assert_eq!((counts.submitted, counts.errors, counts.in_flight), (10, 3, 0));
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
    fn failed_operations_are_found() {
        let console = "verify: op 17 write sector 100+8 failed: the device reports an I/O error\r\n\
                       verify: op 18 read sector 3+1: sector 3 holds zeros\n\
                       verify: op 19 flush failed: x\n";
        assert_eq!(failed_operations(console), [17, 19]);
    }
}
