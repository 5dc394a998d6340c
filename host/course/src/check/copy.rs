//! `job=copy` between two disks: an honest one of QEMU's, and one that records.

use std::{path::Path, time::Duration};

use anyhow::Result;
use hostile::device::config::{Config, SERIAL_BYTES, SIZE_MAX};
use lab::{
    image::{SECTOR, noise},
    place::Place,
    qemu::{Disk, Transport},
};
use serde::Deserialize;

use super::{
    SLOT_1, Stand, Verdict, disk_at,
    witness::{self, Seen, in_words, recorder},
};
use crate::{
    diagnosis::{Finding, Rules, bytes, compare},
    language::text,
    recorder::{Manner, Recording},
    request::{Expected, Kind, Request},
};

/// The sectors of both disks.
const SECTORS: u64 = 8192;
/// The sector of the honest disk that gets the serial number.
const SERIAL_SECTOR: u64 = 5;
/// The entries that the driver is to make its queues of.
const QUEUE_SIZE: usize = 64;

/// The side of the disk that records.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Side {
    /// It is read from.
    From,
    /// It is written to.
    To,
}

/// A copy and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// The disk that records.
    witness: Side,
    /// The number of blocks or requests.
    #[serde(default = "one")]
    count: u64,
    /// Of a block, or of each buffer of a request.
    #[serde(default = "sector")]
    bytes: u64,
    /// The buffers of one request; the waiting calls if there are none.
    #[serde(default)]
    buffers: u64,
    /// The disk takes so long for an answer.
    #[serde(default)]
    delay_ms: u64,
    /// The disk fails this request that moves data, counted from 0.
    #[serde(default)]
    fails: Option<u64>,
    /// The serial number is copied, too.
    #[serde(default)]
    serial: bool,
    /// The disk refuses to tell its serial number.
    #[serde(default)]
    nameless: bool,
    /// A flush must come at the end.
    #[serde(default)]
    flush: bool,
    /// The most segments of data in a request.
    #[serde(default)]
    seg_max: Option<u32>,
    /// The most bytes of a segment.
    #[serde(default)]
    size_max: Option<u32>,
    /// More for the kernel's command line.
    #[serde(default)]
    options: String,
    /// QEMU's processor.
    #[serde(default)]
    cpu: Option<String>,
}

fn one() -> u64 {
    1
}

fn sector() -> u64 {
    SECTOR as u64
}

