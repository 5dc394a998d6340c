//! Power cuts: what is left on the disk, and whether it may be so.

use std::collections::BTreeMap;

use fastrand::Rng;
use plan::changes::{Change, DIRECTORIES, Name, Names, Place, content};
use sfs_reader::{
    image::Image,
    log::Log,
    reader::{self, Node, ROOT, Reading},
};

use crate::{
    diagnosis::Finding,
    language::{Text, text},
};

/// Random subsets of the unsafe sectors that are tried before each flush.
const SUBSETS: usize = 24;
/// The block of the free map.
const MAP: u32 = 2;
/// Causes that explain others come before them.
const ORDER: [&str; 5] =
    ["inode-too-early", "freed-too-early", "count-too-low", "name-lost", "half-a-change"];

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
    pub fn judge(&self, random: &mut Rng, judged: &mut u64) -> Option<Finding> {
        if let Some(finding) = self.look_at_marks() {
            return Some(finding);
        }
        let mut worst: Option<(usize, Wrong, usize)> = None;
        let mut note = |position: usize, image: &Image| {
            *judged += 1;
            let Some(wrong) = self.look(position, image) else { return };
            let rank = ORDER.iter().position(|cause| *cause == wrong.cause).unwrap_or(ORDER.len());
            if worst.as_ref().is_none_or(|(known, ..)| rank < *known) {
                worst = Some((rank, wrong, position));
            }
        };
        for (position, image) in self.log.prefixes() {
            note(position, &image);
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
                note(position, &self.log.left(position, &alone));
                let rest =
                    pending.keys().map(|s| (*s, newest(s).filter(|_| s != sector))).collect();
                note(position, &self.log.left(position, &rest));
            }
            for _ in 0..SUBSETS {
                let kept = self.log.draw(position, random);
                note(position, &self.log.left(position, &kept));
            }
        }
        worst.map(|(_, wrong, position)| {
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
        })
    }

    /// Looks at what no cut can take away when fsync has returned.
    fn look_at_marks(&self) -> Option<Finding> {
        let lost = self.marks.iter().zip(&self.states).position(|(mark, names)| {
            let (safe, _) = self.log.pending(*mark);
            self.names(&reader::read(safe), safe).as_ref() != Ok(names)
        })?;
        let expected = text!(
            "when fsync has returned, change {lost} is durable",
            "fsync 返回时，第 {lost} 处改动已经持久"
        );
        let seen = text!(
            "a cut right then leaves other files: it is not covered by a flush",
            "此刻断电，留下的是别的文件：没有刷写覆盖它"
        );
        Some(Finding::new("fsync-too-early", expected, seen))
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
    fn look(&self, position: usize, image: &Image) -> Option<Wrong> {
        let done = self.done(position);
        let reading = reader::read(image);
        let found = self.names(&reading, image);
        let allowed = [self.states.get(done), self.meanwhile.get(done), self.states.get(done + 1)];
        let is_allowed = allowed.into_iter().flatten().any(|names| found.as_ref() == Ok(names));
        let is_old = found.as_ref().ok() == self.states.get(done);
        if let Some(wrong) = damage(&reading, image, is_old) {
            return Some(wrong);
        }
        match found {
            _ if is_allowed => None,
            Err(path) => {
                let seen = text!("{path} holds something else", "{path} 里是别的内容");
                Some(Wrong { cause: "inode-too-early", seen })
            }
            Ok(names) => Some(self.compare(done, &names)),
        }
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

/// The damage that names a cause, if there is any.
fn damage(reading: &Reading, image: &Image, is_old: bool) -> Option<Wrong> {
    let problem = reading.broken()?;
    let is_free = |block: &u32| {
        let (byte, bit) = (*block as usize / 8, block % 8);
        image.block(MAP).and_then(|map| map.get(byte)).is_some_and(|bits| bits >> bit & 1 == 1)
    };
    let uses_free = |(number, node): (&u32, &Node)| {
        [number].into_iter().chain(&node.pointers).chain(&node.data).any(is_free)
    };
    let counts_few = |node: &Node| {
        node.kind == reader::Kind::File && usize::from(node.links) < node.parents.len()
    };
    let cause = if is_old && reading.nodes.iter().any(uses_free) {
        "freed-too-early"
    } else if is_old && reading.nodes.values().any(counts_few) {
        "count-too-low"
    } else {
        "inode-too-early"
    };
    Some(Wrong { cause, seen: text!("{problem}", "{problem}") })
}
