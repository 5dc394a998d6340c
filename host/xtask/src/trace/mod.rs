//! `xtask trace`: one request, from the call to its return, as text, as a picture and as a page.
//!
//! QEMU tells what device and disk do, and a plugin of ours what the kernel does: in one file, on one clock
//! (`record.rs`, `events.rs`). The driver shares nothing with the device but by volatile loads and stores, all of them in
//! a few functions of `core`; so the plugin sees each of them, with its caller's callers. Nothing is added to the kernel
//! for that.
//!
//! ```text
//!   record      boots, and holds the disk until the driver sleeps
//!   events      the lines of the log
//!   chain       the queue's places, and its descriptors
//!   understand  events -> steps
//!   reader      one event -> one step
//!   steps       what a step is
//!   words       steps in English and Chinese
//!   text, svg, html
//! ```

mod chain;
mod events;
mod html;
mod reader;
mod record;
mod steps;
mod svg;
mod text;
mod understand;
mod words;

#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use lab::{
    image::{SECTOR, lab_disk, put_sector},
    language::Language,
    place::Place,
    workspace::{Profile, Workspace},
};

use self::{
    record::Marks,
    steps::{Act, Trace},
};
use crate::{report::Suite, symbols::Kernel};

/// The job that is traced by default: its last request, as QEMU has yet to translate the code for the first one.
pub const JOB: &str = "read sector=2 count=2";

/// The sectors of the disk, as many as `blk.img` has.
const SECTORS: usize = 2048;

/// Builds the kernel, gives it `job` on a fresh disk, and writes what its last request did.
pub fn run(workspace: &Workspace, suite: &mut Suite, job: &str, language: Language) -> Result<()> {
    let Some(kernel) = suite.build_kernel(workspace, Profile::Road)? else { return Ok(()) };
    let log = workspace.log("trace", "run");
    suite.check("trace", Some(&log), || {
        let place = Place::new(workspace, &kernel, &log)?;
        let disk = place.image("disk", lab_disk(SECTORS)?)?;
        let job = job.trim_start_matches("job=");
        let trace = trace(&place, disk.path(), job, &workspace.root)?;
        let written = write(&trace, &workspace.target.join("trace"), &workspace.root, language)?;
        let [svg, text, html] =
            written.map(|file| file.strip_prefix(&workspace.root).unwrap_or(&file).to_owned());
        println!("picture: {}\ntext: {}", svg.display(), text.display());
        println!("open {} in a browser to step through it", html.display());
        Ok(())
    });
    Ok(())
}

/// Traces the last request of a job.
fn trace(place: &Place, disk: &Path, job: &str, root: &Path) -> Result<Trace> {
    let kernel = Kernel::open(&place.kernel)?;
    let marks = Marks::find(&kernel)?;
    let recording = record::record(&kernel, &marks, place, disk, job)?;
    understand::understand(&recording, &kernel, &marks, root)
}

/// Writes the three files, and returns their paths.
fn write(trace: &Trace, folder: &Path, root: &Path, language: Language) -> Result<[PathBuf; 3]> {
    let files = [
        ("trace.svg", svg::svg(trace, language)),
        ("trace.txt", text::text(trace, language)),
        ("trace.html", html::html(trace, root, language)?),
    ];
    let mut written = Vec::new();
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, contents) in files {
        let path = folder.join(name);
        fs::write(&path, contents).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    written.try_into().ok().context("three files were written")
}