impl Copy {
    /// Boots once and judges.
    pub fn judge(
        &self,
        stand: &Stand<'_>,
        place: &Place,
        mut random: fastrand::Rng,
    ) -> Result<Verdict> {
        let unit = self.bytes * self.buffers.max(1);
        let sectors = unit / SECTOR as u64;
        // Far enough from both ends that a neighbour exists.
        let mut position = || random.u64(64..SECTORS - 64 - self.count * sectors);
        let (source, target) = (position(), position());
        let mut config = Config { capacity: SECTORS, ..Config::honest() };
        let mut serial = format!("{:016x}{:04x}", random.u64(..), random.u16(..)).into_bytes();
        serial.truncate(config.serial.len());
        config.serial.copy_from_slice(&serial);
        config.seg_max = self.seg_max.unwrap_or(config.seg_max);
        if let Some(size_max) = self.size_max {
            config.size_max = size_max;
            config.features |= SIZE_MAX;
        }
        let manner = Manner {
            delay: Duration::from_millis(self.delay_ms),
            fails: self.fails,
            nameless: self.nameless,
            ..Manner::prompt(config)
        };
        let recorded = noise(SECTORS as usize, random.u64(..));
        let honest = place.image("honest", noise(SECTORS as usize, random.u64(..)))?;

        let machine = |socket: &Path| {
            let machine = disk_at(Transport::Modern, socket, SLOT_1)
                .options(Disk::new(&honest).slot(0).options(1));
            match &self.cpu {
                Some(cpu) => machine.option("-cpu", cpu),
                None => machine,
            }
        };
        let (from, to) = match self.witness {
            Side::From => (0, 1),
            Side::To => (1, 0),
        };
        let (count, options) = (self.count, &self.options);
        let timeout = stand.pace.answer_limit().as_millis();
        let mut line = format!(
            "job=copy from={from} to={to} sector={source} at={target} count={count} bytes={unit} \
             timeout_ms={timeout} virtio.queue_size={QUEUE_SIZE} {options}"
        );
        if self.buffers > 0 {
            let side = match self.witness {
                Side::From => "read",
                Side::To => "write",
            };
            line += &format!(" {side}_buffers={}", self.buffers);
        }
        if self.serial {
            line += &format!(" serial={SERIAL_SECTOR}");
        }
        let device = recorder(manner, recorded.clone());
        let seen = witness::boot(stand, place, device, machine, &line, in_words)?;

        let (before, begin) = match self.witness {
            Side::To => (honest.before(), source),
            Side::From => (&recorded[..], source),
        };
        let range = |disk: &[u8], at: u64, length: u64| {
            let start = at as usize * SECTOR;
            disk[start..start + length as usize].to_vec()
        };
        let all = unit * count;
        let payload = range(before, begin, all);
        let expected: Vec<Expected> = (0..count)
            .map(|number| {
                let at = match self.witness {
                    Side::To => target,
                    Side::From => source,
                };
                let data = range(before, begin + number * sectors, unit);
                let (kind, data) = match self.witness {
                    Side::To => (Kind::Out, data),
                    Side::From => (Kind::In, Vec::new()),
                };
                Expected { kind, sector: at + number * sectors, length: unit as u32, data }
            })
            .collect();
        if let Some(finding) = self.compare(&expected, &seen) {
            return Ok(Some(finding.ended(seen.end)));
        }
        // The disks as they should be now.
        let done = self.fails.map_or(all, |number| number * unit) as usize;
        let mut wanted = match self.witness {
            Side::To => recorded.clone(),
            Side::From => honest.before().to_vec(),
        };
        let start = target as usize * SECTOR;
        wanted[start..start + done].copy_from_slice(&payload[..done]);
        if self.serial && self.witness == Side::From {
            let at = SERIAL_SECTOR as usize * SECTOR;
            wanted[at..at + SECTOR].fill(0);
            if !self.nameless {
                wanted[at..at + serial.len()].copy_from_slice(&serial);
            }
        }
        let found = match self.witness {
            Side::To => seen.disk,
            Side::From => honest.contents()?,
        };
        Ok(self.compare_disk(&wanted, &found))
    }

    fn compare(&self, expected: &[Expected], seen: &Seen<Recording>) -> Option<Finding> {
        let mut requests: Vec<&Request> = seen.account.requests.iter().collect();
        // The first request of all is for the serial number, and the last one a flush, unless the driver
        // has not got that far.
        let is_data = |request: &Request| {
            expected.iter().any(|e| e.kind == request.kind && e.sector == request.sector)
        };
        let first = requests.first().copied().filter(|first| !is_data(first));
        if self.serial {
            let wanted = text!(
                "a request of type {} before all others",
                "一个类型为 {} 的请求，在所有其他请求之前",
                Kind::GetId
            );
            let Some(first) = first else {
                return Some(Finding::new("no-request", wanted, text!("none came", "没有到来")));
            };
            requests.remove(0);
            let length = SERIAL_BYTES as u32;
            let kind = Kind::GetId;
            let wanted = Expected { kind, sector: first.sector, length, data: Vec::new() };
            let rules = Rules { waits: true, queue_size: QUEUE_SIZE, pieces: false };
            let finding = compare(&[wanted], &[first], &seen.account, rules);
            if finding.is_some() {
                return finding;
            }
        }
        if self.flush {
            let last = requests.pop_if(|last| !is_data(last));
            let Some(last) = last else {
                let wanted = text!(
                    "a request of type {} behind all others",
                    "一个类型为 {} 的请求，在所有其他请求之后",
                    Kind::Flush
                );
                return Some(Finding::new("no-request", wanted, text!("none came", "没有到来")));
            };
            let wanted = Expected { kind: Kind::Flush, sector: 0, length: 0, data: Vec::new() };
            let rules = Rules { waits: true, queue_size: QUEUE_SIZE, pieces: false };
            let finding = compare(&[wanted], &[last], &seen.account, rules);
            if finding.is_some() {
                return finding;
            }
        }
        // What is not to be judged here is left out, where it looks as it should.
        requests.retain(|request| {
            let length: u64 = request.data_segments().iter().map(|s| u64::from(s.length)).sum();
            !(request.kind == Kind::GetId && length == SERIAL_BYTES as u64
                || request.kind == Kind::Flush && length == 0)
        });
        let waits = self.buffers == 0;
        let rules = Rules { waits, queue_size: QUEUE_SIZE, pieces: waits };
        let limited = self.seg_max.is_some() || self.size_max.is_some();
        match self.fails {
            Some(number) => {
                let expected = &expected[..=number as usize];
                let finding = compare(expected, &requests, &seen.account, rules);
                finding.map(|finding| match finding.cause {
                    "too-much-written" | "twice" => {
                        Finding { cause: "response-ignored", ..finding }
                    }
                    _ => finding,
                })
            }
            None if limited => self.compare_pieces(expected, &requests),
            None => compare(expected, &requests, &seen.account, rules),
        }
    }

