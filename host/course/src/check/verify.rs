//! `job=verify` on a disk that takes what is in the queue late and answers in another order.
//!
//! The job does the operations of a plan in their order, so it is known what each chain must be.

use std::{path::Path, time::Duration};

use anyhow::Result;
use hostile::device::config::Config;
use lab::{image::noise, place::Place, qemu::Transport};
use plan::{Plan, SECTOR_SIZE};
use serde::Deserialize;

use super::{
    Stand, Verdict, disk_at,
    witness::{self, Seen, in_words, recorder},
};
use crate::{
    diagnosis::{Finding, Rules, compare},
    language::text,
    recorder::{Manner, Recording},
    request::{Expected, Kind, Request},
};

/// The sectors of the disk.
const SECTORS: u64 = 2048;
/// The longest request in sectors.
const LONGEST: u32 = 16;
/// The entries of the queue: as many as all chains in flight can need.
const QUEUE_SIZE: usize = 128;

/// A run of the job.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// The requests in flight.
    depth: usize,
    /// The operations.
    count: u32,
    /// INDIRECT_DESC is switched on.
    #[serde(default)]
    indirect: bool,
}

impl Verify {
    /// Boots once and judges.
    pub fn judge(
        &self,
        stand: &Stand<'_>,
        place: &Place,
        mut random: fastrand::Rng,
    ) -> Result<Verdict> {
        let config = Config { capacity: SECTORS, ..Config::honest() };
        let manner = Manner {
            late: Duration::from_micros(if self.depth > 1 { 500 } else { 0 }),
            gather: self.depth.div_ceil(2),
            reverse: true,
            ..Manner::prompt(config)
        };
        let (seed, Self { depth, count, .. }) = (random.u64(..), self);
        let indirect = if self.indirect { "on" } else { "off" };
        let line = format!(
            "job=verify seed={seed} count={count} qd={depth} span={SECTORS} max={LONGEST} timeout_ms=60000 \
             virtio.queue_size={QUEUE_SIZE} virtio.indirect_desc={indirect}"
        );
        let device = recorder(manner, noise(SECTORS as usize, random.u64(..)));
        let machine = |socket: &Path| disk_at(Transport::Modern, socket, "");
        let seen = witness::boot(stand, place, device, machine, &line, in_words)?;
        let plan = Plan::new(seed, *count, SECTORS, LONGEST)?;
        let expected: Vec<Expected> = plan.map(|operation| expected(seed, &operation)).collect();
        witness::ensure_stopped(&seen, expected.len())?;
        Ok(judge(&expected, &seen))
    }
}

/// The request that an operation becomes.
fn expected(seed: u64, operation: &plan::Operation) -> Expected {
    let kind = match operation.kind {
        plan::Kind::Read => Kind::In,
        plan::Kind::Write => Kind::Out,
        plan::Kind::Flush => Kind::Flush,
    };
    let mut data = Vec::new();
    if kind == Kind::Out {
        let mut content = [0; SECTOR_SIZE];
        for sector in operation.range() {
            plan::fill(seed, operation.index, sector, &mut content);
            data.extend(content);
        }
    }
    let length = operation.sectors * SECTOR_SIZE as u32;
    Expected { kind, sector: operation.sector, length, data }
}

fn judge(expected: &[Expected], seen: &Seen<Recording>) -> Option<Finding> {
    let recording = &seen.account;
    if let Some(finding) = shared(&recording.requests) {
        return Some(finding);
    }
    let requests: Vec<&Request> =
        recording.requests.iter().filter(|request| request.kind != Kind::GetId).collect();
    let rules = Rules { waits: false, queue_size: usize::MAX, pieces: false };
    let finding = compare(expected, &requests, recording, rules)?;
    let cause = match finding.cause {
        known @ ("never-set-up" | "not-notified" | "no-request") => known,
        "stops" => "descriptors-lost",
        // The driver links its chains well: what the device sees comes from the queue.
        _ => "chain-broken",
    };
    Some(Finding { cause, ..finding }.ended(seen.end))
}

/// Looks for requests in flight at the same time that have a descriptor or memory in common.
fn shared(requests: &[Request]) -> Option<Finding> {
    for (number, request) in requests.iter().enumerate() {
        for (place, other) in
            request.others.iter().filter_map(|place| Some((place, requests.get(*place)?)))
        {
            if request.head == other.head {
                let expected = text!(
                    "a descriptor of its own at the head of each chain",
                    "每条链的头各用一个描述符"
                );
                let seen = text!(
                    "requests {place} and {number}, both in flight, have descriptor {}",
                    "请求 {place} 和 {number} 同时在途，却都用描述符 {}",
                    request.head
                );
                return Some(Finding::new("descriptor-twice", expected, seen));
            }
            let common = request
                .segments
                .iter()
                .find(|segment| other.segments.iter().any(|other| segment.overlaps(other)));
            let Some(segment) = common else { continue };
            let expected = text!(
                "memory of its own for each request in flight",
                "在途的每个请求各用自己的内存"
            );
            let seen = text!(
                "requests {place} and {number}, both in flight, have the {} bytes at {:#x}",
                "请求 {place} 和 {number} 同时在途，却都用 {1:#x} 处的 {0} 字节",
                segment.length,
                segment.address
            );
            return Some(Finding::new("chain-crosses", expected, seen));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use lab::process::End;

    use super::*;
    use crate::request::Segment;

    fn request(head: u16, others: &[usize]) -> Request {
        let at = 0x1000 * u64::from(head);
        let segment = |device_writes, length, address| Segment { device_writes, length, address };
        Request {
            head,
            kind: Kind::In,
            sector: head.into(),
            segments: vec![
                segment(false, 16, at),
                segment(true, 512, at + 0x100),
                segment(true, 1, at + 0x800),
            ],
            data: Vec::new(),
            status: Some(0),
            others: others.to_vec(),
            interrupts: false,
        }
    }

    fn cause(change: impl FnOnce(&mut Vec<Request>)) -> Option<&'static str> {
        let mut requests = vec![request(0, &[]), request(1, &[0]), request(2, &[])];
        change(&mut requests);
        let account = Recording { starts: 1, requests, ..Recording::default() };
        let seen = Seen { end: End::Exited(0), account, disk: Vec::new() };
        let wanted = |sector| Expected { kind: Kind::In, sector, length: 512, data: Vec::new() };
        judge(&[0, 1, 2].map(wanted), &seen).map(|finding| finding.cause)
    }

    #[test]
    fn chains_that_are_not_as_they_were_linked_are_told() {
        assert_eq!(cause(|_| {}), None);
        assert_eq!(cause(|requests| requests[1].head = 0), Some("descriptor-twice"));
        let crosses = cause(|requests| {
            let segment = requests[0].segments[1];
            requests[1].segments[1] = segment;
        });
        assert_eq!(crosses, Some("chain-crosses"));
        let broken = cause(|requests| _ = requests[2].segments.pop());
        assert_eq!(broken, Some("chain-broken"));
        assert_eq!(cause(|requests| requests.truncate(2)), Some("descriptors-lost"));
    }
}
