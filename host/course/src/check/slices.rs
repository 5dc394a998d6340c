//! `job=slices`: slices of DMA memory taken until there are none, and 100,000 times taken and dropped.
//!
//! The job is the grader's. It fills the slices, and writes what they hold afterwards, and where they lie, to the
//! disk: two that overlap spoil each other's content.

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;
use hostile::device::config::Config;
use lab::{image::noise, place::Place, process::End, qemu::Transport};
use plan::slices::{CELL_BYTES, Part, WORDS, content};
use serde::Deserialize;

use super::{
    Stand, Verdict, disk_at,
    witness::{self, in_words, recorder},
};
use crate::{diagnosis::Finding, language::text, recorder::Manner};

/// The sectors of the disk.
const SECTORS: u64 = 2048;
/// The slots that are asked for: they fill no whole number of pages.
const SLOTS: u64 = 100;
/// The times that a slice is taken and dropped.
const ROUNDS: u64 = 100_000;
const PAGE: u64 = 4096;
/// The largest cache line of the RISC-V cores that OSTD runs on.
const CACHE_LINE: u64 = 64;

/// A run of the job.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slices {
    /// The slices are of a stream, otherwise of coherent memory.
    #[serde(default)]
    stream: bool,
}

impl Slices {
    /// Boots once and judges.
    pub fn judge(
        &self,
        stand: &Stand<'_>,
        place: &Place,
        mut random: fastrand::Rng,
    ) -> Result<Verdict> {
        let config = Config { capacity: SECTORS, ..Config::honest() };
        let (seed, sector) = (random.u64(..), random.u64(0..SECTORS / 2));
        let stream = if self.stream { "on" } else { "off" };
        let line = format!(
            "job=slices sector={sector} seed={seed} count={ROUNDS} slots={SLOTS} stream={stream}"
        );
        let device = recorder(Manner::prompt(config), noise(SECTORS as usize, random.u64(..)));
        let machine = |socket: &Path| disk_at(Transport::Modern, socket, "");
        let seen = witness::boot(stand, place, device, machine, &line, in_words)?;
        let account = Account::read(&seen.disk, sector);
        lab::process::append(&place.log, &format!("{account:?}\n"))?;
        Ok(self.compare(seed, account, seen.end))
    }

    /// The bytes from one slot to the next at the least.
    fn distance(&self) -> u64 {
        let size = CELL_BYTES as u64;
        if self.stream { size.next_multiple_of(CACHE_LINE) } else { size }
    }

    fn compare(&self, seed: u64, account: Option<Account>, end: End) -> Option<Finding> {
        let all = text!("{SLOTS} slices, and then none", "{SLOTS} 个切片，然后没有了");
        let Some(account) = account else {
            let seen = text!("nothing is told of any slice ({end})", "没有任何切片的消息（{end}）");
            return Some(Finding::new("never-set-up", all, seen));
        };
        let Some(taken) = account.taken else {
            let seen = text!(
                "the kernel comes no further than to taking them ({end})",
                "内核停在取切片这一步（{end}）"
            );
            return Some(Finding::new("exhaustion-not-told", all, seen));
        };
        let number = taken.len() as u64;
        let mut addresses: Vec<u64> = taken.iter().map(|taken| taken.address).collect();
        addresses.sort_unstable();
        if let Some(twice) = addresses.windows(2).find(|pair| pair[0] == pair[1]) {
            let expected = text!("each slice at an address of its own", "每个切片都有自己的地址");
            let seen = text!("two at {:#x}", "有两个在 {:#x}", twice[0]);
            return Some(Finding::new("slot-twice", expected, seen));
        }
        if number < SLOTS {
            let seen = text!("{number} slices, and then none", "{number} 个切片，然后没有了");
            return Some(Finding::new("slots-missing", all, seen));
        }
        self.compare_places(seed, &taken, &addresses).or_else(|| {
            let Some(rounds) = account.rounds else {
                let expected =
                    text!("{ROUNDS} slices taken and dropped", "取走并丢弃 {ROUNDS} 个切片");
                let seen =
                    text!("the kernel does not come to the end ({end})", "内核没有做完（{end}）");
                return Some(Finding::new("slot-lost", expected, seen));
            };
            if rounds.refused > 0 {
                let expected = text!("a slice whenever a slot is free", "只要有空槽就能得到切片");
                let seen = text!(
                    "{} times none, though not all were in use",
                    "有 {} 次没有得到，尽管并非全部在用",
                    rounds.refused
                );
                return Some(Finding::new("slot-lost", expected, seen));
            }
            if rounds.wrong > 0 {
                let expected = text!("what was written to a slice", "写入切片的内容");
                let seen = text!("something else, {} times", "有 {} 次是别的内容", rounds.wrong);
                return Some(Finding::new("slot-twice", expected, seen));
            }
            let again = rounds.taken_again;
            let cause = match again.cmp(&number) {
                std::cmp::Ordering::Less => "slot-lost",
                std::cmp::Ordering::Equal => return None,
                std::cmp::Ordering::Greater => "slot-twice",
            };
            let expected = text!("{number} slices as at first", "和最初一样有 {number} 个切片");
            Some(Finding::new(cause, expected, text!("{again}", "{again} 个")))
        })
    }