/// Traces a read and a write on real machines, and checks what has been found.
pub fn check(workspace: &Workspace, suite: &mut Suite) -> Result<()> {
    let Some(kernel) = suite.build_kernel(workspace, Profile::Road)? else { return Ok(()) };
    for (name, job, writes, sector) in [
        ("read", "read sector=3", false, 3),
        ("write", "write sector=5 text=hello", true, 5),
        ("without-indirect", "read sector=9 count=2 virtio.indirect_desc=off", false, 10),
    ] {
        let log = workspace.log("trace", name);
        suite.check(name, Some(&log), || {
            let place = Place::new(workspace, &kernel, &log)?;
            let disk = place.image("disk", lab_disk(SECTORS)?)?;
            let trace = trace(&place, disk.path(), job, &workspace.root)?;
            expect(&trace, writes, sector)?;
            let mut contents = disk.before().to_vec();
            if writes {
                put_sector(&mut contents, sector as usize, b"hello")?;
            }
            disk.expect(&contents)?;
            for language in [Language::En, Language::Zh] {
                for file in write(&trace, place.folder(), &workspace.root, language)? {
                    ensure!(fs::metadata(&file)?.len() > 0, "{} is empty", file.display());
                }
            }
            Ok(())
        });
    }
    Ok(())
}

/// Checks a trace of a request for one sector.
fn expect(trace: &Trace, writes: bool, sector: u64) -> Result<()> {
    let bytes = SECTOR as u64;
    ensure!(
        (trace.writes, trace.sector, trace.bytes) == (writes, sector, bytes),
        "traced another request: {trace:x?}"
    );
    let segments = &trace.chain.segments;
    let directions: Vec<_> = segments.iter().map(|one| (one.length, one.device_writes)).collect();
    ensure!(directions == [(16, false), (bytes, !writes), (1, true)], "{directions:?}");
    let length = if writes { 1 } else { bytes + 1 };
    let (available, used) = (trace.available + 1, trace.used + 1);
    let acts: Vec<&Act> = trace.steps.iter().map(|step| &step.act).collect();
    let head = trace.chain.head;
    let offset = sector * bytes;
    let (reads, wrote) = if writes { (2, 1) } else { (1, 2) };
    let pointed = trace.chain.indirect.map(|(table, bytes)| Act::Pointed { head, table, bytes });
    let mut expected = vec![
        Act::Called,
        Act::Prepared { request_type: u64::from(writes), sector, response: 0xff },
        Act::Linked,
    ];
    expected.extend(pointed);
    expected.extend([
        Act::Notified { queue: 0 },
        Act::Popped { reads, writes: wrote },
        Act::Submitted { sector, sectors: 1 },
        Act::Accessed { offset, bytes },
        Act::Done { result: 0 },
        Act::Responded { status: 0 },
        Act::Filled { entry: trace.used % trace.queue.size, length },
        Act::Returned { index: used },
        Act::Raised,
        Act::Claimed { line: 8 },
        Act::Inquired { causes: 1 },
        Act::Acknowledged { causes: 1 },
        Act::Found { old: trace.used, new: used },
        Act::Took { id: head, length },
        Act::Woke,
        Act::Resumed,
        Act::Checked { status: 0 },
        Act::Ended,
    ]);
    let mut rest = acts.iter();
    for act in &expected {
        ensure!(
            rest.any(|found| *found == act),
            "{act:?} is missing, or comes at another place: {acts:?}"
        );
    }
    let published = acts.iter().find_map(|act| match act {
        Act::Published { head: found, index, .. } => Some((*found, *index)),
        _ => None,
    });
    ensure!(published == Some((head, available)), "published {published:?}");
    // Sleeping lies between notification and interrupt, whatever the device does meanwhile.
    let place = |act: &Act| acts.iter().position(|found| *found == act);
    let slept = place(&Act::Slept);
    ensure!(
        slept > place(&Act::Notified { queue: 0 }) && slept < place(&Act::Raised),
        "the caller has not slept between notification and interrupt: {acts:?}"
    );
    for step in trace.steps.iter().filter(|step| !step.is_of_qemu()) {
        let is_ostd = matches!(step.act, Act::Claimed { .. });
        ensure!(
            is_ostd || step.main_frame().is_some(),
            "{:?} has no place in the source",
            step.act
        );
    }
    Ok(())
}
