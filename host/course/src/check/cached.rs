//! `job=cached` on a disk that records: which blocks the cache has read, and how often.
//!
//! The uses are known, and each flush shows at the disk. So a block that is read between two flushes was not in the
//! cache, and what stands on the disk at the end is what was written.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Result, anyhow};
use hostile::device::config::Config;
use lab::{
    image::{SECTOR, noise},
    place::Place,
    qemu::Transport,
};
use plan::uses::{SECTORS_PER_BLOCK, Scene, Step, Uses};
use serde::Deserialize;

use super::{
    Stand, Verdict, disk_at,
    witness::{self, Seen, in_words, recorder},
};
use crate::{
    diagnosis::{Finding, bytes},
    language::text,
    recorder::{Manner, Recording},
    request::{Kind, Request},
};

/// The sectors of the disk.
const SECTORS: u64 = 16384;
/// The blocks of the cache.
const SLOTS: u64 = 64;

/// A run of the job.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cached {
    /// The uses, by the name that they have on the kernel's command line.
    scene: SceneName,
}

/// The same as [`Scene`].
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum SceneName {
    Recent,
    Scan,
    Shift,
    Dirty,
}

/// The reads that are due between two flushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// None: all blocks that are used are in the cache.
    None,
    /// At most one of each block.
    Once,
    /// As many as it takes.
    Any,
}

impl SceneName {
    fn scene(self) -> Scene {
        match self {
            Self::Recent => Scene::Recent,
            Self::Scan => Scene::Scan,
            Self::Shift => Scene::Shift,
            Self::Dirty => Scene::Dirty,
        }
    }

    /// The reads that are due before each flush.
    fn due(self) -> &'static [Due] {
        use Due::{Any, None, Once};
        match self {
            Self::Recent => &[Once, None, Once, None, Once, None],
            Self::Scan => &[Once, Once, None, Once, None],
            Self::Shift => &[Once, Any, None],
            Self::Dirty => &[Once, Once, Any],
        }
    }

    /// The cause of a read where none is due.
    fn cause(self) -> &'static str {
        match self {
            Self::Recent | Self::Dirty => "evicted-though-used",
            Self::Scan => "driven-out-by-a-scan",
            Self::Shift => "past-counts-for-ever",
        }
    }
}

impl Cached {
    /// Boots once and judges.
    pub fn judge(
        &self,
        stand: &Stand<'_>,
        place: &Place,
        mut random: fastrand::Rng,
    ) -> Result<Verdict> {
        let (seed, scene) = (random.u64(..), self.scene.scene());
        let before = noise(SECTORS as usize, random.u64(..));
        let config = Config { capacity: SECTORS, ..Config::honest() };
        let device = recorder(Manner::prompt(config), before.clone());
        let machine = |socket: &Path| disk_at(Transport::Modern, socket, "");
        let line = format!("job=cached scene={} seed={seed} slots={SLOTS}", scene.name());
        let seen = witness::boot(stand, place, device, machine, &line, in_words)?;
        let uses = Uses::new(scene, seed, SLOTS, SECTORS / SECTORS_PER_BLOCK)
            .ok_or_else(|| anyhow!("there is no plan for {SLOTS} blocks"))?;
        let mut wanted = before;
        for step in uses {
            if let Step::Write { index, sector, .. } = step {
                let (sectors, _) = wanted.as_chunks_mut::<SECTOR>();
                plan::fill(seed, index, sector, &mut sectors[sector as usize]);
            }
        }
        Ok(compare(self.scene, &wanted, &seen))
    }
}

fn compare(scene: SceneName, wanted: &[u8], seen: &Seen<Recording>) -> Option<Finding> {
    let Seen { account, disk, end } = seen;
    let due = scene.due();
    let requests = account.requests.iter().filter(|request| request.kind != Kind::GetId);
    let requests: Vec<&Request> = requests.collect();
    let parts: Vec<&[&Request]> = requests.split(|r| r.kind == Kind::Flush).collect();
    for (number, (due, part)) in due.iter().zip(&parts).enumerate() {
        if let Some(finding) = judge_part(scene, number, *due, part) {
            return Some(finding.ended(*end));
        }
    }
    // Behind each flush there is one more part, if only an empty one.
    let flushes = parts.len() - 1;
    if flushes < due.len() {
        let expected = text!(
            "the cache goes on to its flush number {}",
            "缓存一直做到第 {} 次刷写",
            due.len()
        );
        let seen = text!(
            "{flushes} flushes, after which nothing more comes",
            "只有 {flushes} 次刷写，之后再没有动静"
        );
        return Some(Finding::new("cache-stops", expected, seen).ended(*end));
    }
    let differs = wanted.chunks(SECTOR).zip(disk.chunks(SECTOR)).position(|(a, b)| a != b)?;
    let range = differs * SECTOR..(differs + 1) * SECTOR;
    let (block, expected, found) =
        (differs as u64 / SECTORS_PER_BLOCK, bytes(&wanted[range.clone()]), bytes(&disk[range]));
    let expected = text!(
        "block {block}, sector {differs}, holds {expected} after the last flush",
        "最后一次刷写之后，第 {block} 块的扇区 {differs} 是 {expected}"
    );
    Some(Finding::new("changes-lost", expected, text!("it holds {found}", "它是 {found}")))
}

