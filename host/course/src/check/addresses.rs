//! A disk that withholds its answers until many requests wait, and watches where their memory lies.

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;
use hostile::device::config::Config;
use lab::{image::noise, place::Place, process::End, qemu::Transport};
use serde::Deserialize;

use super::{
    Stand, Verdict, disk_at,
    witness::{self, Seen, in_words, recorder},
};
use crate::{
    diagnosis::Finding,
    language::text,
    recorder::{Manner, Recording},
    request::{Kind, Request, Segment},
};

/// The sectors of the disk.
const SECTORS: u64 = 2048;
/// The requests that are withheld at a time.
const DEPTH: usize = 32;
/// The requests before the measurement of the job, and those of it.
const REQUESTS: usize = 64 + 640;
const PAGE: u64 = 4096;

/// A run with many requests in flight.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {}

impl Addresses {
    /// Boots once and judges.
    pub fn judge(
        &self,
        stand: &Stand<'_>,
        place: &Place,
        mut random: fastrand::Rng,
    ) -> Result<Verdict> {
        let config = Config { capacity: SECTORS, ..Config::honest() };
        let manner = Manner { gather: DEPTH, reverse: true, ..Manner::prompt(config) };
        // No indirect tables, which are slices as well: the chains themselves shall be readable.
        let line = format!(
            "job=bench mode=read bs=512 qd={DEPTH} count=640 virtio.queue_size=128 \
             virtio.indirect_desc=off"
        );
        let device = recorder(manner, noise(SECTORS as usize, random.u64(..)));
        let machine = |socket: &Path| disk_at(Transport::Modern, socket, "");
        let seen = witness::boot(stand, place, device, machine, &line, in_words)?;
        Ok(compare(&seen))
    }
}

fn compare(seen: &Seen<Recording>) -> Option<Finding> {
    let recording = &seen.account;
    let requests = &recording.requests;
    for (number, request) in requests.iter().enumerate() {
        let others = request.others.iter().filter_map(|other| requests.get(*other));
        for other in others {
            let shared = ends(request).find_map(|segment| {
                ends(other).find(|other| segment.overlaps(other)).map(|other| (segment, other))
            });
            let Some((segment, other)) = shared else { continue };
            let expected = text!(
                "headers and responses of their own for requests in flight",
                "在途的各请求有各自的请求头和应答"
            );
            let seen = text!(
                "request {number}: {} bytes at {:#x}, and {} bytes of another one at {:#x}",
                "请求 {number}：{} 字节在 {:#x}，另一请求的 {} 字节在 {:#x}",
                segment.length,
                segment.address,
                other.length,
                other.address
            );
            let cause =
                if segment.address == other.address { "slot-twice" } else { "slots-overlap" };
            return Some(Finding::new(cause, expected, seen));
        }
    }
    let reads = requests.iter().filter(|request| request.kind == Kind::In).count();
    let most = recording.most_waiting;
    if most < DEPTH || reads < REQUESTS {
        let expected =
            text!("{REQUESTS} reads, {DEPTH} at a time", "{REQUESTS} 次读，每次 {DEPTH} 个在途");
        let was = text!(
            "{reads} reads, at most {most} at a time ({})",
            "{reads} 次读，至多 {most} 个在途（{}）",
            seen.end
        );
        let cause = match (recording.starts, seen.end) {
            (0, _) => "never-set-up",
            _ if most > 1 && most < DEPTH => "slots-missing",
            (_, End::Exited(_)) => "stops",
            _ if reads == 0 => "no-request",
            _ => "slot-lost",
        };
        return Some(Finding::new(cause, expected, was));
    }
    // Headers and responses of as many requests as were in flight have room in a page each.
    let first = |request: &Request| request.segments.first().map(|segment| segment.address / PAGE);
    let pages: BTreeSet<u64> = requests.iter().filter_map(first).collect();
    let used = pages.len();
    (used > 1).then(|| {
        let expected =
            text!("one page for {most} headers of 16 bytes", "{most} 个 16 字节的请求头用一页");
        Finding::new("a-page-for-each", expected, text!("{used} pages", "{used} 页"))
    })
}

/// Header and response.
fn ends(request: &Request) -> impl Iterator<Item = &Segment> {
    request.segments.first().into_iter().chain(request.segments.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: usize) -> Request {
        let at = number as u64 % 64;
        let segment = |device_writes, length, address| Segment { device_writes, length, address };
        Request {
            head: at as u16,
            kind: Kind::In,
            sector: 0,
            segments: vec![
                segment(false, 16, 0x1000 + 16 * at),
                segment(true, 512, 0x10_0000),
                segment(true, 1, 0x2000 + at),
            ],
            data: Vec::new(),
            status: Some(0),
            others: (number / DEPTH * DEPTH..number).collect(),
            interrupts: false,
        }
    }

    fn cause(change: impl FnOnce(&mut Recording)) -> Option<&'static str> {
        let requests = (0..REQUESTS).map(request).collect();
        let mut account =
            Recording { starts: 1, most_waiting: DEPTH, requests, ..Recording::default() };
        change(&mut account);
        let seen = Seen { end: End::Exited(0), account, disk: Vec::new() };
        compare(&seen).map(|finding| finding.cause)
    }

    #[test]
    fn addresses_of_requests_in_flight_are_compared() {
        assert_eq!(cause(|_| {}), None);
        let twice = cause(|recording| {
            recording.requests[5].segments[0].address = recording.requests[3].segments[0].address;
        });
        assert_eq!(twice, Some("slot-twice"));
        let overlap = cause(|recording| recording.requests[5].segments[0].address += 8);
        assert_eq!(overlap, Some("slots-overlap"));
        let pages = cause(|recording| {
            for (number, request) in recording.requests.iter_mut().enumerate() {
                request.segments[0].address = PAGE * (number as u64 + 4);
            }
        });
        assert_eq!(pages, Some("a-page-for-each"));
        assert_eq!(cause(|recording| recording.most_waiting = 7), Some("slots-missing"));
    }
}
