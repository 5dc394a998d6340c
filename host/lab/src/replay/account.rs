//! The account that `job=verify` gives in its verdict.

use std::collections::BTreeMap;

use crate::console::counts;

/// The counts of `writes=5 reads=4 flushes=1 errors=3 io_error=3 mismatches=0 in_flight=0`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Account {
    /// Writes submitted.
    pub writes: u64,
    /// Reads submitted.
    pub reads: u64,
    /// Flushes submitted.
    pub flushes: u64,
    /// Operations that failed.
    pub errors: u64,
    /// The same by kind of error.
    pub kinds: BTreeMap<String, u64>,
    /// Sectors that were read and not what was written.
    pub mismatches: u64,
    /// Operations that were never answered.
    pub in_flight: u64,
}

impl Account {
    /// The account in the details of a success or the reason of a failure; `None` unless it is complete.
    pub fn parse(details: &str) -> Option<Self> {
        let mut counts = counts(details);
        Some(Self {
            writes: counts.remove("writes")?,
            reads: counts.remove("reads")?,
            flushes: counts.remove("flushes")?,
            errors: counts.remove("errors")?,
            mismatches: counts.remove("mismatches")?,
            in_flight: counts.remove("in_flight")?,
            kinds: counts.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect(),
        })
    }

    /// Operations submitted: writes, reads and flushes.
    pub fn operations(&self) -> u64 {
        self.writes + self.reads + self.flushes
    }

    /// A kind of error that occurred and is none of these.
    pub fn kind_beside(&self, kinds: &[&str]) -> Option<&str> {
        self.kinds.keys().map(String::as_str).find(|kind| !kinds.contains(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read() {
        let details = "3 errors, 0 mismatches; writes=5 reads=4 flushes=1 errors=3 broken=2 short=1 \
                       mismatches=0 in_flight=0";
        let account = Account::parse(details).unwrap();
        assert_eq!((account.operations(), account.errors, account.in_flight), (10, 3, 0));
        assert_eq!(account.kind_beside(&["short"]), Some("broken"));
        assert_eq!(account.kind_beside(&["short", "broken"]), None);
    }

    #[test]
    fn half_an_account_is_none() {
        let details = "writes=5 reads=4 flushes=1 errors=0 mismatches=0";
        assert_eq!(Account::parse(details), None);
        assert!(Account::parse(&format!("{details} in_flight=0")).is_some());
        assert_eq!(Account::parse("no disk found; give QEMU one"), None);
    }
}