    /// Judges by the places of the slices, and by what they hold when all are filled.
    fn compare_places(&self, seed: u64, taken: &[Taken], addresses: &[u64]) -> Option<Finding> {
        let (size, distance) = (CELL_BYTES as u64, self.distance());
        let close = addresses.windows(2).find(|pair| pair[1] - pair[0] < size);
        let spoilt =
            (0..).zip(taken).find(|(number, taken)| taken.content != content(seed, *number));
        let expected =
            text!("slices of {size} bytes that do not touch", "{size} 字节的切片互不相碰");
        match (close, spoilt) {
            (Some(pair), _) => {
                let seen = text!(
                    "one at {:#x}, one at {:#x}",
                    "一个在 {:#x}，一个在 {:#x}",
                    pair[0],
                    pair[1]
                );
                return Some(Finding::new("slots-overlap", expected, seen));
            }
            (None, Some((number, _))) => {
                let seen =
                    text!("slice {number} does not hold its own", "切片 {number} 里不是自己的内容");
                return Some(Finding::new("slots-overlap", expected, seen));
            }
            (None, None) => {}
        }
        let unaligned = addresses.iter().find(|address| **address % 8 != 0);
        let shared = addresses.windows(2).find(|pair| pair[0] / CACHE_LINE == pair[1] / CACHE_LINE);
        match (unaligned, shared.filter(|_| self.stream)) {
            (Some(address), _) => {
                let expected = text!("addresses for 8-byte words", "地址按 8 字节对齐");
                let seen = text!("{address:#x}", "{address:#x}");
                return Some(Finding::new("slots-unaligned", expected, seen));
            }
            (None, Some(pair)) => {
                let expected = text!(
                    "slots {distance} bytes apart in a stream",
                    "流里的槽相距 {distance} 字节"
                );
                let seen = text!(
                    "one at {:#x}, one at {:#x}",
                    "一个在 {:#x}，一个在 {:#x}",
                    pair[0],
                    pair[1]
                );
                return Some(Finding::new("slots-share-a-line", expected, seen));
            }
            (None, None) => {}
        }
        let number = taken.len();
        let needed = (number as u64 * distance).div_ceil(PAGE);
        let pages: BTreeSet<u64> = addresses.iter().map(|address| address / PAGE).collect();
        let used = pages.len() as u64;
        (used > needed).then(|| {
            let expected =
                text!("{needed} pages for {number} slices", "{number} 个切片用 {needed} 页");
            Finding::new("a-page-for-each", expected, text!("{used} pages", "{used} 页"))
        })
    }
}

