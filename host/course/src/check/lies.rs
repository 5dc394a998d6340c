//! `job=copy` from a disk that lies about some of the reads, to an honest one.
//!
//! A bad answer that the kernel believes stands on the honest disk afterwards, where it can be seen from
//! outside; one that it does not believe leaves its sector there as it was. And the lying disk knows whether it
//! was reset before the next request came.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use hostile::{
    device::{Device, Diary, config::Config},
    mode::Lie,
};
use lab::{
    image::{SECTOR, noise},
    place::Place,
    process::End,
    qemu::{Disk, Transport},
};
use serde::Deserialize;

use super::{SLOT_1, Stand, TransportName, Verdict, disk_at, witness};
use crate::{
    diagnosis::{Finding, bytes},
    language::{Text, text},
};

/// The sectors of both disks.
const SECTORS: u64 = 2048;
/// The honest reads before a lie; they earn the disk its next reset, too.
const BETWEEN: u64 = 3;
/// The entries of the queue.
const QUEUE_SIZE: u16 = 64;

/// The lies, by name.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Name {
    IdBeyond,
    IdNotOutstanding,
    IndexAhead,
    IndexOneAhead,
    IndexBack,
    LengthOneOver,
    LengthHuge,
    LengthZero,
    LengthHalf,
    Failed,
    StatusUnknown,
    NoStatus,
}

/// A lie and what must come of it.
struct Row {
    lie: Lie,
    what: Text,
    /// The read succeeds, and its data arrive at the honest disk.
    arrives: bool,
    /// The disk is reset.
    reset: bool,
    /// The likely cause where it is otherwise.
    cause: &'static str,
}

impl Name {
    fn row(self, transport: Transport) -> Row {
        let believed = |lie, what, cause| Row { lie, what, arrives: true, reset: false, cause };
        let breaks = |lie, what, cause| Row { lie, what, arrives: false, reset: true, cause };
        let fails = |lie, what, cause| Row { lie, what, arrives: false, reset: false, cause };
        let legacy = transport == Transport::Legacy;
        match self {
            Self::IdBeyond => {
                let what = text!("used.id is 9999", "used.id 为 9999");
                breaks(Lie::IdBeyondQueue, what, "unknown-id-believed")
            }
            Self::IdNotOutstanding => {
                let what = text!(
                    "used.id names a descriptor that heads no chain",
                    "used.id 指的描述符不是任何链的头"
                );
                breaks(Lie::IdNotOutstanding, what, "free-id-believed")
            }
            Self::IndexAhead => {
                let what = text!("used.idx is 1000 too high", "used.idx 多了 1000");
                breaks(Lie::IndexOff(1000), what, "index-jump-believed")
            }
            Self::IndexOneAhead => {
                let what = text!(
                    "used.idx claims one chain more than is outstanding",
                    "used.idx 比在途的链多算一条"
                );
                breaks(Lie::IndexOneTooFar, what, "index-one-ahead-believed")
            }
            Self::IndexBack => {
                // Few, so that it does not wrap soon after a reset.
                let what = text!("used.idx goes back by one", "used.idx 后退一");
                breaks(Lie::IndexOff(-1), what, "index-back-believed")
            }
            Self::LengthHuge if legacy => {
                let what = text!(
                    "a legacy device says that it wrote 4294967295 bytes",
                    "旧式设备说写了 4294967295 字节"
                );
                believed(Lie::LengthHuge, what, "legacy-length-counts")
            }
            Self::LengthZero if legacy => {
                let what =
                    text!("a legacy device says that it wrote 0 bytes", "旧式设备说写了 0 字节");
                believed(Lie::LengthZero, what, "legacy-length-counts")
            }
            Self::LengthOneOver => {
                let what = text!(
                    "one byte more is written than there was room for",
                    "写入的字节比可写的空间多一"
                );
                breaks(Lie::LengthOver(1), what, "long-length-believed")
            }
            Self::LengthHuge => {
                let what = text!("4294967295 bytes are written", "写了 4294967295 字节");
                breaks(Lie::LengthHuge, what, "long-length-believed")
            }
            Self::LengthZero => {
                let what = text!("0 bytes are written", "写了 0 字节");
                fails(Lie::LengthZero, what, "no-length-believed")
            }
            Self::LengthHalf => {
                let what = text!("half of the bytes are written", "只写了一半的字节");
                fails(Lie::LengthHalf, what, "short-length-believed")
            }
            Self::Failed => {
                let what = text!("status 1, an I/O error", "状态 1，输入输出错误");
                fails(Lie::FailWithGarbage, what, "error-status-believed")
            }
            Self::StatusUnknown => {
                let what = text!("status 0x77", "状态 0x77");
                fails(Lie::Status(0x77), what, "unknown-status-believed")
            }
            Self::NoStatus => {
                let what = text!("the status byte is never written", "状态字节从未被写");
                fails(Lie::NoStatus, what, "missing-status-believed")
            }
        }
    }
}

