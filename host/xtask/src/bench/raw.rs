//! `report.json`: every single figure, and what is needed to understand it.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    Bench,
    linux::{self, Scheduler},
    load::{Load, Subject},
    sample::Sample,
    targets::{self, Bound},
};

/// The whole report as JSON.
pub fn report(bench: &Bench) -> Result<String> {
    let runs: Vec<Value> = bench
        .results
        .all()
        .map(|(load, subject, samples)| {
            json!({
                "load": of_load(load),
                "subject": of_subject(subject),
                "fio": (subject == Subject::Linux).then(|| linux::arguments(load)),
                "samples": samples.iter().map(of_sample).collect::<Vec<_>>(),
            })
        })
        .collect();
    let counts: Vec<Value> = bench
        .counts
        .iter()
        .map(|row| {
            json!({
                "load": of_load(row.case.load),
                "subject": of_subject(row.case.subject),
                "io_scheduler": row.case.scheduler == Scheduler::Default,
                "pace": row.case.pace.to_string(),
                "instructions": row.counts.instructions,
                "device_registers": row.counts.accesses.device,
                "interrupt_controller": row.counts.accesses.interrupt_controller,
                "notifications": row.counts.accesses.notifications,
            })
        })
        .collect();
    let targets: Vec<Value> = targets::all(bench)
        .iter()
        .map(|target| {
            let (bound, kind) = match target.bound {
                Bound::Times(times, rival) => (times, format!("times {rival}, at least")),
                Bound::OfDisk(share) => (share, "of the bare disk, at least".to_owned()),
                Bound::AtMost(most) => (most, "at most".to_owned()),
            };
            json!({
                "figure": target.figure, "bound": bound, "kind": kind,
                "found": target.found, "missed_by": target.missed_by(),
            })
        })
        .collect();
    let machine = &bench.systems.machine;
    let report = json!({
        "board": bench.board.to_string(),
        "whole": bench.whole,
        "qemu": bench.qemu,
        "host_processor": processor(),
        "host_processors": std::thread::available_parallelism().map_or(0, usize::from),
        "host_load_averages": bench.host_load,
        "virtio_drivers": match &bench.systems.peer {
            Ok(_) => json!("host/peer"),
            Err(reason) => json!({ "left_out": format!("{reason:#}") }),
        },
        "linux": match &bench.systems.linux {
            Ok(linux) => json!({ "packages": linux.versions, "command_line": linux.words() }),
            Err(reason) => json!({ "left_out": format!("{reason:#}") }),
        },
        "linux_without_io_scheduler": bench.no_scheduler,
        "arguments": machine.media().iter().map(|medium| {
            (medium.to_string(), json!({
                (bench.board.arch().qemu()): machine.qemu(*medium).arguments(),
                "qemu-img bench": machine.image(*medium),
            }))
        }).collect::<serde_json::Map<_, _>>(),
        "rounds": bench.rounds,
        "seconds": bench.seconds,
        "runs": runs,
        "counts": counts,
        "targets": targets,
        "failures": bench.results.failures,
    });
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

fn of_load(load: Load) -> Value {
    let Load { medium, mode, block, depth } = load;
    json!({ "disk": medium.to_string(), "mode": mode.name(), "bs": block, "qd": depth })
}

fn of_subject(subject: Subject) -> Value {
    match subject {
        Subject::Ours(complete) => json!({ "kernel": "ours", "complete": complete.name() }),
        Subject::Peer(complete) => {
            json!({ "kernel": "virtio-drivers", "complete": complete.name() })
        }
        Subject::Linux => json!({ "kernel": "linux" }),
        Subject::Host => json!({ "kernel": null }),
    }
}

fn of_sample(sample: &Sample) -> Value {
    json!({
        "iops": sample.iops,
        "mib_s": sample.mib_s,
        "irqs": sample.interrupts,
        "notifies": sample.notifications,
        "looks": sample.looks,
        "sleeps": sample.sleeps,
        "transfers": sample.transfers,
        "flushes": sample.flushes,
        "mean_us": sample.latency.map(|latency| latency.mean),
        "p50_us": sample.latency.map(|latency| latency.p50),
        "p99_us": sample.latency.map(|latency| latency.p99),
        "p999_us": sample.latency.map(|latency| latency.p999),
    })
}

/// The host's processor, as Linux calls it.
pub fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
