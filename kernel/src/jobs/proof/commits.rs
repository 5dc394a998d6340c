//! `job=commits scene=NAME seed=S count=C mark=N to=DISK`: makes, renames and removes files, and makes each of these
//! changes durable.
//!
//! The changes are those of [`plan::changes`]. After each, its number goes to sector N of a disk, which may be the one
//! with the files: whoever sees all writes to that disk then knows what must have been on it at which time.

use alloc::{format, string::String, vec::Vec};

use plan::changes::{Change, Changes, Name, Place, Scene, content, mark};

use super::super::{Disk, Failure, Run, failure, needs::FilesAndDisk, step, text::Count};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    fs::{FileSystem, Inode},
    progress::Step,
};

pub struct Commits {
    scene: Scene,
    seed: u64,
    count: u32,
    mark: u64,
}

impl Run for Commits {
    const NAME: &'static str = "commits";
    const PARAMETERS: &'static [&'static str] =
        &["scene=create|remove|move", "seed=S", "count=C", "mark=N"];
    type Needs = FilesAndDisk;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let scene = line.one_of("scene", &Scene::ALL)?;
        Ok(Self {
            scene: scene.ok_or(CmdlineError::missing("scene=create|remove|move"))?,
            seed: line.number("seed")?.ok_or(CmdlineError::missing("seed=S"))?,
            count: line.number("count")?.ok_or(CmdlineError::missing("count=C"))?,
            mark: line.number("mark")?.ok_or(CmdlineError::missing("mark=N"))?,
        })
    }

    fn run(&self, FilesAndDisk { files, to }: &FilesAndDisk) -> Result<String, Failure> {
        self.mark(0, to)?;
        let mut number = 0;
        for change in Changes::new(self.scene, self.seed, self.count) {
            self.make(change, files)?;
            // Not sync, which makes durable too what has only been freed.
            files.root().fsync().map_err(failure::file("/"))?;
            number += 1;
            self.mark(number, to)?;
        }
        Ok(format!("{}", Count(number.into(), "change")))
    }
}

impl Commits {
    fn mark(&self, number: u32, disk: &Disk) -> Result<(), Failure> {
        let doing = Step::numbered("writing sector", self.mark);
        step(doing, || disk.write_block(self.mark, &mark(number)))
    }

    fn make(&self, change: Change, files: &FileSystem) -> Result<(), Failure> {
        let name = |place: Place| Name::of_file(self.seed, place.name);
        let directory = |place: Place| -> Result<Inode, Failure> {
            let name = Name::of_directory(self.seed, place.directory);
            files.root().lookup(name.as_str()).map_err(failure::file(name.as_str()))
        };
        let at = match change {
            Change::Create { at, .. } | Change::Remove { at } => at,
            Change::Rename { from, .. } | Change::Link { from, .. } => from,
        };
        let (parent, first) = (directory(at)?, name(at));
        let done = match change {
            Change::Create { file, .. } => {
                let content: Vec<u8> = content(self.seed, file).collect();
                parent.create(first.as_str()).and_then(|file| file.write_at(0, &content).map(drop))
            }
            Change::Remove { .. } => parent.unlink(first.as_str()),
            Change::Rename { to, .. } => {
                parent.rename(first.as_str(), &directory(to)?, name(to).as_str())
            }
            Change::Link { to, .. } => {
                let other = directory(to)?;
                let file = parent.lookup(first.as_str());
                file.and_then(|file| other.link(name(to).as_str(), &file))
            }
        };
        done.map_err(failure::file(first.as_str()))
    }
}
