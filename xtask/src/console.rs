//! The forms of the lines that the kernel prints.

use std::{collections::BTreeMap, result::Result};

/// How the kernel says its job ended; always the last line on the console.
#[derive(Debug, Eq, PartialEq)]
pub struct Verdict<'a> {
    /// The name of the job.
    pub job: &'a str,
    /// The details of a success, or the reason of a failure.
    pub result: Result<&'a str, &'a str>,
}

impl<'a> Verdict<'a> {
    /// Understands `job NAME: ok[ DETAILS]` and `job NAME: failed: REASON`.
    pub fn parse(line: &'a str) -> Option<Self> {
        let (job, rest) = line.strip_prefix("job ")?.split_once(": ")?;
        let result = match rest.strip_prefix("failed: ") {
            Some(reason) => Err(reason),
            None => Ok(rest
                .strip_prefix("ok")
                .filter(|d| d.is_empty() || d.starts_with(' '))?
                .trim_start()),
        };
        Some(Self { job, result })
    }
}

/// The counts in `errors=0 in_flight=0` and the like; other words are skipped.
pub fn counts(details: &str) -> BTreeMap<&str, u64> {
    details
        .split([' ', ',', ';'])
        .filter_map(|word| {
            let (key, value) = word.split_once('=')?;
            Some((key, value.parse().ok()?))
        })
        .collect()
}

/// Address and bytes of a line like `00000600  48 65  |He|`; the text column must agree with the
/// bytes.
pub fn dump_line(line: &str) -> Option<(u64, Vec<u8>)> {
    let (address, rest) = line.split_once("  ")?;
    if address.len() < 8 {
        return None;
    }
    let address = u64::from_str_radix(address, 16).ok()?;
    let (hex, shown) = rest.split_once('|')?;
    let bytes: Vec<u8> = hex
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect::<Result<_, _>>()
        .ok()?;
    let printable = |byte: &u8| {
        if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' }
    };
    let text: String = bytes.iter().map(printable).collect();
    (shown.strip_suffix('|')? == text).then_some((address, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        assert_eq!(Verdict::parse("job demo: ok"), Some(Verdict { job: "demo", result: Ok("") }));
        assert_eq!(
            Verdict::parse("job verify: ok a=1"),
            Some(Verdict { job: "verify", result: Ok("a=1") })
        );
        assert_eq!(
            Verdict::parse("job read: failed: no: x"),
            Some(Verdict { job: "read", result: Err("no: x") })
        );
        assert_eq!(Verdict::parse("job demo: okay"), None);
        assert_eq!(Verdict::parse("a job demo: ok"), None);
    }

    #[test]
    fn counts_are_found_between_other_words() {
        let found = counts("2 errors, 0 mismatches; writes=7 errors=2 io_error=2, odd=x");
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("errors", 2), ("io_error", 2), ("writes", 7)]
        );
    }

    #[test]
    fn dump_lines() {
        assert_eq!(dump_line("00000200  48 65 00  |He.|"), Some((0x200, vec![0x48, 0x65, 0])));
        assert_eq!(dump_line("1200000200  7c  |||"), Some((0x12_0000_0200, vec![0x7c])));
        assert_eq!(dump_line("00000200  48 65  |Hx|"), None);
        assert_eq!(dump_line("200  48  |H|"), None);
        assert_eq!(dump_line("two words  here"), None);
    }
}