/// A copy, and the lies on its way.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lies {
    /// In the order in which they are told.
    lies: Vec<Name>,
    /// The machine's.
    #[serde(default)]
    transport: TransportName,
}

impl Lies {
    /// Boots once and judges.
    pub fn judge(
        &self,
        stand: &Stand<'_>,
        place: &Place,
        mut random: fastrand::Rng,
    ) -> Result<Verdict> {
        let transport = Transport::from(self.transport);
        let rows: Vec<Row> = self.lies.iter().map(|name| name.row(transport)).collect();
        let lies = rows.iter().zip((BETWEEN..).step_by(BETWEEN as usize + 1));
        let script: BTreeMap<u64, Lie> = lies.map(|(row, number)| (number, row.lie)).collect();
        let count = (BETWEEN + 1) * rows.len() as u64 + BETWEEN;
        let mut position = || random.u64(64..SECTORS - 64 - count);
        let (source, target) = (position(), position());
        let from = noise(SECTORS as usize, random.u64(..));
        let honest = place.image("honest", noise(SECTORS as usize, random.u64(..)))?;

        let config = Config { capacity: SECTORS, ..Config::honest() };
        let contents = from.clone();
        let device = |memory, wire| Device::scripted(script, config, contents, memory, wire);
        let machine = |socket: &Path| {
            let machine = disk_at(transport, socket, SLOT_1);
            machine.options(Disk::new(&honest).slot(0).options(1))
        };
        // The deadline is longer than the boot may take: who waits for it has not noticed the lie.
        let line = format!(
            "job=copy from=0 to=1 sector={source} at={target} count={count} skip_errors=on \
             virtio.queue_size={QUEUE_SIZE} timeout_ms=60000"
        );
        let tell = |diary: &Diary| format!("{diary:#?}");
        let seen = witness::boot(stand, place, device, machine, &line, tell)?;
        let to = honest.contents()?;
        let sector = |disk: &[u8], first: u64, number: u64| {
            let start = (first + number) as usize * SECTOR;
            disk.get(start..start + SECTOR).map(<[u8]>::to_vec).unwrap_or_default()
        };
        let sectors = Sectors {
            end: seen.end,
            read: (0..count).map(|number| sector(&from, source, number)).collect(),
            before: (0..count).map(|number| sector(honest.before(), target, number)).collect(),
            after: (0..count).map(|number| sector(&to, target, number)).collect(),
        };
        Ok(sectors.compare(&rows, &seen.account))
    }
}

/// The evidence but for the device's account: the sectors that were to be copied.
struct Sectors {
    end: End,
    read: Vec<Vec<u8>>,
    before: Vec<Vec<u8>>,
    after: Vec<Vec<u8>>,
}

impl Sectors {
    fn compare(&self, rows: &[Row], diary: &Diary) -> Option<Finding> {
        let mut lies = rows.iter().zip(&diary.told);
        for (number, after) in self.after.iter().enumerate() {
            let is_lie = number as u64 % (BETWEEN + 1) == BETWEEN;
            if number as u64 >= diary.reads {
                return Some(self.stopped(number, diary));
            }
            // A lie may come with data that are wrong, too.
            let arrived = *after != self.before[number];
            let lie = if is_lie { lies.next() } else { None };
            let Some((row, told)) = lie else {
                if !arrived {
                    let wanted = text!(
                        "read {number}, answered honestly, arrives",
                        "如实应答的读 {number} 到达"
                    );
                    let seen = text!("it does not", "没有到达");
                    return Some(Finding::new("good-answer-refused", wanted, seen));
                }
                if *after != self.read[number] {
                    let (expected, seen) = (bytes(&self.read[number]), bytes(after));
                    let expected = text!("read {number}: {expected}", "读 {number}：{expected}");
                    return Some(Finding::new("read-wrong", expected, text!("{seen}", "{seen}")));
                }
                continue;
            };
            let says = |arrives: bool, reset: bool| match (arrives, reset) {
                (true, true) => text!("the read succeeds, the disk is reset", "读成功，磁盘被复位"),
                (true, false) => {
                    text!("the read succeeds, the disk is not reset", "读成功，磁盘没有被复位")
                }
                (false, true) => text!("the read fails, the disk is reset", "读失败，磁盘被复位"),
                (false, false) => {
                    text!("the read fails, the disk is not reset", "读失败，磁盘没有被复位")
                }
            };
            if (arrived, told.reset) != (row.arrives, row.reset) {
                let (what, due) = (&row.what, says(row.arrives, row.reset));
                let wanted = Text {
                    en: format!("read {number}: {}: {}", what.en, due.en),
                    zh: format!("读 {number}：{}：{}", what.zh, due.zh),
                };
                // Where the answer alone counts, a reset is a mistake of its own.
                let cause = match told.reset && !row.reset && arrived == row.arrives {
                    true => "reset-for-one-answer",
                    false => row.cause,
                };
                return Some(Finding::new(cause, wanted, says(arrived, told.reset)));
            }
        }
        let resets = rows.iter().filter(|row| row.reset).count() as u64;
        let seen = diary.starts.saturating_sub(1);
        (seen > resets).then(|| {
            let times = |count| text!("{count} resets", "{count} 次复位");
            Finding::new("reset-for-one-answer", times(resets), times(seen))
        })
    }

