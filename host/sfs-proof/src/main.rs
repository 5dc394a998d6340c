//! Tries to break the file system of `crates/sfs`, on a disk in memory.
//!
//! Every case depends on its seed alone. The first that does not go as it must ends the program with status 1, after
//! words on what happened and how to repeat it; the last line is one of counts.

mod cuts;
mod errors;
mod model_run;
mod mutate;
mod pairs;
mod read;
#[cfg(test)]
mod reader_tests;
mod shrink;
mod threads;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use peak_alloc::PeakAlloc;
use sfs_proof::{aftermath, counts, disk, fixtures, judge, model, reader, run, session, start};

use crate::counts::{Counts, Violation};

/// Counts the memory in use, for the damaged images.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

#[derive(Parser)]
#[command(about = "Tries to break the file system of crates/sfs, on a disk in memory")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Args)]
struct Extent {
    /// The number of cases; by default all, or as many as the book's figures need
    #[arg(long)]
    count: Option<u64>,
    /// The seed of the first case; the next case has the next number
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Subcommand)]
enum Command {
    /// Random sequences of operations; the power is cut after every sector written, and with random subsets of the unsafe ones
    Cuts(Extent),
    /// Every sequence of two operations out of twelve kinds on three names, each cut everywhere; the seed is its number
    Pairs(Extent),
    /// The same sequences with an error at each access to the disk, and with each number of free blocks that is too few
    Errors(Extent),
    /// Damaged images, mounted, read, written, checked and repaired
    Mutate(Extent),
    /// Random operations compared with a model in memory; a case is 1,000 of them
    Model(Extent),
    /// Threads that work in one directory at the same time
    Threads(Extent),
    /// Read an image with the independent reader, and list what is in it and what is wrong
    Read {
        /// The image
        image: PathBuf,
        /// A table of what must be in it, in the form that this command prints
        #[arg(long)]
        manifest: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match perform(&Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sfs-proof: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what was asked for; returns true if all went as it must.
fn perform(command: &Command) -> Result<bool> {
    type Case = fn(u64) -> Result<Counts, String>;
    let (name, extent, count, case): (_, _, _, Case) = match command {
        Command::Cuts(extent) => ("cuts", extent, 600, cuts::case),
        Command::Pairs(extent) => ("pairs", extent, pairs::count(), pairs::case),
        Command::Errors(extent) => ("errors", extent, pairs::count(), errors::case),
        Command::Mutate(extent) => ("mutate", extent, 1_000_000, mutate::case),
        Command::Model(extent) => ("model", extent, 1_000, model_run::case),
        Command::Threads(extent) => ("threads", extent, 20, threads::case),
        Command::Read { image, manifest } => return read::run(image, manifest.as_deref()),
    };
    let first = extent.seed.unwrap_or(if name == "pairs" || name == "errors" { 0 } else { 1 });
    let count = extent.count.unwrap_or(count);
    println!("the same again: sfs-proof {name} --seed {first} --count {count}");
    run::note_panics();
    match counts::all(name, first, count, case) {
        Ok(counts) => {
            println!("{name}: {count} cases, {counts}, 0 violations");
            Ok(true)
        }
        Err(Violation { seed, words }) => {
            println!("{words}\nthis one alone: sfs-proof {name} --seed {seed} --count 1");
            println!("{name}: VIOLATION in the case with seed {seed}");
            Ok(false)
        }
    }
}
