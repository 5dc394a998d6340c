//! `report.md`: the tables, and what one must know to read them.

use std::fmt::Write as _;

use lab::board::Board;

use super::{
    Bench,
    cells::{grouped, ratio, row, spread, table},
    images::{Images, MAKE_EXT4},
    linux,
    load::{
        Complete, FILES, FILES_SUBJECT, Load, Medium, Mode, PEER_DEPTHS, SCREEN, Subject,
        random_read, sequential_read,
    },
    raw,
    sample::{Latency, Sample},
    targets::{self, Bound},
};

/// The whole report.
pub fn report(bench: &Bench) -> String {
    let mut text =
        String::from("# This kernel, virtio-drivers, Linux and the bare host on the same disks\n");
    let mut sections: Vec<fn(&Bench, &mut String)> = vec![targets_reached];
    if bench.results.all().next().is_some() {
        sections.extend([speed as fn(&Bench, &mut String), files, screen, latency]);
        if bench.board == Board::LAB {
            sections.insert(1, peer);
        }
    }
    sections.extend([counts as fn(&Bench, &mut String), conditions, caveats]);
    for section in sections {
        text.push('\n');
        section(bench, &mut text);
    }
    if !bench.results.failures.is_empty() {
        text.push_str("\n## Runs that failed\n\n");
        for failure in &bench.results.failures {
            let _ = writeln!(text, "- {}", failure.replace('\n', " "));
        }
    }
    text
}

fn targets_reached(bench: &Bench, text: &mut String) {
    table(text, "Figures to reach", &["figure", "to reach", "measured", "verdict"]);
    for target in targets::all(bench) {
        let (bound, unit) = match target.bound {
            Bound::Times(times, rival) => (format!("at least {times:.1} x {rival}"), " x"),
            Bound::OfDisk(share) => {
                (format!("at least {:.0} % of the bare disk", share * 100.0), " x")
            }
            Bound::AtMost(most) => (format!("at most {most}"), ""),
        };
        let number = |number: f64| match number {
            number if number >= 100.0 => grouped(number),
            number => format!("{number:.2}{unit}"),
        };
        let verdict = match target.missed_by() {
            Some(0.0) => "reached".to_owned(),
            Some(distance) => format!("**missed by {}**", number(distance)),
            None => "not measured".to_owned(),
        };
        let found = target.found.map_or("-".to_owned(), number);
        row(text, &[target.figure, &bound, &found, &verdict]);
    }
}

fn peer(bench: &Bench, text: &mut String) {
    let columns = [
        "depth",
        "this kernel",
        "this kernel, irq",
        "virtio-drivers, irq",
        "virtio-drivers, poll",
        "this kernel / virtio-drivers, irq",
        "this kernel / virtio-drivers, poll",
    ];
    table(
        text,
        "Beside the crate virtio-drivers: 4 KiB random reads a second, null-co, median (lowest..highest)",
        &columns,
    );
    let (ours, irq) = (Subject::Ours(Complete::Adaptive), Subject::Ours(Complete::Irq));
    let peers = [Complete::Irq, Complete::Poll].map(Subject::Peer);
    for depth in PEER_DEPTHS {
        let load = random_read(Medium::Null, depth);
        let mut cells = vec![depth.to_string()];
        let figures = [ours, irq].into_iter().chain(peers);
        cells.extend(figures.map(|subject| spread(bench.results.iops(load, subject))));
        cells.extend(peers.map(|peer| ratio(bench.results.ratio(load, ours, peer))));
        row(text, &cells);
    }
    text.push_str(PEER);
}

const PEER: &str = "
\"This kernel\" waits as it does by itself, adaptively. The crate leaves waiting to its user: by interrupt is the
best that is possible without knowing the disk, polling what the driver reaches where a processor has nothing else to
do. **Its queue holds 16 requests: where 32 are asked for, 16 are in flight.** It runs on the same OSTD
(`host/peer`), takes all answers that are there at once, reads the clock once for all of them, and has neither
deadlines nor restarts.
";

