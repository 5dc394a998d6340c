//! A disk that lets the driver fall asleep before it answers, or answers before it can.
//!
//! A driver that polls needs no interrupt and asks for none. The disk sees in the rings what it is asked for,
//! and QEMU's trace of the registers tells what the handler does; a wake-up that is lost shows by the requests
//! that never come.

use std::path::Path;

use anyhow::{Result, ensure};
use hostile::device::config::Config;
use lab::{
    image::{SECTOR, noise},
    place::Place,
    process::End,
    qemu::{Disk, Machine, Transport},
};
use serde::Deserialize;

use super::{
    QEMU_LOG, SLOT_1, Stand, Verdict, beginning_of, disk_at,
    witness::{self, Seen, in_words, recorder},
};
use crate::{
    diagnosis::Finding,
    language::{Text, text},
    recorder::{Manner, Recording, Unwished},
    registers::Acknowledgements,
    request::{Kind, Request},
};

/// The sectors of the disk.
const SECTORS: u64 = 2048;
/// The requests of a task.
const COUNT: usize = 20;
/// The requests of a task where a race must be lost for once.
const RACES: usize = 300;
/// The tasks that sleep at the same time, where the disk waits for all of them.
const PAIR: usize = 2;
/// The tasks where it does not.
const TASKS: usize = 3;

/// The way in which a driver is put to the test.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Scenario {
    /// Waiting calls of two tasks, and a disk that answers when they sleep.
    Sleeps,
    /// The same with submitted requests, without EVENT_IDX.
    Flags,
    /// Several tasks, and a disk that answers before they sleep.
    Races,
    /// The disk becomes larger while a task sleeps.
    Grows,
}

/// A run with a disk that chooses the moment of its answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interrupts {
    scenario: Scenario,
}

impl Interrupts {
    /// Boots once and judges.
    pub fn judge(
        &self,
        stand: &Stand<'_>,
        place: &Place,
        mut random: fastrand::Rng,
    ) -> Result<Verdict> {
        let mut config = Config { capacity: SECTORS, ..Config::honest() };
        let contents = noise(SECTORS as usize, random.u64(..));
        // Whoever waits for a deadline has lost a wake-up.
        let patient = "timeout_ms=60000";
        let bench = |tasks: usize, count: usize, more: &str| {
            // A tenth of it comes first, in one task.
            let line = format!(
                "job=bench mode=read bs=512 qd=1 tasks={tasks} count={count} {more} {patient}"
            );
            (count / 10 + tasks * count, line)
        };
        let half = SECTORS / 2;
        let (wanted, line) = match self.scenario {
            Scenario::Sleeps => bench(PAIR, COUNT, "api=blocking"),
            Scenario::Flags => bench(PAIR, COUNT, "complete=irq virtio.event_idx=off"),
            Scenario::Races => bench(TASKS, RACES, "complete=irq"),
            Scenario::Grows => {
                config.capacity = half;
                let first = half - COUNT as u64 / 2;
                let line =
                    format!("job=copy from=0 to=1 sector={first} at=0 count={COUNT} {patient}");
                (COUNT, line)
            }
        };
        let manner = Manner {
            // So that one still sleeps when the other one has got its answer.
            gather: match self.scenario {
                Scenario::Sleeps | Scenario::Flags => PAIR,
                Scenario::Races | Scenario::Grows => 1,
            },
            patience: stand.pace.boot_limit() / 4,
            until_wished: self.scenario != Scenario::Races,
            eager: self.scenario == Scenario::Races,
            grows: (self.scenario == Scenario::Grows).then_some((COUNT as u64 / 2, SECTORS)),
            ..Manner::prompt(config)
        };
        let target = place.image("target", vec![0; COUNT * SECTOR])?;
        let machine = |socket: &Path| {
            let machine = traced(disk_at(Transport::Modern, socket, SLOT_1));
            match self.scenario {
                Scenario::Grows => machine.options(Disk::new(&target).slot(0).options(1)),
                _ => machine,
            }
        };
        let device = recorder(manner, contents);
        let seen = witness::boot(stand, place, device, machine, &line, in_words)?;
        ensure!(!seen.account.untold, "QEMU has not seen in time that the disk has grown");
        let registers = Acknowledgements::read(&beginning_of(&place.file(QEMU_LOG))?);
        lab::process::append(&place.log, &format!("{registers:?}\n"))?;
        witness::ensure_stopped(&seen, wanted)?;
        Ok(self.compare(&seen, wanted, registers))
    }

