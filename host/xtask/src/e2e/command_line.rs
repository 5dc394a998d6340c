//! Command lines that the kernel must refuse, with a sentence that helps.

use anyhow::{Context, Result};
use lab::{image::noise, qemu::Disk};

use super::{Case, lab::Lab};

pub const CASES: &[Case] = &[
    Case::once_anywhere("refused-unknown-job", unknown_job),
    Case::once("refused-unknown-parameter", unknown_parameter),
    Case::once("refused-missing-parameter", missing_parameter),
    Case::once("refused-number", number),
    Case::once("refused-hex", hex),
    Case::once("refused-option-value", option_value),
    Case::once("refused-repeated-key", repeated_key),
    Case::once("refused-unterminated-quote", unterminated_quote),
    Case::once_anywhere("ignored-by-the-kernel", ignored),
];

/// Each of these command lines must be refused with all of its words in the reason, and nothing be
/// written.
fn refuse(lab: &Lab, command_lines: &[(&str, &[&str])]) -> Result<()> {
    let image = lab.image("disk", noise(64, 41))?;
    let machine = lab.machine().disk(Disk::new(&image));
    for (command_line, words) in command_lines {
        let outcome = machine.boot(command_line)?;
        let reason = outcome.expect_refused()?.to_lowercase();
        for word in *words {
            let found = reason.contains(&word.to_lowercase()).then_some(());
            found.with_context(|| {
                format!("{command_line:?} was refused without mentioning {word:?}: {reason:?}")
            })?;
        }
    }
    Ok(image.expect_unchanged()?)
}

fn unknown_job(lab: &Lab) -> Result<()> {
    let jobs = &[
        "demo", "info", "read", "write", "verify", "flush", "ledger", "slices", "lookup", "cached",
        "commits", "bench", "random", "fs", "ls", "cat", "stat", "tree", "churn", "shell",
    ];
    refuse(lab, &[("job=nonsense", jobs), ("job=", jobs), ("job=Demo", jobs)])
}

fn unknown_parameter(lab: &Lab) -> Result<()> {
    refuse(
        lab,
        &[
            ("job=read sector=0 colour=red", &["colour", "sector=", "count=", "disk="]),
            ("job=demo sector=5", &["sector", "disk="]),
            ("job=info virtio.nonsense=1", &["virtio.nonsense"]),
            (
                "job=verify seed=1 count=10 qd=1 depth=2",
                &["depth", "seed=", "count=", "qd=", "span=", "max="],
            ),
        ],
    )
}

fn missing_parameter(lab: &Lab) -> Result<()> {
    refuse(
        lab,
        &[
            ("job=read", &["sector"]),
            ("job=write text=x", &["sector"]),
            ("job=write sector=5", &["text", "hex"]),
            ("job=write sector=5 text=x hex=00", &["text", "hex"]),
            ("job=bench mode=randread bs=512", &["qd"]),
            ("job=random", &["bytes=N"]),
        ],
    )
}

fn number(lab: &Lab) -> Result<()> {
    refuse(
        lab,
        &[
            ("job=read sector=18446744073709551616", &["sector"]),
            ("job=read sector=-1", &["sector"]),
            ("job=read sector=five", &["sector", "five"]),
            ("job=read sector=", &["sector"]),
            ("job=read sector=1 count=0", &["count"]),
            ("job=read sector=1 count=99999999999999999999", &["count"]),
            ("job=verify seed=1 count=10 qd=0", &["qd"]),
            ("job=verify seed=1 count=10 qd=1 max=0", &["max"]),
            ("job=verify seed=1 count=10 qd=1 span=0", &["span"]),
        ],
    )
}

fn hex(lab: &Lab) -> Result<()> {
    refuse(
        lab,
        &[("job=write sector=5 hex=abc", &["hex"]), ("job=write sector=5 hex=0g", &["hex"])],
    )
}

fn option_value(lab: &Lab) -> Result<()> {
    refuse(
        lab,
        &[
            ("job=demo virtio.queue_size=0", &["virtio.queue_size"]),
            ("job=demo virtio.queue_size=1025", &["virtio.queue_size", "1024"]),
            ("job=demo virtio.queue_size=many", &["virtio.queue_size"]),
            ("job=demo virtio.event_idx=maybe", &["virtio.event_idx", "on", "off"]),
            ("job=demo virtio.polling=", &["virtio.polling", "on", "off"]),
            ("job=demo dma.coherent=maybe", &["dma.coherent", "on", "off"]),
            (
                "job=bench mode=randread bs=512 qd=1 complete=never",
                &["complete", "adaptive", "irq", "poll", "hybrid"],
            ),
            ("job=bench mode=randread bs=512 api=other", &["api", "queue", "blocking"]),
            ("job=bench mode=randread bs=512 api=blocking qd=2", &["qd"]),
        ],
    )
}

fn repeated_key(lab: &Lab) -> Result<()> {
    refuse(
        lab,
        &[("job=write sector=1 sector=2 text=x", &["sector"]), ("job=demo job=info", &["job"])],
    )
}

fn unterminated_quote(lab: &Lab) -> Result<()> {
    refuse(lab, &[("job=write sector=5 text=\"two words", &["quot"])])
}

/// Words behind ` -- `, and keys that begin with `ostd.`, are left to others.
fn ignored(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(64, 41))?;
    let machine = lab.machine().disk(Disk::new(&image));
    machine.boot("job=info --")?.expect_ok("info")?;
    machine.boot("job=info -- colour=red job=nonsense")?.expect_ok("info")?;
    machine.boot("job=info ostd.log_level=error")?.expect_ok("info")?;
    machine.boot("  job=info   disk=lab  ")?.expect_ok("info")?;
    Ok(image.expect_unchanged()?)
}
