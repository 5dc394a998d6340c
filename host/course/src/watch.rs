//! Grades on save.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use anyhow::{Context, Result};
use lab::workspace::Workspace;
use notify::{RecursiveMode, Watcher};

use crate::{
    Grade,
    exercise::{Course, Exercise},
    grade,
    language::Language,
};

/// All that an editor does within this time is one save.
const QUIET: Duration = Duration::from_millis(300);

/// Grades the tree as `arguments` say, and again each time that a file of one of the exercises is saved, until
/// it is interrupted.
///
/// # Errors
///
/// An exercise does not exist, or the folders cannot be watched. A failure to grade is told and is no end.
pub fn run(
    workspace: &Workspace,
    course: &Course,
    arguments: &Grade,
    language: Language,
) -> Result<()> {
    let files = files(&workspace.root, &course.chosen(arguments.exercises.as_ref())?);
    let (send, events) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // The grader reads these files itself. An error may have lost an event: it counts as one.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            // Nobody listens when the program ends.
            let _ = send.send(());
        }
    })?;
    // An editor may put a new file in the place of the old one, which only the folder notices.
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    for folder in folders {
        watcher
            .watch(folder, RecursiveMode::NonRecursive)
            .with_context(|| format!("cannot watch {}", folder.display()))?;
    }
    loop {
        let before = contents(&files);
        if let Err(error) = grade::run(workspace, course, arguments, language) {
            eprintln!("{error:#}");
        }
        println!(
            "\n{}",
            language.of("waiting for a save; Ctrl-C ends", "等待保存文件；按 Ctrl-C 结束")
        );
        // Something else in the folder may have changed.
        while contents(&files) == before {
            events.recv().context("the folders are not watched any more")?;
            while events.recv_timeout(QUIET).is_ok() {}
        }
    }
}

/// The files of the exercises, with their whole paths.
fn files(root: &Path, exercises: &[&Exercise]) -> BTreeSet<PathBuf> {
    exercises.iter().flat_map(|exercise| &exercise.files).map(|file| root.join(file)).collect()
}

/// The contents of the files; nothing for one that an editor is about to put there.
fn contents(files: &BTreeSet<PathBuf>) -> Vec<Option<Vec<u8>>> {
    files.iter().map(|file| fs::read(file).ok()).collect()
}
