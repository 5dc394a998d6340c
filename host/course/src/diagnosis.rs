//! From what the device saw to the one likely cause.

use std::fmt::Write;

use hostile::device::config::SERIAL_BYTES;
use lab::{image::SECTOR, process::End};

use crate::{
    language::{Text, text},
    picture::Picture,
    recorder::Recording,
    request::{Expected, HEADER, Kind, Request, Segment},
};

/// A check that failed, and the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The name of the likely cause, an entry of the [`crate::catalog::Catalog`].
    pub cause: &'static str,
    /// The behaviour that was due.
    pub expected: Text,
    /// The behaviour that was seen, as far as it can be said in a line.
    pub seen: Text,
    /// Both as a picture.
    pub picture: Option<Picture>,
}

impl Finding {
    /// A finding without a picture.
    pub fn new(cause: &'static str, expected: Text, seen: Text) -> Self {
        Self { cause, expected, seen, picture: None }
    }

    /// The same, and that the machine had to be stopped, if it had.
    pub fn ended(mut self, end: End) -> Self {
        let how = match end {
            End::Exited(_) => return self,
            End::TimedOut(limit) => {
                let seconds = limit.as_secs();
                text!(
                    "; the kernel had not ended after {seconds} s",
                    "；内核过了 {seconds} 秒还没有结束"
                )
            }
            End::TooMuchOutput => {
                text!("; the kernel printed without end", "；内核没完没了地打印")
            }
        };
        self.seen.en += &how.en;
        self.seen.zh += &how.zh;
        self
    }
}

/// The rules of a run beside the requests themselves.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The caller waits for each answer before it goes on.
    pub waits: bool,
    /// The entries of the queue.
    pub queue_size: usize,
    /// A request may come in pieces of whole sectors.
    pub pieces: bool,
}

/// Compares the requests that matter with those that were to come; `None` if all is well.
pub fn compare(
    expected: &[Expected],
    seen: &[&Request],
    recording: &Recording,
    rules: Rules,
) -> Option<Finding> {
    let mut requests = seen.iter();
    for (number, wanted) in expected.iter().enumerate() {
        let mut left = wanted.clone();
        loop {
            let Some(request) = requests.next() else {
                return Some(missing(expected, number, recording, rules));
            };
            let rest = if rules.pieces { split(&mut left, request) } else { None };
            let before = number.checked_sub(1).map(|before| &expected[before]);
            if let Some(finding) = compare_one(&left, request, before, rules) {
                return Some(finding);
            }
            match rest {
                Some(rest) => left = rest,
                None => break,
            }
        }
    }
    let extra = requests.next()?;
    let Request { kind, sector, .. } = extra;
    let seen = text!("also {kind} at sector {sector}", "还有扇区 {sector} 的 {kind}");
    let cause = match expected.last() {
        Some(last) if extra.kind == last.kind && extra.sector == last.sector => "twice",
        _ => "too-much-written",
    };
    let count = expected.len();
    Some(Finding::new(cause, text!("{count} requests", "{count} 个请求"), seen))
}

/// Shortens `wanted` to what `seen` moves, if that is a part of whole sectors, and returns what is left.
fn split(wanted: &mut Expected, seen: &Request) -> Option<Expected> {
    let length: u32 = seen.data_segments().iter().map(|segment| segment.length).sum();
    let is_part = length > 0 && length < wanted.length && length.is_multiple_of(SECTOR as u32);
    if !is_part {
        return None;
    }
    let at = wanted.data.len().min(length as usize);
    let rest = Expected {
        kind: wanted.kind,
        sector: wanted.sector + u64::from(length) / SECTOR as u64,
        length: wanted.length - length,
        data: wanted.data.split_off(at),
    };
    wanted.length = length;
    Some(rest)
}

/// The request `number` of the expected ones has not come.
fn missing(expected: &[Expected], number: usize, recording: &Recording, rules: Rules) -> Finding {
    let Expected { kind, sector, .. } = &expected[number];
    let (which, count) = (number + 1, expected.len());
    let wanted = text!(
        "request {which} of {count}: {kind} at sector {sector}",
        "第 {which} 个请求（共 {count} 个）：扇区 {sector} 的 {kind}"
    );
    let (cause, seen) = match number {
        _ if recording.unseen > 0 => {
            let unseen = recording.unseen;
            let seen = text!(
                "{unseen} request(s) available in the queue, and the device was not notified of them",
                "队列中有 {unseen} 个可用的请求，却没有通知设备"
            );
            ("not-notified", seen)
        }
        _ if let Some(complaint) = recording.complaints.first() => {
            ("broken-chain", text!("{complaint}", "{complaint}"))
        }
        0 if recording.starts == 0 => {
            ("never-set-up", text!("the driver never set the queue up", "驱动从未建立队列"))
        }
        0 => {
            let seen = text!("no request at all reached the device", "没有任何请求到达设备");
            ("no-request", seen)
        }
        // Every chain was used once, none a second time.
        _ if number + 2 >= rules.queue_size && number <= rules.queue_size => {
            let size = rules.queue_size;
            let seen = text!(
                "none after {number}; the queue has {size} entries",
                "{number} 个之后再也没有；队列有 {size} 项"
            );
            ("chain-lost", seen)
        }
        _ => ("stops", text!("none after {number}", "{number} 个之后再也没有")),
    };
    Finding::new(cause, wanted, seen)
}

