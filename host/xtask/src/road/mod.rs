//! `xtask road`: the road of one blocking read, counted.
//!
//! The rule: one blocking read of one sector on the path that sleeps, from the call of the trait's method
//! until the data is in the caller's memory; the interrupt handler's way to the used ring and the wake-up
//! are part of it. *Functions* are those with a body in `kernel/` or `crates/` that run on it: a trait's
//! method counts where it is implemented, a closure belongs to its function, derived code does not count.
//! *Files* hold these bodies. *Types* are the project's structs, enums and traits that these functions name
//! in signature or body, `self` and `Self` included. The scheduler (`kernel/src/task`) does not count: it
//! runs on OSTD's behalf, as OSTD's own would, and a reader of the driver may take it as given.
//!
//! Nobody has to read code for that. The kernel is built without inlining (the profile `road`) and reads
//! a few sectors of a disk that takes its time, while QEMU writes down which blocks of instructions it runs
//! (`trace.rs`). The kernel's debug information leads from there to lines of source (`crate::symbols`), and a
//! parser from lines to functions and the types in them (`source/`).

mod source;
mod table;
mod trace;

use std::{
    collections::BTreeSet,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use lab::{
    process,
    qemu::{Guest, Machine, Stack, Transport},
    workspace::{Profile, Workspace},
};

use self::{
    source::{Function, Source, Type},
    trace::Marks,
};
use crate::{report::Suite, symbols::Kernel};

/// The most that a reader shall have to hold in mind. They are what was counted when they were set: raise
/// one only with a reason, and lower it when the road gets shorter.
const LIMITS: Limits = Limits { functions: 60, files: 12, types: 40, longest: 54 };

struct Limits {
    functions: usize,
    files: usize,
    types: usize,
    /// Lines of one function's body.
    longest: usize,
}

/// The call that the road begins with.
const READ: &str = "<virtio::device::blk::VirtioBlk as block::BlockDevice>::read_block";
/// OSTD's work for each tick of the timer. IRQs are off meanwhile, so all that runs until its return
/// belongs to the tick.
const TICK: &str = "ostd::timer::call_timer_callback_functions";
/// The place where OSTD goes over from one task to another.
const SWITCH: &str = "context_switch";

/// The scheduler, which does not count.
const SCHEDULER: &str = "kernel/src/task";

/// Of these reads the last one that slept is counted; the first one looks for a while before it sleeps.
const JOB: &str = "job=read sector=0 count=3";
/// Long enough for the reader to be asleep when the answer comes, even on a busy host.
const DISK: &str = "driver=null-co,size=1048576,read-zeroes=on,latency-ns=50000000";

/// Everything that is counted.
struct Road {
    /// In the order in which they first run.
    functions: Vec<Function>,
    files: BTreeSet<PathBuf>,
    types: BTreeSet<Type>,
}

/// Builds the kernel, counts, prints the list and compares with the limits; with `write`, writes the list
/// to the book, too.
pub fn run(workspace: &Workspace, suite: &mut Suite, write: bool) -> Result<()> {
    let Some(kernel) = suite.build_kernel(workspace, Profile::Road)? else { return Ok(()) };
    let log = workspace.log("road", "trace");
    process::new_log(&log)?;
    let mut found = None;
    suite.check("trace", Some(&log), || {
        found = Some(Road::find(workspace, &kernel, &log)?);
        Ok(())
    });
    let Some(road) = found else { return Ok(()) };
    print!("{}", table::text(&road));
    for (name, count, limit) in road.counts() {
        suite.check(name, None, || {
            ensure!(count <= limit, "{count} on the road of a read, the limit is {limit}");
            Ok(())
        });
    }
    if write {
        suite.check("write", None, || table::write(workspace, &road));
    }
    Ok(())
}

impl Road {
    fn find(workspace: &Workspace, kernel: &Path, log: &Path) -> Result<Self> {
        let source = Source::read(&workspace.root)?;
        let kernel_file = Kernel::open(kernel)?;
        let marks = Marks {
            read: kernel_file.function(READ)?,
            tick: kernel_file.function(TICK)?,
            switch: kernel_file.function(SWITCH)?,
        };
        let mut watched = kernel_file.mentioning(source.crates());
        watched.extend([marks.tick.clone(), marks.switch.clone()]);

        // Some hundred megabytes, which a folder in memory should be spared.
        let folder = tempfile::tempdir_in(workspace.target.join("road"))?;
        let file = folder.path().join("trace");
        let machine = Machine::new(Transport::Modern)
            .option("-d", "exec,nochain,in_asm")
            .option("-dfilter", trace::filter(&watched))
            .option("-D", file.to_string_lossy())
            .options(Stack::bottom(DISK).device_without_serial(""));
        let outcome = machine.run(&Guest::new(kernel, JOB), workspace.limit(180), log)?;
        outcome.expect_success()?;
        let file = File::open(file).context("QEMU wrote no trace; is it built with `log`?")?;
        let read = trace::last_sleeping_read(BufReader::new(file), &marks)?
            .context("no read slept: the host is too busy, or the disk too fast")?;

        let mut functions: Vec<Function> = Vec::new();
        let (mut entered, mut known) = (BTreeSet::new(), BTreeSet::new());
        for block in read {
            // Another task's function goes on here, but was called before: it waits for work, for instance.
            let Some(begin) = kernel_file.beginning(block[0]) else { continue };
            if block[0] == begin {
                entered.insert(begin);
            }
            if !entered.contains(&begin) {
                continue;
            }
            for address in block {
                for (path, line) in kernel_file.lines(address, &workspace.root)? {
                    if !known.insert((path.clone(), line)) {
                        continue;
                    }
                    if path.starts_with(SCHEDULER) {
                        continue;
                    }
                    let Some(function) = source.function_at(&path, line)? else { continue };
                    if !functions.iter().any(|earlier| earlier.is(&function)) {
                        functions.push(function);
                    }
                }
            }
        }
        ensure!(!functions.is_empty(), "the trace leads to no function of {:?}", source.crates());
        let files = functions.iter().map(|function| function.file.clone()).collect();
        let types = functions.iter().flat_map(|function| function.types.iter().cloned()).collect();
        Ok(Self { functions, files, types })
    }

    /// The name of each figure, the figure and its limit.
    fn counts(&self) -> [(&'static str, usize, usize); 4] {
        let longest = self.functions.iter().map(Function::lines).max().unwrap_or(0);
        [
            ("functions", self.functions.len(), LIMITS.functions),
            ("files", self.files.len(), LIMITS.files),
            ("types", self.types.len(), LIMITS.types),
            ("longest-function", longest, LIMITS.longest),
        ]
    }

    fn lines(&self) -> usize {
        self.functions.iter().map(Function::lines).sum()
    }
}
