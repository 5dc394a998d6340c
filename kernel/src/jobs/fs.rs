//! `job=fs [ticks=N]`: the story of the tutorial's file system. Lists the root directory, has another thread make
//! a directory there, and counts the timer's ticks until there are enough or somebody presses a key.

use alloc::{format, string::String};
use core::{ops::ControlFlow, time::Duration};

use sfs::Kind;

use super::{Failure, Files, Output, Run, failure, text::Name};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
    fs::{Error, Inode},
    task::{self, Builder, Work, checkpoint},
    typing,
};

/// The directory that the thread makes.
const NEW: &str = "tmp";
/// Of a longer list of names the start is shown.
const LONGEST_LIST: usize = 16 << 10;
/// The ticks from one line to the next.
const TICKS_OF_LINE: u64 = 100;

pub(super) struct Fs {
    ticks: u64,
}

impl Run for Fs {
    const NAME: &'static str = "fs";
    const PARAMETERS: &'static [&'static str] = &["ticks=N"];
    type Needs = Files;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self { ticks: line.number("ticks")?.unwrap_or(200) })
    }

    fn run(&self, files: &Files) -> Result<String, Failure> {
        println!("mod driver initialized");
        let root = files.root();
        list(&root)?;
        println!("mod fs initialized");

        // Without a keyboard the ticks alone say when it is over.
        if let Err(error) = typing::open() {
            log::warn!("{error}");
        }
        let work = Work::default();
        let _foreground = typing::foreground(&work);
        // The number is the thread's own: it finds it as its data.
        let thread = Builder::new("hello").part_of(&work).data(0_usize);
        let ticks = self.ticks;
        let counted = thread.spawn(move || hello(&root, ticks))?.join();
        // Also when it was interrupted: what is there is to stay there.
        files.sync().map_err(failure::file("/"))?;
        Ok(format!("{} ticks, everything is on the disk", counted?))
    }
}

/// The work of the thread. Returns the ticks that it has counted.
fn hello(root: &Inode, ticks: u64) -> Result<u64, Failure> {
    match task::current_data::<usize>() {
        Some(number) => println!("hello from thread id {number}"),
        None => println!("hello from a thread without a number"),
    }
    match root.mkdir(NEW) {
        Ok(_) => {}
        Err(Error::Exists) => match root.lookup(NEW).map_err(failure::file(NEW))?.kind() {
            Kind::Directory => println!("/{NEW} is there already, from an earlier run"),
            _ => return Err(Failure::Other(format!("/{NEW} is there, and is no directory"))),
        },
        Err(error) => return Err(failure::file(NEW)(error)),
    }
    list(root)?;
    count(ticks)
}

/// Counts the timer's ticks until there are so many, or a key is pressed.
fn count(ticks: u64) -> Result<u64, Failure> {
    let start = task::ticks();
    let mut counted = 0;
    while counted < ticks && typing::take(&mut [0]) == 0 {
        checkpoint()?;
        task::sleep(Duration::from_millis(1));
        // More than one may have passed: each line is printed all the same.
        while counted < ticks && counted < task::ticks() - start {
            counted += 1;
            if counted.is_multiple_of(TICKS_OF_LINE) {
                println!("{counted} tick");
            }
        }
    }
    Ok(counted)
}

/// Lists the root directory in the order in which the disk has the names.
fn list(root: &Inode) -> Result<(), Failure> {
    let mut names = String::new();
    root.visit(&mut |entry| {
        if names.len() > LONGEST_LIST {
            names.push_str(" ...");
            return ControlFlow::Break(());
        }
        names.push_str(&format!(" {}", Name(entry.name)));
        ControlFlow::Continue(())
    })
    .map_err(failure::file("/"))?;
    println!("files in /:");
    Output::console().line(format_args!(" {names}"))
}
