//! Several CPUs, several tasks and several request queues at once.

use anyhow::{Context, Result, ensure};
use lab::{
    console::counts,
    image::{SECTOR, noise},
    qemu::Disk,
    replay::Shadow,
};
use plan::{Kind, Operation, Plan};

use super::{Case, lab::Lab};

pub const CASES: &[Case] = &[
    Case::both("smp-2-cpus-1-queue", verify::<2, 1>),
    Case::both("smp-2-cpus-2-queues", verify::<2, 2>),
    Case::once_anywhere("smp-4-cpus-4-queues", verify::<4, 4>),
    Case::once("smp-1-cpu-2-queues", verify::<1, 2>),
    Case::anywhere("smp-4-cpus-depth-1", on_4_cpus::<1>),
    Case::anywhere("smp-4-cpus-depth-32", on_4_cpus::<32>),
    Case::once("smp-more-tasks-than-room", crowded),
    Case::anywhere("smp-no-wake-up-is-lost", sleepers),
    Case::once("smp-60-boots", boots),
];

const SECTORS: u64 = 8192;
const SEED: u64 = 31;
const COUNT: u32 = 400;
const MAX: u32 = 16;

fn verify<const CPUS: usize, const QUEUES: usize>(lab: &Lab) -> Result<()> {
    run(lab, CPUS, QUEUES, 8, 8, "")
}

/// A task on each CPU. With one CPU, `verify` has the same depths.
fn on_4_cpus<const DEPTH: u32>(lab: &Lab) -> Result<()> {
    run(lab, 4, 4, 4, DEPTH, "")
}

/// Tasks on all CPUs wait for room most of the time.
fn crowded(lab: &Lab) -> Result<()> {
    run(lab, 2, 2, 16, 8, "virtio.queue_size=4")?;
    run(lab, 2, 1, 16, 8, "virtio.queue_size=4 virtio.indirect_desc=off virtio.event_idx=off")
}

/// Verifies in so many tasks, each with so many requests in flight, and then looks at every task's share of the disk.
fn run(lab: &Lab, cpus: usize, queues: usize, tasks: u64, depth: u32, options: &str) -> Result<()> {
    let image = lab.image("disk", noise(SECTORS as usize, SEED))?;
    let disk = Disk::new(&image).property(format!("num-queues={queues}"));
    let machine = lab.machine().cpus(cpus).disk(disk).limit_seconds(120);
    let outcome = machine.boot(&format!(
        "job=verify seed={SEED} count={COUNT} qd={depth} span={SECTORS} max={MAX} tasks={tasks} {options}"
    ))?;
    let counts = counts(outcome.expect_ok("verify")?);
    let total: u64 = ["writes", "reads", "flushes"].iter().filter_map(|key| counts.get(*key)).sum();
    ensure!(total == u64::from(COUNT) * tasks, "{total} operations instead of {COUNT} a task");
    let in_use = cpus.min(queues);
    if in_use > 1 {
        outcome.expect_disk(0, &[format!("{in_use} queues").as_str()])?;
    }

    let contents = image.contents()?;
    let share = SECTORS / tasks;
    for task in 0..tasks {
        let (seed, first) = (SEED + task, task * share);
        let mut shadow = Shadow::of_part(seed, first, share as usize);
        let writes = Plan::new(seed, COUNT, share, MAX)?.filter(|op| op.kind == Kind::Write);
        let mut count = 0;
        for write in writes {
            shadow.certain(&Operation { sector: first + write.sector, ..write })?;
            count += 1;
        }
        ensure!(count > 0, "task {task} writes nothing");
        let part = first as usize * SECTOR..(first + share) as usize * SECTOR;
        let found = contents.get(part.clone()).context("the image is too short")?;
        let findings = shadow.look(&image.before()[part], found)?;
        findings.expect_good().with_context(|| format!("task {task}"))?;
    }
    Ok(())
}

/// Four tasks on two CPUs sleep for each of their requests; were one wake-up lost, this would hang.
fn sleepers(lab: &Lab) -> Result<()> {
    for _ in 0..3 {
        let machine = lab.machine().cpus(2).disk(Disk::forgetful(SECTORS as usize));
        let outcome =
            machine.boot("job=bench mode=randread bs=4096 qd=1 count=2000 tasks=4 complete=irq")?;
        outcome.expect_ok("bench")?;
        outcome.expect_words(&["\"ios\":8000"])?;
    }
    Ok(())
}

/// OSTD loses inter-processor interrupts that come close together, as they do when one slot after the other
/// is mapped. Without what `io_memory.rs` does about it, one of these boots in twenty hung.
fn boots(lab: &Lab) -> Result<()> {
    for _ in 0..60 {
        let machine = lab.machine().cpus(2).disk(Disk::forgetful(SECTORS as usize));
        machine.boot("job=info")?.expect_ok("info")?;
    }
    Ok(())
}
