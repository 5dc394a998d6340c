//! Images of the Simple File System on the host.
//!
//! ```text
//!   pack     a folder into an image; source: that folder, listed; space: what things take in an image
//!   unpack   an image into a folder; walk: every name of an image
//!   look     ls, tree, cat
//!   change   put, mkdir, rm
//!   check    check, repair
//!   image    a file of the host that a file system stands on
//!   copy     contents, from the host and to it
//!   words    numbers and names for people
//! ```
//!
//! The format is the crate `sfs`, which the kernel uses too.

#![forbid(unsafe_code)]

mod change;
mod check;
mod copy;
mod image;
mod look;
mod pack;
mod source;
mod space;
mod unpack;
mod walk;
mod words;

use std::{io, path::PathBuf, process::ExitCode};

use anyhow::{Error, Result};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    about = "Images of the Simple File System: packed from a folder, looked into, changed, checked"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Pack a folder into an image; an older image of that name is replaced
    Pack {
        /// The folder
        dir: PathBuf,
        /// The image
        img: PathBuf,
        /// The size of the image, such as 64M; if not given, what is needed and a reserve of 16M, or a quarter if that
        /// is more
        #[arg(long, value_parser = words::parse_size)]
        size: Option<u64>,
    },
    /// Unpack an image into a new folder
    Unpack {
        /// The image
        img: PathBuf,
        /// The folder, which is empty or not there yet
        dir: PathBuf,
    },
    /// List a folder in an image: kind, number of links, size in bytes, name
    Ls {
        /// The image
        img: PathBuf,
        /// The path in the image
        #[arg(default_value = "/")]
        path: String,
    },
    /// Draw a folder in an image and all below it
    Tree {
        /// The image
        img: PathBuf,
        /// The path in the image
        #[arg(default_value = "/")]
        path: String,
    },
    /// Write a file in an image to standard output
    Cat {
        /// The image
        img: PathBuf,
        /// The path in the image
        path: String,
    },
    /// Put a file into an image
    Put {
        /// The image
        img: PathBuf,
        /// The file on the host
        file: PathBuf,
        /// The path in the image; that of a folder puts the file into it, under the name that it has
        path: String,
    },
    /// Make a folder in an image
    Mkdir {
        /// The image
        img: PathBuf,
        /// The path in the image
        path: String,
    },
    /// Remove a file, a symlink or an empty folder from an image
    Rm {
        /// The image
        img: PathBuf,
        /// The path in the image
        path: String,
    },
    /// Check an image, and change nothing
    Check {
        /// The image
        img: PathBuf,
    },
    /// Mend an image
    Repair {
        /// The image
        img: PathBuf,
    },
}

fn main() -> ExitCode {
    match perform(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // As with other programs: whoever reads has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sfs: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what was asked for; returns true unless an image is found broken.
fn perform(command: Command) -> Result<bool> {
    match command {
        Command::Pack { dir, img, size } => pack::pack(&dir, &img, size)?,
        Command::Unpack { img, dir } => unpack::unpack(&img, &dir)?,
        Command::Ls { img, path } => look::ls(&img, &path)?,
        Command::Tree { img, path } => look::tree(&img, &path)?,
        Command::Cat { img, path } => look::cat(&img, &path)?,
        Command::Put { img, file, path } => change::put(&img, &file, &path)?,
        Command::Mkdir { img, path } => change::mkdir(&img, &path)?,
        Command::Rm { img, path } => change::rm(&img, &path)?,
        Command::Check { img } => return check::check(&img),
        Command::Repair { img } => return check::repair(&img),
    }
    Ok(true)
}

fn is_broken_pipe(error: &Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
