//! The forms of the lines that the kernel prints.

use std::collections::BTreeMap;

/// The end of a job by the kernel's own word; always the last line on the console.
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

/// There is no verdict on a console that can be believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum VerdictError {
    /// No line is one.
    #[error("the kernel did not say how its job ended")]
    Missing,
    /// Several lines are.
    #[error("more than one line says how the job ended")]
    Several,
    /// It is not the last line.
    #[error("something was printed after the line that says how the job ended")]
    NotLast,
}

/// The kernel's verdict on its job: the only one, in the last line that is not empty.
///
/// # Errors
///
/// There is no such line.
pub fn verdict(console: &str) -> Result<Verdict<'_>, VerdictError> {
    let mut verdicts = console.lines().filter_map(Verdict::parse);
    let verdict = verdicts.next().ok_or(VerdictError::Missing)?;
    if verdicts.next().is_some() {
        return Err(VerdictError::Several);
    }
    let last = console.lines().rfind(|line| !line.trim().is_empty());
    last.and_then(Verdict::parse).map(|_| verdict).ok_or(VerdictError::NotLast)
}

/// The number of the operation of which a line says that it failed:
/// `verify: op 17 write sector 100+8 failed: REASON`.
pub fn failed_operation(line: &str) -> Option<u32> {
    let (operation, _) = line.strip_prefix("verify: op ")?.split_once(" failed: ")?;
    operation.split(' ').next()?.parse().ok()
}

/// Finds `word` in `text`, in upper or lower case.
pub fn contains(text: &str, word: &str) -> bool {
    text.to_lowercase().contains(&word.to_lowercase())
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
    fn the_verdict_is_alone_and_last() {
        assert_eq!(verdict("x\njob a: ok\n \n"), Ok(Verdict { job: "a", result: Ok("") }));
        assert_eq!(verdict("job bench: {\"ios\":1}\n"), Err(VerdictError::Missing));
        assert_eq!(verdict("job a: ok\njob a: failed: x"), Err(VerdictError::Several));
        assert_eq!(verdict("job a: ok\nmore"), Err(VerdictError::NotLast));
    }

    #[test]
    fn failed_operations_are_found() {
        let console = "verify: op 17 write sector 100+8 failed: the device reports an I/O error\n\
                       verify: op 18 read sector 3+1: sector 3 holds zeros\n\
                       verify: op 19 flush failed: x\n";
        let found: Vec<_> = console.lines().filter_map(failed_operation).collect();
        assert_eq!(found, [17, 19]);
    }

    #[test]
    fn words_are_found_in_any_case() {
        assert!(contains("The Used Index claims", "the used index"));
        assert!(!contains("queue", "queues"));
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