/// Every load that was measured, with the ways of completion in which this kernel was.
fn rows(bench: &Bench) -> Vec<(Load, Complete)> {
    bench
        .results
        .all()
        .filter_map(|(load, subject, _)| match subject {
            Subject::Ours(complete) if !matches!(load.medium, Medium::Files | Medium::Screen) => {
                Some((load, complete))
            }
            _ => None,
        })
        .collect()
}

fn speed(bench: &Bench, text: &mut String) {
    let columns = [
        "load",
        "this kernel",
        "Linux",
        "this kernel / Linux",
        "host, no guest",
        "of the host: this kernel, Linux",
    ];
    table(text, "Speed: median (lowest..highest); requests a second, where not MiB/s", &columns);
    for (load, complete) in rows(bench) {
        let ours = Subject::Ours(complete);
        let unit = if load.mode == Mode::Read { ", MiB/s" } else { "" };
        let figure = |subject| {
            bench.results.figure(load, subject, |sample: &Sample| {
                Some(if load.mode == Mode::Read { sample.mib_s } else { sample.iops })
            })
        };
        let share = |subject| {
            bench
                .results
                .ratio(load, subject, Subject::Host)
                .map_or("-".to_owned(), |share| format!("{:.0} %", share.median * 100.0))
        };
        row(
            text,
            &[
                format!("{load}, {}{unit}", complete.name()),
                spread(figure(ours)),
                spread(figure(Subject::Linux)),
                ratio(bench.results.ratio(load, ours, Subject::Linux)),
                spread(figure(Subject::Host)),
                format!("{}, {}", share(ours), share(Subject::Linux)),
            ],
        );
    }
}

fn files(bench: &Bench, text: &mut String) {
    let columns = [
        "load",
        "this kernel",
        "Linux, ext4",
        "this kernel / Linux",
        "the bare disk",
        "of the bare disk",
        "transfers, flushes: this kernel / Linux",
    ];
    table(text, "Files: median (lowest..highest); operations a second, where not MiB/s", &columns);
    for (load, disk) in FILES {
        let is_bulk = load.mode == Mode::FileRead;
        let speed = |load, subject| {
            let figure = |run: &Sample| Some(if is_bulk { run.mib_s } else { run.iops });
            spread(bench.results.figure(load, subject, figure))
        };
        let each = |subject| {
            let one = |figure: fn(&Sample) -> Option<f64>| {
                let figure = bench.results.figure(load, subject, figure);
                figure.map_or("-".to_owned(), |spread| format!("{:.2}", spread.median))
            };
            format!("{}, {}", one(|run| run.transfers), one(|run| run.flushes))
        };
        let of_disk = disk.and_then(|disk| {
            bench.results.ratio_between((load, FILES_SUBJECT), (disk, FILES_SUBJECT))
        });
        row(
            text,
            &[
                format!("{load}{}", if is_bulk { ", MiB/s" } else { "" }),
                speed(load, FILES_SUBJECT),
                speed(load, Subject::Linux),
                ratio(bench.results.ratio(load, FILES_SUBJECT, Subject::Linux)),
                disk.map_or("-".to_owned(), |disk| speed(disk, FILES_SUBJECT)),
                ratio(of_disk),
                format!("{} / {}", each(FILES_SUBJECT), each(Subject::Linux)),
            ],
        );
    }
    text.push_str(FILES_NOTE);
}

const FILES_NOTE: &str = "
Reading is cold: this kernel mounts anew before each run, Linux drops its caches; in both, a run before is not counted.
The bare disk is what the job `bench` reads from the same disk with 8 requests in flight. Linux reads through its page
cache by fio with `psync`: with blocks of 128 KiB and the hint that it reads in order, which doubles Linux's read-ahead,
and in 8 processes that have an eighth of the file each. Files are made, written and fsynced one after the other. Transfers and flushes are
requests to the disk per operation.
";

