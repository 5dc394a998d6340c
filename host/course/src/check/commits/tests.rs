use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use plan::changes::Change;
use sfs::{FileSystem, MountOptions, StdLocks, Storage};
use sfs_proof::image::SECTORS as SECTORS_PER_BLOCK;

use super::*;

/// A disk in memory with a record of its own.
struct Disk(Mutex<(Image, Vec<Event>)>);

impl Disk {
    fn with<R>(&self, work: impl FnOnce(&mut Image, &mut Vec<Event>) -> R) -> R {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (image, events) = &mut *inner;
        work(image, events)
    }
}

impl Storage for Disk {
    type Error = fmt::Error;

    fn capacity(&self) -> u64 {
        self.with(|image, _| image.bytes())
    }

    fn read(&self, block: u32, offset: usize, data: &mut [u8]) -> Result<(), fmt::Error> {
        self.with(|image, _| {
            data.copy_from_slice(&image.block(block).unwrap()[offset..offset + data.len()]);
        });
        Ok(())
    }

    fn write(&self, block: u32, offset: usize, data: &[u8]) -> Result<(), fmt::Error> {
        self.with(|image, events| {
            image.block_mut(block).unwrap()[offset..offset + data.len()].copy_from_slice(data);
            for index in offset / SECTOR..(offset + data.len()).div_ceil(SECTOR) {
                let sector = block * SECTORS_PER_BLOCK as u32 + index as u32;
                events.push(Event::Write(sector, Box::new(*image.sector(sector).unwrap())));
            }
        });
        Ok(())
    }

    fn view(&self, block: u32, look: &mut dyn FnMut(&[u8])) -> Result<(), fmt::Error> {
        let content = self.with(|image, _| *image.block(block).unwrap());
        look(&content);
        Ok(())
    }

    fn flush(&self) -> Result<(), fmt::Error> {
        self.with(|_, events| events.push(Event::Flush));
        Ok(())
    }
}

/// Does the changes with this tree's own file system. Returns what a judge is given.
fn run(scene: Scene, seed: u64) -> (Vec<Change>, Image, Record) {
    let mut random = fastrand::Rng::with_seed(seed);
    let start = Image::of_file(&first_files(seed, &mut random).unwrap());
    let disk = Disk(Mutex::new((start.clone(), Vec::new())));
    let files = FileSystem::<_, StdLocks>::mount(&disk, MountOptions::default()).unwrap();
    let changes: Vec<Change> = Changes::new(scene, seed, 12).collect();
    let mut marks = vec![0];
    for change in &changes {
        let name = |at: plan::changes::Place| Name::of_file(seed, at.name);
        let directory = |at: plan::changes::Place| {
            files.root().lookup(Name::of_directory(seed, at.directory).as_str()).unwrap()
        };
        match *change {
            Change::Create { at, file } => {
                let bytes: Vec<u8> = content(seed, file).collect();
                directory(at).create(name(at).as_str()).unwrap().write_at(0, &bytes).unwrap();
            }
            Change::Remove { at } => directory(at).unlink(name(at).as_str()).unwrap(),
            Change::Rename { from, to } => directory(from)
                .rename(name(from).as_str(), &directory(to), name(to).as_str())
                .unwrap(),
            Change::Link { from, to } => {
                let file = directory(from).lookup(name(from).as_str()).unwrap();
                directory(to).link(name(to).as_str(), &file).unwrap();
            }
        }
        files.sync().unwrap();
        marks.push(disk.with(|_, events| events.len()));
    }
    drop(files);
    let events = disk.with(|_, events| std::mem::take(events));
    (changes, start, Record { events, marks })
}

/// The cause that is told when these flushes do not reach the disk, by their number within each change.
fn cause(scene: Scene, seed: u64, lost: impl Fn(usize) -> bool) -> Option<&'static str> {
    let (changes, start, Record { events, marks }) = run(scene, seed);
    let (mut kept, mut new_marks, mut number) = (Vec::new(), Vec::new(), 0);
    for (place, event) in events.into_iter().enumerate() {
        while marks.get(new_marks.len()).is_some_and(|mark| *mark <= place) {
            new_marks.push(kept.len());
            number = 0;
        }
        if matches!(event, Event::Flush) {
            number += 1;
            if lost(number - 1) {
                continue;
            }
        }
        kept.push(event);
    }
    new_marks.resize(marks.len(), kept.len());
    let cuts = Cuts::new(seed, &changes, Log::new(start, kept), new_marks);
    let mut judged = 0;
    let finding = cuts.judge(&mut fastrand::Rng::with_seed(1), &mut judged).unwrap();
    assert!(judged > 200, "{judged}");
    finding.map(|finding| finding.cause)
}

#[test]
fn a_flush_that_does_nothing_is_told() {
    for (_, scene) in Scene::ALL {
        for seed in 0..3 {
            assert_eq!(cause(scene, seed, |_| false), None);
            assert_eq!(cause(scene, seed, |_| true), Some("sync-too-early"));
        }
    }
    assert_eq!(cause(Scene::Create, 1, |number| number == 0), Some("inode-too-early"));
    assert_eq!(cause(Scene::Create, 1, |number| number == 1), Some("sync-too-early"));
}