    fn compare(
        &self,
        seen: &Seen<Recording>,
        wanted: usize,
        registers: Acknowledgements,
    ) -> Option<Finding> {
        let recording = &seen.account;
        let requests: Vec<&Request> =
            recording.requests.iter().filter(|request| request.kind == Kind::In).collect();
        let number = requests.len();
        let expected = text!("{wanted} reads", "{wanted} 次读");
        if recording.starts == 0 {
            let seen = text!("the driver never set the queue up", "驱动没有设置队列");
            return Some(Finding::new("never-set-up", expected, seen));
        }
        if recording.unseen > 0 {
            let seen = text!(
                "{} request(s) in the queue, and no notification",
                "队列中有 {} 个请求，却没有通知",
                recording.unseen
            );
            return Some(Finding::new("not-notified", expected, seen));
        }
        // QEMU's interrupt controller passes on an interrupt that was not acknowledged; others go on for ever.
        let never = registers.acknowledged == 0 && recording.interrupts > 1;
        if never || registers.reads > registers.acknowledged + 1 {
            let expected = text!(
                "what InterruptStatus tells is written to InterruptACK",
                "InterruptStatus 的值被写入 InterruptACK"
            );
            let seen = text!(
                "{} reads of InterruptStatus, {} writes of InterruptACK",
                "读 InterruptStatus {} 次，写 InterruptACK {} 次",
                registers.reads,
                registers.acknowledged
            );
            return Some(Finding::new("interrupt-not-acknowledged", expected, seen));
        }
        // Of two that sleep, the one whose answer has interrupted would have come back.
        let none_back = number < wanted && recording.interrupts > 0;
        match recording.unwished {
            Some(Unwished { entry }) if entry.is_some_and(|entry| entry > 0) || !none_back => {
                return Some(not_asked_for(entry));
            }
            _ => {}
        }
        let Some(last) = requests.last() else {
            let seen = text!("none came ({})", "没有到来（{}）", seen.end);
            return Some(Finding::new("no-request", expected, seen));
        };
        if number < wanted {
            let interrupted = last.interrupts || recording.unwished.is_some();
            let cause = match seen.end {
                End::Exited(_) if self.scenario == Scenario::Grows && number == wanted / 2 => {
                    "change-ignored"
                }
                End::Exited(_) => "stops",
                _ if interrupted => "nobody-woken",
                _ => "wake-up-lost",
            };
            let asked = match interrupted {
                true => text!("had been asked for", "是驱动要求过的"),
                false => text!("had not been asked for", "不是驱动要求的"),
            };
            let seen = Text {
                en: format!(
                    "{number} reads, then nothing more; an interrupt for the last answer {} ({})",
                    asked.en, seen.end
                ),
                zh: format!(
                    "{number} 次读之后再无请求；最后一个应答的中断{}（{}）",
                    asked.zh, seen.end
                ),
            };
            return Some(Finding::new(cause, expected, seen));
        }
        if number > wanted {
            let seen = text!("{number} reads", "{number} 次读");
            return Some(Finding::new("twice", expected, seen));
        }
        // A task that was about to sleep and found its answer leaves the wish as it is; only a disk that answers
        // before the tasks sleep makes that happen.
        let left_on = recording.still_wished && self.scenario != Scenario::Races;
        left_on.then(|| {
            let expected =
                text!("no interrupt asked for when nobody sleeps", "没有任务睡眠时不要求中断");
            let seen = text!(
                "after the last answer the next one is to interrupt, too",
                "最后一个应答之后，仍要求为下一个应答发中断"
            );
            Finding::new("interrupts-left-on", expected, seen)
        })
    }
}

/// The driver sleeps, or looks, and has asked for no interrupt or for another one.
fn not_asked_for(entry: Option<i16>) -> Finding {
    let expected = text!(
        "an interrupt asked for by whoever waits longer than a moment",
        "等待超过片刻的任务会要求中断"
    );
    match entry {
        Some(entry) if entry > 0 => {
            let seen = text!(
                "used_event names the answer {entry} behind the next one",
                "used_event 指的是下一个应答之后第 {entry} 个"
            );
            Finding::new("interrupt-too-late", expected, seen)
        }
        _ => {
            let seen = text!(
                "neither used_event nor the flags ask for one",
                "used_event 和标志都没有要求中断"
            );
            Finding::new("interrupt-not-asked", expected, seen)
        }
    }
}

/// Has QEMU write down the accesses to the registers.
fn traced(machine: Machine) -> Machine {
    machine.option("-trace", "virtio_mmio_read").option("-trace", "virtio_mmio_write_offset")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A good run; `change` makes it another one.
    fn cause(
        scenario: Scenario,
        change: impl FnOnce(&mut Seen<Recording>, &mut Acknowledgements),
    ) -> Option<&'static str> {
        let request = Request {
            head: 0,
            kind: Kind::In,
            sector: 0,
            segments: Vec::new(),
            data: Vec::new(),
            status: Some(0),
            others: Vec::new(),
            interrupts: true,
        };
        let account = Recording { starts: 1, requests: vec![request; 10], ..Recording::default() };
        let mut seen = Seen { end: End::Exited(0), account, disk: Vec::new() };
        let mut registers = Acknowledgements { reads: 10, acknowledged: 10 };
        change(&mut seen, &mut registers);
        let finding = Interrupts { scenario }.compare(&seen, 10, registers);
        finding.map(|finding| finding.cause)
    }

    #[test]
    fn who_does_not_ask_is_told_so() {
        assert_eq!(cause(Scenario::Sleeps, |_, _| {}), None);
        let unwished = |entry| {
            cause(Scenario::Sleeps, |seen, _| {
                seen.account.unwished = Some(Unwished { entry });
            })
        };
        assert_eq!(unwished(None), Some("interrupt-not-asked"));
        assert_eq!(unwished(Some(-1)), Some("interrupt-not-asked"));
        assert_eq!(unwished(Some(1)), Some("interrupt-too-late"));
        let left_on = cause(Scenario::Flags, |seen, _| seen.account.still_wished = true);
        assert_eq!(left_on, Some("interrupts-left-on"));
        let storm = cause(Scenario::Sleeps, |_, registers| registers.acknowledged = 0);
        assert_eq!(storm, Some("interrupt-not-acknowledged"));
    }

    #[test]
    fn who_stops_has_lost_a_wake_up() {
        let stopped = |end, interrupts| {
            cause(Scenario::Grows, |seen, _| {
                seen.account.requests.truncate(5);
                seen.account.requests[4].interrupts = interrupts;
                seen.end = end;
            })
        };
        let late = End::TimedOut(Duration::ZERO);
        assert_eq!(stopped(late, true), Some("nobody-woken"));
        assert_eq!(stopped(late, false), Some("wake-up-lost"));
        assert_eq!(stopped(End::Exited(1), true), Some("change-ignored"));
    }
}
