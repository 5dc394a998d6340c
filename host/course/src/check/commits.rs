//! `job=commits` on a disk that records, and the power cut at every place of the record.
//!
//! The kernel changes files and makes each change durable; then it writes a mark, outside of the file system. So it is
//! known for each place of the record which files must be there. A power cut leaves all that came before the last flush,
//! and any part of what came since, by the sector: each state must be one that may be mounted and used, with the files
//! as they were before or after the change that was under way.

mod cuts;

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use hostile::device::config::Config;
use lab::{
    image::{SECTOR, noise},
    place::Place,
    qemu::Transport,
};
use plan::changes::{Changes, DIRECTORIES, Name, Names, Scene, content, marked};
use serde::{Deserialize, Deserializer};
use sfs_reader::{
    image::Image,
    log::{Event, Log},
};

use self::cuts::Cuts;
use super::{
    Stand, Verdict, by_name, disk_at,
    witness::{self, in_words, recorder},
};
use crate::{
    diagnosis::Finding,
    files::{BLOCK, Tree},
    language::text,
    recorder::{Manner, Recording},
    request::Kind,
};

/// The blocks of the file system.
const BLOCKS: u32 = 256;
/// The sectors of the disk: marks stand behind the file system.
const SECTORS: u64 = 4096;
const FIRST_BEHIND: u64 = BLOCKS as u64 * (BLOCK / SECTOR) as u64;

/// A run of the job.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commits {
    /// The kind of changes.
    #[serde(deserialize_with = "scene")]
    scene: Scene,
    /// Their number.
    count: u32,
    /// The most flushes that one change may take.
    flushes: usize,
}

fn scene<'de, D: Deserializer<'de>>(from: D) -> Result<Scene, D::Error> {
    by_name(from, &Scene::ALL)
}

impl Commits {
    /// Boots once, and judges every power cut.
    pub fn judge(
        &self,
        stand: &Stand<'_>,
        place: &Place,
        mut random: fastrand::Rng,
    ) -> Result<Verdict> {
        let (seed, scene) = (random.u64(..), self.scene);
        let mut before = first_files(seed, &mut random)?;
        let start = Image::of_file(&before);
        before.extend(noise((SECTORS - FIRST_BEHIND) as usize, random.u64(..)));
        let mark = random.u64(FIRST_BEHIND..SECTORS);
        let config = Config { capacity: SECTORS, ..Config::honest() };
        let device = recorder(Manner::prompt(config), before);
        let machine = |socket: &Path| disk_at(Transport::Modern, socket, "");
        let count = self.count;
        let line = format!(
            "job=commits disk=0 to=0 scene={} seed={seed} count={count} mark={mark}",
            scene.name()
        );
        let seen = witness::boot(stand, place, device, machine, &line, in_words)?;

        let record = Record::of(&seen.account, mark);
        let changes: Vec<_> = Changes::new(scene, seed, count).collect();
        let done = record.marks.len();
        if done <= changes.len() {
            let expected = text!("{count} changes, each durable", "{count} 处改动，每一处都持久");
            let seen_marks = done.saturating_sub(1);
            let was =
                text!("the kernel stops after {seen_marks}", "内核做了 {seen_marks} 处就停了");
            return Ok(Some(Finding::new("commit-stops", expected, was).ended(seen.end)));
        }
        let log = Log::new(start, record.events);
        let cuts = Cuts::new(seed, &changes, log, record.marks);
        let mut judged = 0;
        let finding = cuts.judge(&mut random, &mut judged);
        lab::process::append(&place.log, &format!("{judged} power cuts\n"))?;
        Ok(finding.or_else(|| self.count_flushes(&cuts)).map(|finding| finding.ended(seen.end)))
    }

    fn count_flushes(&self, cuts: &Cuts) -> Option<Finding> {
        let most = self.flushes;
        let (number, flushes) = cuts.flushes().enumerate().find(|(_, flushes)| *flushes > most)?;
        let number = number + 1;
        let expected = text!("at most {most} flushes a change", "每处改动至多 {most} 次刷写");
        let was = text!("{flushes} for change {number}", "第 {number} 处改动用了 {flushes} 次");
        Some(Finding::new("too-many-flushes", expected, was))
    }
}

/// An image with two directories, and the files that are there at first.
fn first_files(seed: u64, random: &mut fastrand::Rng) -> Result<Vec<u8>> {
    let mut tree = Tree::new();
    let directories: Vec<usize> = (0..DIRECTORIES)
        .map(|number| tree.directory(0, Name::of_directory(seed, number).as_str()))
        .collect();
    let names = Names::at_first();
    for (at, file) in Names::places().filter_map(|at| Some((at, names.get(at)?))) {
        let name = Name::of_file(seed, at.name);
        let parent = directories.get(at.directory).context("a name in no directory")?;
        tree.file(*parent, name.as_str(), content(seed, file).collect());
    }
    let (image, _) = tree.pack(BLOCKS, random).map_err(|error| anyhow!(error))?;
    Ok(image)
}

/// The requests to the disk that concern the file system.
struct Record {
    events: Vec<Event>,
    /// The number of events before each mark.
    marks: Vec<usize>,
}

impl Record {
    fn of(recording: &Recording, mark: u64) -> Self {
        let (mut events, mut marks) = (Vec::new(), Vec::new());
        for request in &recording.requests {
            match request.kind {
                Kind::Out if request.sector == mark => {
                    // Each mark once, in order.
                    if marked(&request.data) == Some(marks.len() as u32) {
                        marks.push(events.len());
                    }
                }
                Kind::Out => {
                    let (sectors, _) = request.data.as_chunks::<SECTOR>();
                    for (sector, content) in (request.sector..FIRST_BEHIND).zip(sectors) {
                        events.push(Event::Write(sector as u32, Box::new(*content)));
                    }
                }
                Kind::Flush => {
                    let is_write = |place: &usize| {
                        recording.requests.get(*place).is_some_and(|other| other.kind == Kind::Out)
                    };
                    // A flush is not for writes that have no answer yet.
                    if !request.others.iter().any(is_write) {
                        events.push(Event::Flush);
                    }
                }
                _ => {}
            }
        }
        Self { events, marks }
    }
}

#[cfg(test)]
mod tests;