    /// The copy does not come so far.
    fn stopped(&self, number: usize, diary: &Diary) -> Finding {
        let wanted = text!("{} reads", "{} 次读", self.after.len());
        let seen = text!(
            "{number} reads, then nothing more ({})",
            "{number} 次读，之后再也没有（{}）",
            self.end
        );
        let cause = match number {
            _ if diary.starts == 0 => "never-set-up",
            0 => "good-answer-refused",
            _ => "stops-at-a-lie",
        };
        Finding::new(cause, wanted, seen)
    }
}

#[cfg(test)]
mod tests {
    use hostile::device::Told;

    use super::*;

    /// A run with the lies of these names; `change` makes it other than a run of a good driver.
    fn cause(
        names: &[Name],
        change: impl FnOnce(&mut Sectors, &mut Diary),
    ) -> Option<&'static str> {
        let rows: Vec<Row> = names.iter().map(|name| name.row(Transport::Modern)).collect();
        let reads = (BETWEEN + 1) * rows.len() as u64 + BETWEEN;
        let read: Vec<Vec<u8>> = (0..reads).map(|number| vec![number as u8; SECTOR]).collect();
        let before = vec![vec![0xff; SECTOR]; read.len()];
        let lied_about = |number: usize| number as u64 % (BETWEEN + 1) == BETWEEN;
        let after = (0..read.len()).map(|number| match lied_about(number) {
            true => before[number].clone(),
            false => read[number].clone(),
        });
        let after = after.collect();
        let told = rows.iter().map(|row| Told { lie: row.lie, reset: row.reset }).collect();
        let starts = 1 + rows.iter().filter(|row| row.reset).count() as u64;
        let mut diary = Diary { starts, told, reads, ..Diary::default() };
        let mut sectors = Sectors { end: End::Exited(0), read, before, after };
        change(&mut sectors, &mut diary);
        sectors.compare(&rows, &diary).map(|finding| finding.cause)
    }

    #[test]
    fn what_a_lie_has_brought_about_is_told() {
        let lies = [Name::IdBeyond, Name::LengthHalf];
        assert_eq!(cause(&lies, |_, _| {}), None);
        let believed = cause(&lies, |sectors, _| sectors.after[3] = sectors.read[3].clone());
        assert_eq!(believed, Some("unknown-id-believed"));
        let ignored = cause(&lies, |_, diary| diary.told[0].reset = false);
        assert_eq!(ignored, Some("unknown-id-believed"));
        let believed = cause(&lies, |sectors, _| sectors.after[7] = sectors.read[7].clone());
        assert_eq!(believed, Some("short-length-believed"));
        let reset = cause(&lies, |_, diary| diary.told[1].reset = true);
        assert_eq!(reset, Some("reset-for-one-answer"));
        assert_eq!(cause(&lies, |_, diary| diary.starts += 1), Some("reset-for-one-answer"));
    }

    #[test]
    fn honest_answers_must_arrive() {
        let lies = [Name::NoStatus];
        let refused = cause(&lies, |sectors, _| sectors.after[5] = sectors.before[5].clone());
        assert_eq!(refused, Some("good-answer-refused"));
        let wrong = cause(&lies, |sectors, _| sectors.after[5] = sectors.read[4].clone());
        assert_eq!(wrong, Some("read-wrong"));
        assert_eq!(cause(&lies, |_, diary| diary.reads = 0), Some("good-answer-refused"));
        assert_eq!(cause(&lies, |_, diary| diary.reads = 5), Some("stops-at-a-lie"));
        let never = cause(&lies, |_, diary| (diary.reads, diary.starts) = (0, 0));
        assert_eq!(never, Some("never-set-up"));
    }
}