/// Judges the requests before one flush.
fn judge_part(scene: SceneName, number: usize, due: Due, part: &[&Request]) -> Option<Finding> {
    let mut reads: BTreeMap<u64, u64> = BTreeMap::new();
    for request in part.iter().filter(|request| request.kind == Kind::In) {
        *reads.entry(request.sector / SECTORS_PER_BLOCK).or_default() += 1;
    }
    let all: u64 = reads.values().sum();
    let number = number + 1;
    match due {
        Due::None if all > 0 => {
            let expected = text!(
                "no read before flush {number}: the {SLOTS} blocks of the cache hold all that is used",
                "第 {number} 次刷写之前没有读：缓存的 {SLOTS} 块里有要用的一切"
            );
            let seen = text!("{all} reads, of {} blocks", "读了 {all} 次，涉及 {} 块", reads.len());
            Some(Finding::new(scene.cause(), expected, seen))
        }
        Due::Once => {
            let (block, times) = reads.iter().find(|(_, times)| **times > 1)?;
            let expected = text!(
                "each block read once before flush {number}: there is room for it",
                "第 {number} 次刷写之前每块只读一次：放得下"
            );
            let seen = text!("block {block} {times} times", "第 {block} 块读了 {times} 次");
            Some(Finding::new("evicted-though-there-is-room", expected, seen))
        }
        Due::None | Due::Any => None,
    }
}

#[cfg(test)]
mod tests {
    use lab::process::End;

    use super::*;
    use crate::request::Segment;

    fn request(kind: Kind, block: u64) -> Request {
        let segment = |device_writes, length| Segment { device_writes, length, address: 0 };
        Request {
            head: 0,
            kind,
            sector: block * SECTORS_PER_BLOCK,
            segments: vec![segment(false, 16), segment(true, 4096), segment(true, 1)],
            data: Vec::new(),
            status: Some(0),
            others: Vec::new(),
            interrupts: false,
        }
    }

    /// The cause that is told of these reads before each flush.
    fn cause(scene: SceneName, parts: &[&[u64]]) -> Option<&'static str> {
        let mut requests = vec![request(Kind::GetId, 0)];
        for part in parts {
            requests.extend(part.iter().map(|block| request(Kind::In, *block)));
            requests.push(request(Kind::Flush, 0));
        }
        let account = Recording { starts: 1, requests, ..Recording::default() };
        let disk = vec![0; 4 * SECTOR];
        let mut wanted = disk.clone();
        if parts.first() == Some(&&[9][..]) {
            wanted[SECTOR] = 1;
        }
        compare(scene, &wanted, &Seen { end: End::Exited(0), account, disk })
            .map(|finding| finding.cause)
    }

    #[test]
    fn each_mistake_of_a_cache_is_told() {
        let all: [(SceneName, usize); 4] = [
            (SceneName::Recent, 6),
            (SceneName::Scan, 5),
            (SceneName::Shift, 3),
            (SceneName::Dirty, 3),
        ];
        for (scene, flushes) in all {
            assert_eq!(scene.due().len(), flushes);
            let steps = Uses::new(scene.scene(), 1, SLOTS, SECTORS / SECTORS_PER_BLOCK);
            let planned = steps.into_iter().flatten().filter(|step| *step == Step::Flush).count();
            assert_eq!(planned, flushes);
            let good: Vec<&[u64]> = vec![&[]; flushes];
            assert_eq!(cause(scene, &good), None);
            assert_eq!(cause(scene, &good[1..]), Some("cache-stops"));
            let mut twice = good.clone();
            twice[0] = &[3, 4, 3];
            assert_eq!(cause(scene, &twice), Some("evicted-though-there-is-room"));
            let mut lost = good.clone();
            lost[0] = &[9];
            assert_eq!(cause(scene, &lost), Some("changes-lost"));
            let mut again = good;
            again[flushes - 1] = &[3];
            let expected = (scene != SceneName::Dirty).then(|| scene.cause());
            assert_eq!(cause(scene, &again), expected);
        }
    }
}
