//! The adaptive way of waiting: a fast disk is looked at until it has answered, a slow one is slept for.
//!
//! The bounds are so wide that a busy host does not matter. On one that stops a virtual machine in between,
//! a fast disk seems slow at times, and a slow one may have answered before anyone sleeps.

use anyhow::{Context, Result, ensure};
use lab::qemu::Disk;

use super::{Case, lab::Lab};
use crate::bench::figures;

pub const CASES: &[Case] = &[
    Case::once("waiting-for-a-fast-disk", fast),
    Case::once("waiting-for-a-disk-of-1-ms", slow::<1_000_000>),
    Case::once("waiting-for-a-disk-of-5-ms", slow::<5_000_000>),
    Case::once("waiting-as-it-was-told", told),
];

const SECTORS: usize = 8192;
/// Requests that are submitted, and the calls that wait by themselves.
const APIS: [&str; 2] = ["bs=4096 qd=1", "bs=512 api=blocking"];
/// The runs in which a fast disk may show that it is one.
const CHANCES: usize = 5;

/// The looks at the disk and the sleeps of each read.
struct Waits {
    looks: f64,
    sleeps: f64,
}

fn run(lab: &Lab, latency_ns: u64, count: u32, parameters: &str) -> Result<Waits> {
    let machine = lab.machine().disk(Disk::slow(SECTORS, latency_ns));
    let outcome = machine.boot(&format!("job=bench mode=randread {parameters} count={count}"))?;
    outcome.expect_ok("bench")?;
    let figures = figures("bench", outcome.console())?;
    let figure = |key: &str| figures[key].as_f64().with_context(|| format!("no figure {key}"));
    Ok(Waits { looks: figure("looks")?, sleeps: figure("sleeps")? })
}

/// No read looks for ever, and hardly any sleeps.
fn fast(lab: &Lab) -> Result<()> {
    for api in APIS {
        let mut least = f64::INFINITY;
        for _ in 0..CHANCES {
            let Waits { looks, sleeps } = run(lab, 0, 1000, api)?;
            ensure!((0.9..200.0).contains(&looks), "{api}: a read looks {looks} times");
            least = least.min(sleeps);
            if least < 0.3 {
                break;
            }
        }
        ensure!(least < 0.3, "{api}: a read from a fast disk sleeps {least} times");
    }
    Ok(())
}

/// A read sleeps once, and takes what the interrupt handler has delivered without a look.
fn slow<const LATENCY_NS: u64>(lab: &Lab) -> Result<()> {
    for api in APIS {
        let Waits { looks, sleeps } = run(lab, LATENCY_NS, 200, api)?;
        ensure!(
            (0.8..1.2).contains(&sleeps),
            "{api}: a read from a slow disk sleeps {sleeps} times"
        );
        ensure!(looks <= 1.0, "{api}: a read from a slow disk looks {looks} times");
    }
    Ok(())
}

/// The figures that the other cases go by are not always the same: whoever polls does not sleep, and whoever
/// sleeps does not poll.
fn told(lab: &Lab) -> Result<()> {
    let poll = run(lab, 1_000_000, 100, "bs=4096 qd=1 complete=poll")?;
    ensure!(poll.sleeps == 0.0, "a read by polling sleeps {} times", poll.sleeps);
    ensure!(poll.looks > 2.0, "a read by polling looks {} times in a millisecond", poll.looks);
    let irq = run(lab, 1_000_000, 100, "bs=4096 qd=1 complete=irq")?;
    ensure!((0.8..1.2).contains(&irq.sleeps), "a read by interrupt sleeps {} times", irq.sleeps);
    ensure!(irq.looks <= 1.0, "a read by interrupt looks {} times", irq.looks);
    Ok(())
}