    /// Requests that the driver had to split: the pieces keep the limits, and cover everything in order.
    fn compare_pieces(&self, expected: &[Expected], seen: &[&Request]) -> Option<Finding> {
        let mut sector = expected.first()?.sector;
        let all: u64 = expected.iter().map(|request| u64::from(request.length)).sum();
        let payload: Vec<u8> = expected.iter().flat_map(|request| &request.data).copied().collect();
        let mut done = 0;
        let seg_max = self.seg_max.unwrap_or(u32::MAX) as usize;
        let size_max = self.size_max.unwrap_or(u32::MAX);
        for request in seen {
            let data = request.data_segments();
            if data.len() > seg_max {
                let expected =
                    text!("at most {seg_max} segments of data", "至多 {seg_max} 个数据段");
                let was = text!("{}", "{} 个", data.len());
                return Some(Finding::new("too-many-segments", expected, was));
            }
            if let Some(long) = data.iter().find(|segment| segment.length > size_max) {
                let expected =
                    text!("segments of at most {size_max} bytes", "每段至多 {size_max} 字节");
                let was = text!("one of {} bytes", "有一段 {} 字节", long.length);
                return Some(Finding::new("segment-too-long", expected, was));
            }
            let length: u64 = data.iter().map(|segment| u64::from(segment.length)).sum();
            if request.sector != sector {
                let expected =
                    text!("the next piece from sector {sector} on", "下一段从扇区 {sector} 开始");
                let was = text!(
                    "{} from sector {} on",
                    "{} 从扇区 {} 开始",
                    request.kind,
                    request.sector
                );
                return Some(Finding::new("piece-out-of-place", expected, was));
            }
            let part = payload.get(done as usize..(done + length) as usize).unwrap_or_default();
            if request.kind == Kind::Out && request.data != part {
                let (expected, was) = (bytes(part), bytes(&request.data));
                let expected =
                    text!("data {expected} at sector {sector}", "扇区 {sector} 的数据 {expected}");
                let was = text!("data {was}", "数据 {was}");
                return Some(Finding::new("data-wrong", expected, was));
            }
            sector += length / SECTOR as u64;
            done += length;
        }
        (done < all).then(|| {
            let was = text!("{} bytes are never asked for", "有 {} 字节从未请求", all - done);
            let expected = text!("pieces that cover the whole request", "各段合起来是整个请求");
            Finding::new("piece-missing", expected, was)
        })
    }

    fn compare_disk(&self, wanted: &[u8], found: &[u8]) -> Option<Finding> {
        let differs = wanted.chunks(SECTOR).zip(found.chunks(SECTOR)).position(|(a, b)| a != b)?;
        let sector = |disk: &[u8]| bytes(&disk[differs * SECTOR..(differs + 1) * SECTOR]);
        let (expected, seen) = (sector(wanted), sector(found));
        let is_serial = self.serial && differs as u64 == SERIAL_SECTOR;
        let cause = match self.witness {
            // A disk that refused has given nothing that could be believed.
            _ if is_serial && self.nameless => "response-ignored",
            _ if is_serial => "serial-wrong",
            Side::To => "too-much-written",
            Side::From => "read-wrong",
        };
        let expected = text!("sector {differs} holds {expected}", "扇区 {differs} 是 {expected}");
        Some(Finding::new(cause, expected, text!("it holds {seen}", "它是 {seen}")))
    }
}