fn screen(bench: &Bench, text: &mut String) {
    let columns = ["change", "this kernel", "Linux", "this kernel / Linux", "looks, sleeps"];
    table(text, "Screen: median (lowest..highest) of the medians, microseconds", &columns);
    for load in SCREEN {
        let time = |subject| {
            let us = bench.results.figure(load, subject, |run| Some(run.us()));
            us.map_or("-".to_owned(), |us| {
                format!("{:.0} ({:.0}..{:.0})", us.median, us.min, us.max)
            })
        };
        let own = |figure: fn(&Sample) -> Option<f64>| {
            let figure = bench.results.figure(load, FILES_SUBJECT, figure);
            figure.map_or("-".to_owned(), |spread| format!("{:.2}", spread.median))
        };
        let change = match load.mode {
            Mode::ScreenFull => "every pixel of 1024 x 768",
            Mode::ScreenLine => "a line of text, 1024 x 16",
            Mode::ScreenRect => "16 x 16 pixels",
            _ => "every pixel, the copy to DMA memory alone",
        };
        // A share of times, not of speeds.
        let share = bench.results.ratio_between((load, Subject::Linux), (load, FILES_SUBJECT));
        let waits = format!("{}, {}", own(|run| run.looks), own(|run| run.sleeps));
        let times = [time(FILES_SUBJECT), time(Subject::Linux)];
        row(text, &[change, &times[0], &times[1], &ratio(share), &waits]);
    }
    text.push_str(SCREEN_NOTE);
}

const SCREEN_NOTE: &str = "
This kernel: `flush` or `flush_rect` from the call to its return, so with the copy to DMA memory. Linux: from the driver's
TRANSFER_TO_HOST_2D to the answer to its RESOURCE_FLUSH, as it traces them, without any copy: what its framebuffer console
has to do before is not in it. **Linux rests for 10 ms between two changes, so its processor is idle and has to be woken by
the answer; this kernel's job goes on at once, and looks.** By how much this favours this kernel was not measured.
";

fn latency(bench: &Bench, text: &mut String) {
    let columns = [
        "load",
        "mean",
        "50 %",
        "99 %",
        "99.9 %",
        "interrupts per request",
        "notifications, looks, sleeps (this kernel)",
    ];
    table(
        text,
        "Latency in microseconds (medians of the timed runs): this kernel / Linux",
        &columns,
    );
    for (load, complete) in rows(bench) {
        let median = |subject, figure: &dyn Fn(&Sample) -> Option<f64>| {
            bench.results.figure(load, subject, figure).map(|spread| spread.median)
        };
        let pair = |digits: usize, figure: &dyn Fn(&Sample) -> Option<f64>| {
            let one = |subject| {
                median(subject, figure)
                    .map_or("-".to_owned(), |number| format!("{number:.digits$}"))
            };
            format!("{} / {}", one(Subject::Ours(complete)), one(Subject::Linux))
        };
        let own = |figure: fn(&Sample) -> Option<f64>| {
            median(Subject::Ours(complete), &figure)
                .map_or("-".to_owned(), |number| format!("{number:.2}"))
        };
        let time = |figure: fn(&Latency) -> f64| {
            pair(0, &|sample: &Sample| sample.latency.as_ref().map(figure))
        };
        row(
            text,
            &[
                format!("{load}, {}", complete.name()),
                time(|latency| latency.mean),
                time(|latency| latency.p50),
                time(|latency| latency.p99),
                time(|latency| latency.p999),
                pair(3, &|sample| sample.interrupts),
                [
                    own(|sample| sample.notifications),
                    own(|sample| sample.looks),
                    own(|sample| sample.sleeps),
                ]
                .join(", "),
            ],
        );
    }
}

fn counts(bench: &Bench, text: &mut String) {
    let columns = [
        "load",
        "run",
        "instructions",
        "device registers",
        "interrupt controller",
        "notifications",
    ];
    table(text, "Counted per request by QEMU, from outside", &columns);
    for line in &bench.counts {
        row(
            text,
            &[
                line.case.to_string(),
                line.case.pace.to_string(),
                grouped(line.counts.instructions),
                format!("{:.3}", line.counts.accesses.device),
                format!("{:.3}", line.counts.accesses.interrupt_controller),
                format!("{:.3}", line.counts.accesses.notifications),
            ],
        );
    }
}