/// The job's account, as far as it stands on the disk.
#[derive(Debug)]
struct Account {
    taken: Option<Vec<Taken>>,
    rounds: Option<Rounds>,
}

/// One of the slices that were taken until there were none.
#[derive(Debug)]
struct Taken {
    address: u64,
    content: [u64; WORDS],
}

/// The outcome of taking and dropping.
#[derive(Debug)]
struct Rounds {
    /// The times that there was none although not all were in use.
    refused: u64,
    /// The slices that did not hold what was put into them.
    wrong: u64,
    /// The slices that could be taken afterwards.
    taken_again: u64,
}

impl Account {
    /// Reads what the job has written from this sector on; `None` if it has not begun.
    fn read(disk: &[u8], sector: u64) -> Option<Self> {
        let _begun = Part::Begun.words(disk, sector)?;
        let taken = Part::Taken.words(disk, sector).map(|words| {
            let words: Vec<u64> = words.collect();
            let (slices, _) = words.as_chunks::<{ 1 + WORDS }>();
            slices
                .iter()
                .map(|[address, content @ ..]| Taken { address: *address, content: *content })
                .collect()
        });
        let rounds =
            Part::Rounds.words(disk, sector).and_then(
                |words| match words.collect::<Vec<_>>()[..] {
                    [refused, wrong, taken_again] => Some(Rounds { refused, wrong, taken_again }),
                    _ => None,
                },
            );
        Some(Self { taken, rounds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 5;

    /// A good run; `change` makes it another one.
    fn cause(
        stream: bool,
        change: impl FnOnce(&mut Vec<Taken>, &mut Rounds),
    ) -> Option<&'static str> {
        let check = Slices { stream };
        let slots = PAGE / check.distance();
        let mut taken: Vec<Taken> = (0..slots.max(SLOTS))
            .map(|number| Taken {
                address: 0x8020_0000 + number * check.distance(),
                content: content(SEED, number),
            })
            .collect();
        let mut rounds = Rounds { refused: 0, wrong: 0, taken_again: taken.len() as u64 };
        change(&mut taken, &mut rounds);
        let account = Account { taken: Some(taken), rounds: Some(rounds) };
        check.compare(SEED, Some(account), End::Exited(0)).map(|finding| finding.cause)
    }

    #[test]
    fn each_mistake_of_an_allocator_is_told() {
        for stream in [false, true] {
            assert_eq!(cause(stream, |_, _| {}), None);
            let twice = cause(stream, |taken, _| taken[7].address = taken[3].address);
            assert_eq!(twice, Some("slot-twice"));
            assert_eq!(cause(stream, |taken, _| taken.truncate(99)), Some("slots-missing"));
            let overlap = cause(stream, |taken, _| taken[7].address = taken[3].address + 8);
            assert_eq!(overlap, Some("slots-overlap"));
            let spoilt = cause(stream, |taken, _| taken[7].content[1] = 0);
            assert_eq!(spoilt, Some("slots-overlap"));
            let pages = cause(stream, |taken, _| {
                (0..).zip(taken).for_each(|(number, taken)| taken.address = number * PAGE);
            });
            assert_eq!(pages, Some("a-page-for-each"));
            assert_eq!(cause(stream, |_, rounds| rounds.refused = 1), Some("slot-lost"));
            assert_eq!(cause(stream, |_, rounds| rounds.taken_again -= 1), Some("slot-lost"));
            assert_eq!(cause(stream, |_, rounds| rounds.taken_again += 1), Some("slot-twice"));
            assert_eq!(cause(stream, |_, rounds| rounds.wrong = 1), Some("slot-twice"));
        }
        let packed = |taken: &mut Vec<Taken>, _: &mut Rounds| {
            (0..).zip(taken).for_each(|(number, taken)| taken.address = number * 24);
        };
        assert_eq!(cause(true, packed), Some("slots-share-a-line"));
        assert_eq!(cause(false, packed), None);
    }
}
