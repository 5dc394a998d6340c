//! Tasks that sleep until a random device interrupts.
//!
//! The other cases act in one task, so that a seed always gives the same steps. Here the device and its
//! users are tasks of their own, and what falls between what depends on the clock: the seed gives
//! the faults and their order only. What is looked for are answers that wake nobody.

use alloc::{sync::Arc, vec, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};

use block::{BlockDevice, Error, SECTOR_SIZE};
use fastrand::Rng;
use ostd::{
    prelude::ktest,
    task::{Task, TaskOptions},
};

use super::{
    super::{
        fake::{Fault, pattern},
        rig::{Mode, Rig},
    },
    Outcome, run,
};
use crate::{features::Features, transport::Version};

/// Tasks that use the disk at once.
const TASKS: u64 = 4;

/// The turns of each of them; a turn is a write, a read and a flush.
const TURNS: u64 = 50;

#[ktest]
fn fuzz_sleepers() {
    run("fuzz_sleepers", 4000..4010, case);
}

fn case(seed: u64) -> Outcome {
    let mut rng = Rng::with_seed(seed);
    let ring = Features::all() - Features::VERSION_1;
    let ring = if rng.bool() { ring } else { Features::empty() };
    let rig = Rig::new(Version::Modern, ring, Mode::Interrupt, 60);
    let faults: Vec<_> = (0..3 * TASKS * TURNS).map(|_| fault(&mut rng)).collect();
    rig.disk.plan_faults(faults);
    let (ended, succeeded) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let wrong = Arc::new(AtomicU64::new(0));
    for task in 0..TASKS {
        let (disk, driver) = (rig.disk.clone(), rig.driver.clone());
        let (ended, succeeded, wrong) = (ended.clone(), succeeded.clone(), wrong.clone());
        let work = move || {
            let mut data = vec![0; SECTOR_SIZE];
            for turn in 0..TURNS {
                let content = pattern(1, (TASKS * turn + task) as u8);
                let results = [
                    driver.write_block(8 * task, &content),
                    driver.read_block(8 * task, &mut data),
                    driver.flush(),
                ];
                // Nobody else writes there. A panic here would end the kernel and not this test.
                let read_wrong = results[1].is_ok() && data != disk.sectors(8 * task as usize, 1);
                let lost = results[..2] == [Ok(()), Ok(())] && data != content;
                let refused = results.contains(&Err(Error::WouldBlock));
                wrong.fetch_add((read_wrong || lost || refused).into(), Ordering::Relaxed);
                let done = results.iter().filter(|result| result.is_ok()).count();
                succeeded.fetch_add(done as u64, Ordering::Relaxed);
            }
            ended.fetch_add(1, Ordering::Relaxed);
        };
        TaskOptions::new(work).spawn().unwrap();
    }
    while ended.load(Ordering::Relaxed) < TASKS {
        Task::yield_now();
    }
    assert_eq!(wrong.load(Ordering::Relaxed), 0);
    // When one of them sleeps, the device answers all. On a fast machine the others have not yet stopped looking.
    let sleeps = rig.driver.statistics().sleeps;
    assert!(sleeps > TASKS * TURNS / 2, "hardly anybody slept: {sleeps}");
    rig.disk.forget_lost();
    rig.disk.transport.assert_notified();
    let restarts = rig.starts() as u64 - 1;
    let died = rig.driver.flush() == Err(Error::Dead);
    let Rig { disk, driver, .. } = rig;
    let weak = (Arc::downgrade(&disk), Arc::downgrade(&driver));
    drop((disk, driver));
    // The tasks, and the device's, give the memory back when they are gone.
    while weak.0.strong_count() + weak.1.strong_count() > 0 {
        Task::yield_now();
    }
    (0..8).for_each(|_| Task::yield_now());
    let requests = 3 * TASKS * TURNS;
    Outcome {
        steps: requests,
        requests,
        succeeded: succeeded.load(Ordering::Relaxed),
        restarts,
        died,
        leaked_pages: 0,
    }
}

fn fault(rng: &mut Rng) -> Option<Fault> {
    match rng.u32(0..100) {
        0..4 => Some(Fault::Status(rng.u8(..))),
        4..6 => Some(Fault::NoStatus),
        6..9 => Some(Fault::Written(rng.u32(0..1000))),
        9..12 => Some(Fault::Id(rng.u32(0..40))),
        12 => Some(Fault::Lose),
        _ => None,
    }
}