fn compare_one(
    wanted: &Expected,
    seen: &Request,
    before: Option<&Expected>,
    rules: Rules,
) -> Option<Finding> {
    let finding = |cause, expected: Text, was: Text| {
        Some(Finding { cause, expected, seen: was, picture: Some(Picture::new(wanted, seen)) })
    };
    let direction = |writes| match writes {
        true => text!("the device writes it", "由设备写"),
        false => text!("the device reads it", "由设备读"),
    };
    let (Some(header), Some(response)) = (seen.segments.first(), seen.segments.last()) else {
        let was = text!("an empty chain", "一条空链");
        return finding("header-missing", text!("three segments", "三个段"), was);
    };
    if header.device_writes {
        let expected = text!("header: the device reads it", "请求头：由设备读");
        return finding("header-direction", expected, direction(true));
    }
    if header.length != HEADER {
        let length = header.length;
        let was = text!("a first segment of {length} bytes", "第一段有 {length} 字节");
        let expected = text!("a header of {HEADER} bytes", "{HEADER} 字节的请求头");
        return finding("header-missing", expected, was);
    }
    if seen.kind != wanted.kind {
        let cause = if seen.kind == Kind::In { "type-in" } else { "type-wrong" };
        let kind = |kind: Kind| text!("type {kind}", "类型 {kind}");
        return finding(cause, kind(wanted.kind), kind(seen.kind));
    }
    if !response.device_writes {
        let (cause, was) = match response.length {
            1 => ("response-direction", direction(false)),
            length => {
                let was = text!(
                    "a last segment of {length} bytes to read",
                    "最后一段有 {length} 字节，由设备读"
                );
                ("response-missing", was)
            }
        };
        let expected = text!("response, 1 byte: the device writes it", "应答，1 字节：由设备写");
        return finding(cause, expected, was);
    }
    let wrong_way: Vec<&Segment> = seen
        .data_segments()
        .iter()
        .filter(|segment| segment.device_writes != wanted.device_writes())
        .collect();
    if let Some(segment) = wrong_way.first() {
        let expected = match wanted.device_writes() {
            true => text!("data: the device writes it", "数据：由设备写"),
            false => text!("data: the device reads it", "数据：由设备读"),
        };
        return finding("data-direction", expected, direction(segment.device_writes));
    }
    let length: u64 = seen.data_segments().iter().map(|segment| u64::from(segment.length)).sum();
    if response.length != 1 {
        let cause =
            if wanted.length > 0 && length == 0 { "response-missing" } else { "response-length" };
        let last = response.length;
        let was = text!("a last segment of {last} bytes", "最后一段有 {last} 字节");
        return finding(cause, text!("response: 1 byte", "应答：1 字节"), was);
    }
    if length != u64::from(wanted.length) {
        let cause = if length == 0 { "data-missing" } else { "data-length" };
        let amount = |length: u64| text!("{length} bytes of data", "{length} 字节数据");
        return finding(cause, amount(wanted.length.into()), amount(length));
    }
    if seen.sector != wanted.sector {
        let cause = if seen.sector == wanted.sector.wrapping_mul(SECTOR as u64) {
            "sector-in-bytes"
        } else if seen.sector.abs_diff(wanted.sector) == 1 {
            "sector-off-by-one"
        } else {
            "sector-wrong"
        };
        let sector = |sector: u64| text!("sector {sector}", "扇区 {sector}");
        return finding(cause, sector(wanted.sector), sector(seen.sector));
    }
    if wanted.kind == Kind::Out && seen.data != wanted.data {
        // The memory of a fresh driver is zero but for the serial number at its front.
        let cause = if seen.data.iter().skip(SERIAL_BYTES).all(|byte| *byte == 0) {
            "data-not-copied"
        } else if before.is_some_and(|before| before.data == seen.data) {
            "data-stale"
        } else {
            "data-wrong"
        };
        let data = |data: &[u8]| text!("data {}", "数据 {}", bytes(data));
        return finding(cause, data(&wanted.data), data(&seen.data));
    }
    if rules.waits && !seen.others.is_empty() {
        let others = seen.others.len();
        let was = text!("{others} before it had no answer yet", "在它之前的 {others} 个还没有应答");
        let expected = text!(
            "a request only when the one before is answered",
            "前一个请求有了应答，才发下一个"
        );
        return finding("returns-early", expected, was);
    }
    None
}

/// The first bytes, as people can compare them.
pub fn bytes(data: &[u8]) -> String {
    let mut text = String::new();
    for byte in data.iter().take(12) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x} ");
    }
    if data.len() > 12 {
        text.push('…');
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests;
