use plan::churn::{Action, Load, Step};
use sfs_proof::{
    disk::Disk,
    reader,
    run::{Failure, File, mount},
    start,
};

use super::*;

const LOAD: Load = Load { seed: 3, threads: 3, keep: 10, sync_every: 10, one_dir: false };

fn take(directories: &[File], load: &Load, thread: u32, step: Step) -> Result<(), Failure> {
    match step.action {
        Action::Create(name) => directories[name.directory].create(&name.to_string()).map(|_| ()),
        Action::Write { name, offset, count } => {
            let mut data = vec![0; count as usize];
            load.fill(thread, step.index, &mut data);
            let file = directories[name.directory].lookup(&name.to_string())?;
            file.write_at(offset.into(), &data).map(|count| assert_eq!(count, data.len()))
        }
        Action::Rename { from, to } => directories[from.directory].rename(
            &from.to_string(),
            &directories[to.directory],
            &to.to_string(),
        ),
        Action::Link { old, new } => {
            let file = directories[old.directory].lookup(&old.to_string())?;
            directories[new.directory].link(&new.to_string(), &file)
        }
        Action::Remove(name) => directories[name.directory].unlink(&name.to_string()),
        Action::Fsync(_) | Action::Sync => Ok(()),
    }
}

/// A disk after each thread has taken so many steps.
fn disk_after(load: &Load, counts: &[u32]) -> Image {
    let disk = Disk::new(start::fresh(2048).unwrap());
    let files = mount(&disk).unwrap();
    let make = |name: plan::churn::DirectoryName| files.root().mkdir(&name.to_string()).unwrap();
    let directories: Vec<File> = load.directories().map(make).collect();
    for (thread, count) in (0..).zip(counts) {
        for step in load.steps(thread).take(*count as usize) {
            take(&directories, load, thread, step).unwrap();
        }
    }
    files.sync().unwrap();
    disk.image()
}

fn judged(counts: &[u32], windows: &[(u32, u32)]) -> Result<Findings> {
    let image = disk_after(&LOAD, counts);
    let windows: Vec<_> = windows.iter().map(|(first, last)| *first..=*last).collect();
    judge::judge(&LOAD, true, &windows, &reader::read(&image), &image)
}

#[test]
fn the_files_of_each_step_in_the_window_are_right() {
    let count = |thread: u32, least: u32| {
        let steps = LOAD.steps(thread).skip(least as usize);
        steps.filter(|step| step.action.syncs()).map(|step| step.index).next().unwrap()
    };
    let window = |thread| (60, count(thread, 60));
    let windows = [window(0), window(1), window(2)];
    for steps in windows[0].0..=windows[0].1 {
        let findings = judged(&[steps, 60, windows[2].1], &windows).unwrap();
        assert!(findings.names > 5 && findings.bytes > 1000, "{findings:?}");
    }
}

#[test]
fn what_is_lost_or_came_too_early_is_noticed() {
    let changes = |thread, index| {
        let step = LOAD.steps(thread).nth(index as usize).unwrap();
        !step.action.syncs()
    };
    let mut tried = 0;
    for first in (50..100).filter(|first| changes(1, *first)) {
        // One step less than is safe, and one more than can have been taken.
        assert!(judged(&[60, first, 60], &[(60, 60), (first + 1, first + 1), (60, 60)]).is_err());
        assert!(judged(&[60, first + 1, 60], &[(60, 60), (first, first), (60, 60)]).is_err());
        tried += 1;
    }
    assert!(tried > 30);
    // The files of another thread do not count.
    assert!(judged(&[60, 0, 60], &[(60, 60), (60, 60), (60, 60)]).is_err());
}

#[test]
fn one_byte_is_noticed() {
    let image = disk_after(&LOAD, &[200, 200, 200]);
    let reading = reader::read(&image);
    let windows = || vec![200..=200; 3];
    judge::judge(&LOAD, true, &windows(), &reading, &image).unwrap();
    let file = reading.nodes.values().find(|node| node.kind == reader::Kind::File && node.size > 0);
    let mut changed = image.clone();
    changed.block_mut(file.unwrap().data[0]).unwrap()[0] ^= 1;
    assert!(judge::judge(&LOAD, true, &windows(), &reading, &changed).is_err());
}

#[test]
fn without_directories_nothing_is_safe() {
    let image = start::fresh(64).unwrap();
    let judged =
        |begun| judge::judge(&LOAD, begun, &[0..=9, 0..=9, 0..=9], &reader::read(&image), &image);
    assert!(judged(false).is_ok());
    assert!(judged(true).is_err());
}
