//! Checks and mends an image.

use std::path::Path;

use anyhow::Result;
use sfs::{Report, Severity};

use crate::{
    image::{self, Image},
    words,
};

/// The problems that are shown, each with a line.
const SHOWN: usize = 40;

/// Checks an image, and returns true if it can be used as it is.
///
/// # Errors
///
/// The image cannot be read, or is none of this kind.
pub fn check(path: &Path) -> Result<bool> {
    let report = look(path, &Image::for_reading(path)?)?;
    show(&report);
    let verdict = if report.is_broken() {
        "broken; unpack it to save what is in it, then `sfs repair` mends what can be mended"
    } else if report.is_clean() {
        "nothing is wrong"
    } else {
        "sound; a power cut has left something, which `sfs repair` clears away"
    };
    println!("{}: {}; {verdict}", path.display(), contents(&report));
    Ok(!report.is_broken())
}

/// Mends an image, and returns true if nothing is wrong with it any more.
///
/// # Errors
///
/// The image cannot be read or written, is in use, or is none of this kind.
pub fn repair(path: &Path) -> Result<bool> {
    let image = Image::for_writing(path)?;
    image::refuse_other(path, &image)?;
    let before = sfs::repair(&image).map_err(|error| image::explain(path, error))?;
    let after = look(path, &image)?;
    show(&before);
    if after.is_clean() {
        let mended = words::count(before.count(), "problem");
        println!("{}: {}; {mended} mended", path.display(), contents(&after));
    } else {
        println!("{}: not all of it could be mended; this is left:", path.display());
        show(&after);
        if before.is_broken() && !after.is_broken() {
            println!("look at what is there now; `sfs repair` clears the rest away if run again");
        }
    }
    Ok(after.is_clean())
}

fn look(path: &Path, image: &Image) -> Result<Report> {
    image::refuse_other(path, image)?;
    sfs::check(image).map_err(|error| image::explain(path, error))
}

fn show(report: &Report) {
    for problem in report.problems.iter().take(SHOWN) {
        let severity = match problem.severity() {
            Severity::Allowed => "left by a power cut",
            Severity::Broken => "broken",
        };
        println!("{severity}: {problem}");
    }
    match report.count().saturating_sub(SHOWN) {
        0 => (),
        more => println!("and {more} more"),
    }
}

fn contents(report: &Report) -> String {
    // The root is not counted elsewhere either.
    let folders = words::count(report.directories.saturating_sub(1) as usize, "folder");
    let files = words::count(report.files as usize, "file");
    let others = words::count(report.others as usize, "other");
    format!("{folders}, {files}, {others}, in {} blocks; {} unused", report.used, report.unused)
}
