//! Power cuts: what is left on the disk, and whether it may be so.

use std::{collections::BTreeMap, fmt};

use anyhow::{Result, anyhow};
use fastrand::Rng;
use plan::changes::{Change, DIRECTORIES, Name, Names, Place, content};
use sfs::{Fault, Severity, Storage};
use sfs_proof::{
    image::{BLOCK, Image},
    log::Log,
    reader::{self, ROOT, Reading},
};

use crate::{
    diagnosis::Finding,
    language::{Text, text},
};

/// Random subsets of the unsafe sectors that are tried before each flush.
const SUBSETS: usize = 24;
/// Causes that explain others come before them.
const ORDER: [&str; 6] = [
    "sync-too-early",
    "inode-too-early",
    "freed-too-early",
    "count-too-low",
    "name-lost",
    "half-a-change",
];

/// All that is known of a run.
pub struct Cuts {
    /// The names before all, and after each change.
    states: Vec<Names>,
    /// The names while it becomes durable.
    meanwhile: Vec<Names>,
    log: Log,
    marks: Vec<usize>,
    /// The events that are flushes.
    flushes: Vec<usize>,
    seed: u64,
    /// The files by their content.
    files: BTreeMap<Vec<u8>, u32>,
}

/// Something that is wrong after a cut.
struct Wrong {
    cause: &'static str,
    seen: Text,
}

impl Cuts {
    /// The changes with the log of the disk, and the number of events before each mark.
    pub fn new(seed: u64, changes: &[Change], log: Log, marks: Vec<usize>) -> Self {
        let mut names = Names::at_first();
        let (mut states, mut meanwhile) = (vec![names], Vec::new());
        let mut all: Vec<u32> = Names::places().filter_map(|at| names.get(at)).collect();
        for change in changes {
            meanwhile.push(names.apply(*change));
            states.push(names);
            if let Change::Create { file, .. } = change {
                all.push(*file);
            }
        }
        let files = all.into_iter().map(|file| (content(seed, file).collect(), file)).collect();
        // The end is the last of these.
        let mut flushes = log.before_flushes();
        flushes.pop();
        Self { states, meanwhile, log, marks, flushes, seed, files }
    }

    /// The number of flushes of each change.
    pub fn flushes(&self) -> impl Iterator<Item = usize> {
        self.marks.windows(2).map(|pair| {
            self.flushes.iter().filter(|flush| (pair[0]..pair[1]).contains(*flush)).count()
        })
    }

    /// Cuts the power everywhere, and counts the cuts.
    ///
    /// # Errors
    ///
    /// An image cannot be looked at.
    pub fn judge(&self, random: &mut Rng, judged: &mut u64) -> Result<Option<Finding>> {
        let mut worst: Option<(usize, Wrong, usize)> = None;
        let mut note = |position: usize, image: &Image| -> Result<()> {
            *judged += 1;
            let Some(wrong) = self.look(position, image)? else { return Ok(()) };
            let rank = ORDER.iter().position(|cause| *cause == wrong.cause).unwrap_or(ORDER.len());
            if worst.as_ref().is_none_or(|(known, ..)| rank < *known) {
                worst = Some((rank, wrong, position));
            }
            Ok(())
        };
        for (position, image) in self.log.prefixes() {
            note(position, &image)?;
        }
        let mut places = self.log.before_flushes();
        places.dedup();
        for position in places {
            let (_, pending) = self.log.pending(position);
            let newest =
                |sector: &u32| pending.get(sector).and_then(|events| events.last()).copied();
            for sector in pending.keys() {
                // Only this one, and all but this one.
                let alone =
                    pending.keys().map(|s| (*s, newest(s).filter(|_| s == sector))).collect();
                note(position, &self.log.left(position, &alone))?;
                let rest =
                    pending.keys().map(|s| (*s, newest(s).filter(|_| s != sector))).collect();
                note(position, &self.log.left(position, &rest))?;
            }
            for _ in 0..SUBSETS {
                let kept = self.log.draw(position, random);
                note(position, &self.log.left(position, &kept))?;
            }
        }
        Ok(worst.map(|(_, wrong, position)| {
            let done = self.done(position);
            let change = done + 1;
            let end = self.log.len();
            let expected = text!(
                "whenever the power is cut, the files as before change {change} or after it ({}), and no damage",
                "无论何时断电，文件都是第 {change} 处改动之前或之后的样子（{}），没有损坏",
                self.shown(done)
            );
            let Text { en, zh } = wrong.seen;
            let seen = text!(
                "after a cut at {position} of {end}: {en}",
                "在 {end} 步中的第 {position} 步断电之后：{zh}"
            );
            Finding::new(wrong.cause, expected, seen)
        }))
    }

    /// The changes that are durable at a position.
    fn done(&self, position: usize) -> usize {
        self.marks.iter().filter(|mark| **mark <= position).count().saturating_sub(1)
    }