fn conditions(bench: &Bench, text: &mut String) {
    let _ = writeln!(text, "## Conditions\n");
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let _ = writeln!(
        text,
        "- Host: {}, {processors} processors; load averages before the first run: {}",
        raw::processor(),
        bench.host_load
    );
    let _ = writeln!(text, "- Board: {}", bench.board);
    let _ = writeln!(
        text,
        "- {}, TCG; {} rounds of {} s each after a warm-up",
        bench.qemu, bench.rounds, bench.seconds
    );
    if let Err(reason) = &bench.systems.peer {
        let _ = writeln!(text, "- virtio-drivers was left out: {reason:#}");
    }
    match &bench.systems.linux {
        Ok(linux) => {
            let scheduler = if bench.no_scheduler {
                "without I/O scheduler"
            } else {
                "with the I/O scheduler it chooses itself"
            };
            let _ = writeln!(
                text,
                "- Linux: {}; {scheduler}; `{}`",
                linux.versions.join(", "),
                linux.words()
            );
            for load in [
                random_read(Medium::Null, 1),
                random_read(Medium::Null, 32),
                sequential_read(Medium::Null, 8),
            ] {
                let _ = writeln!(text, "  - `fio --direct=1 {}`", linux::arguments(load).join(" "));
            }
        }
        Err(reason) => {
            let _ = writeln!(text, "- Linux was left out: {reason:#}");
        }
    }
    let machine = &bench.systems.machine;
    for &medium in machine.media() {
        let _ = writeln!(
            text,
            "- {medium}, all guests: `{} {}`",
            bench.board.arch().qemu(),
            machine.qemu(medium).arguments().join(" ")
        );
        let _ = writeln!(text, "  - host: `qemu-img bench {}`", machine.image(medium).join(" "));
    }
    match &machine.images {
        Ok(Images { sfs, ext4 }) => {
            let _ = writeln!(text, "- files: `sfs pack` to {}", sfs.display());
            let _ = match ext4 {
                Ok(ext4) => {
                    writeln!(text, "  - Linux: `{} -d` to {}", MAKE_EXT4.join(" "), ext4.display())
                }
                Err(reason) => writeln!(text, "  - Linux was left out: {reason:#}"),
            };
        }
        Err(reason) => _ = writeln!(text, "- files were left out: {reason:#}"),
    }
}

fn caveats(_: &Bench, text: &mut String) {
    text.push_str(CAVEATS);
}

const CAVEATS: &str = "\
## What to keep in mind

- The comparison is of whole paths. fio is a program in user space: system calls, the block layer and fio's own
  bookkeeping are in Linux's figures. The bench job of this kernel runs in the kernel, right on the block device.
- fio is set up as favourably for Linux as was found: one request at a time with `pread`; more with io_uring,
  registered buffers, and batches. An I/O scheduler costs Linux instructions: the counts are given with and without.
- QEMU emulates (TCG). Instructions cost about the same, leaving the guest costs much more than anything else;
  on real hardware or with KVM the proportions are different.
- Time on a shared host is noisy: 20 to 40 % between repetitions is usual, which is why there are rounds, medians
  and the extremes. Ratios in parentheses are the lowest and highest within a round.
- The counts are made by QEMU from outside, in the same way for all: the difference of two runs of different
  length, from power on to power off. Recorded runs do not depend on the host. But recording makes the device finish
  requests at the notification, before a guest can sleep. This kernel then finds them done; at depth 1 every other
  one interrupts, as the one before had asked for it. Linux takes an interrupt for each. Free runs let the device
  answer when it will; on the slow null-co (200 microseconds a request) every read sleeps and is woken, and the
  accesses to registers are what that costs. How often interrupts are needed otherwise is told by the timed runs.
- virtio-drivers has 16 requests in flight where the depth is 32. It takes requests one by one, not in batches, and
  notifies after each if the device asks for it.
- On null-co no data is moved; `qemu-img bench` has no random places, a stride of 1 MiB and a block stands for them.
";