    /// The change that is under way, in words.
    fn shown(&self, done: usize) -> String {
        let name = |at: Place| {
            let directory = Name::of_directory(self.seed, at.directory);
            format!("/{}/{}", directory.as_str(), Name::of_file(self.seed, at.name).as_str())
        };
        let (Some(before), Some(after)) = (self.states.get(done), self.states.get(done + 1)) else {
            return "the end".into();
        };
        let differing = Names::places().filter(|at| before.get(*at) != after.get(*at));
        differing.map(name).collect::<Vec<_>>().join(", ")
    }

    /// Looks at what a cut has left.
    fn look(&self, position: usize, image: &Image) -> Result<Option<Wrong>> {
        let done = self.done(position);
        let reading = reader::read(image);
        let found = self.names(&reading, image);
        let allowed = [self.states.get(done), self.meanwhile.get(done), self.states.get(done + 1)];
        let is_allowed = allowed.into_iter().flatten().any(|names| found.as_ref() == Ok(names));
        let is_old = found.as_ref().ok() == self.states.get(done);
        let report = sfs::check(&Left(image)).map_err(|error| anyhow!(error))?;
        let problem = report.problems.iter().find(|problem| problem.severity() == Severity::Broken);
        let earlier = self.states.iter().take(done);
        let is_earlier =
            !is_allowed && earlier.into_iter().any(|names| found.as_ref() == Ok(names));
        if is_earlier {
            let seen = text!(
                "the files are as before a change that sync had made durable",
                "文件还是某处改动之前的样子，而 sync 早已返回"
            );
            return Ok(Some(Wrong { cause: "sync-too-early", seen }));
        }
        if let Some(problem) = problem {
            let cause = match problem.fault {
                Fault::LowLinks { .. } => "count-too-low",
                Fault::UsedIsFree { .. } | Fault::TwoOwners { .. } if is_old => "freed-too-early",
                _ => "inode-too-early",
            };
            return Ok(Some(Wrong { cause, seen: text!("{problem}", "{problem}") }));
        }
        if let Some(problem) = reading.broken() {
            let seen = text!("{problem}", "{problem}");
            return Ok(Some(Wrong { cause: "inode-too-early", seen }));
        }
        Ok(match found {
            _ if is_allowed => None,
            Err(path) => {
                let seen = text!("{path} holds something else", "{path} 里是别的内容");
                Some(Wrong { cause: "inode-too-early", seen })
            }
            Ok(names) => Some(self.compare(done, &names)),
        })
    }

    /// Says what is wrong with names that are neither the old nor the new ones.
    fn compare(&self, done: usize, found: &Names) -> Wrong {
        let has = |names: &Names, file: u32| Names::places().any(|at| names.get(at) == Some(file));
        let both = |file: &u32| {
            [done, done + 1]
                .iter()
                .filter_map(|number| self.states.get(*number))
                .all(|n| has(n, *file))
        };
        let lost = self.files.values().copied().filter(both).find(|file| !has(found, *file));
        match lost {
            Some(_) => Wrong {
                cause: "name-lost",
                seen: text!("a file has no name any more", "有一个文件没有了名字"),
            },
            None => Wrong {
                cause: "half-a-change",
                seen: text!("only a part of the change", "只有改动的一部分"),
            },
        }
    }

    /// The files by their names; a path that leads to something else is an error.
    fn names(&self, reading: &Reading, image: &Image) -> Result<Names, String> {
        let mut names = Names::nothing();
        let root = reading.names(ROOT);
        for directory in 0..DIRECTORIES {
            let text = Name::of_directory(self.seed, directory);
            let Some(number) = root.get(text.as_str()) else {
                return Err(format!("/{}", text.as_str()));
            };
            for (found, inode) in reading.names(*number) {
                let path = || format!("/{}/{found}", text.as_str());
                let known = Names::places().filter(|at| at.directory == directory);
                let mut known =
                    known.filter(|at| Name::of_file(self.seed, at.name).as_str() == found);
                let file = self.files.get(&reading.content(image, inode));
                match (known.next(), file) {
                    (Some(at), Some(file)) => names.set(at, Some(*file)),
                    _ => return Err(path()),
                }
            }
        }
        Ok(names)
    }
}

/// What a cut has left, for the checker of the file system, which only reads.
struct Left<'a>(&'a Image);

impl Storage for Left<'_> {
    type Error = fmt::Error;

    fn capacity(&self) -> u64 {
        self.0.bytes()
    }

    fn read(&self, block: u32, offset: usize, data: &mut [u8]) -> Result<(), fmt::Error> {
        let bytes = self.0.block(block).and_then(|content| content.get(offset..));
        let bytes = bytes.and_then(|bytes| bytes.get(..data.len())).ok_or(fmt::Error)?;
        data.copy_from_slice(bytes);
        Ok(())
    }

    fn write(&self, _block: u32, _offset: usize, _data: &[u8]) -> Result<(), fmt::Error> {
        Err(fmt::Error)
    }

    fn view(&self, block: u32, look: &mut dyn FnMut(&[u8])) -> Result<(), fmt::Error> {
        let bytes: &[u8; BLOCK] = self.0.block(block).ok_or(fmt::Error)?;
        look(bytes);
        Ok(())
    }

    fn flush(&self) -> Result<(), fmt::Error> {
        Ok(())
    }
}
