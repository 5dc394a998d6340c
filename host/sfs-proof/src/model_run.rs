//! Random operations against the model, with the disk mounted anew now and then.

use fastrand::Rng;

use crate::{
    aftermath::{look, use_it, words},
    counts::Counts,
    disk::Disk,
    judge::judge,
    model::{Chooser, Op, State, Taste},
    session::play,
    shrink::shrink,
    start,
};

/// Operations of a case.
pub const OPERATIONS: u64 = 1000;

/// One file system and its operations.
///
/// # Errors
///
/// Words on the first difference, with the shortest sequence that was found for it.
pub fn case(seed: u64) -> Result<Counts, String> {
    let mut rng = Rng::with_seed(seed);
    let blocks = rng.choice([32, 64, 300, 2000]).unwrap_or(64);
    let taste = Taste {
        size: rng.choice([2000, 30_000, 200_000]).unwrap_or(2000),
        entries: rng.choice([6, 20, 60]).unwrap_or(20),
        sync: rng.u8(..12),
        look: true,
        edge: match (blocks, rng.u8(..12)) {
            (2000, 0) => Some(1036),
            (2000, 1) => Some(12),
            _ => None,
        },
    };
    let mut left = OPERATIONS;
    let mut chooser = Chooser::new(&mut rng, taste);
    let result = attempt(blocks, &mut |state| {
        left = left.checked_sub(1)?;
        Some(chooser.choose(state))
    });
    let (ops, what) = match result {
        Ok(counts) => return Ok(counts),
        Err(failure) => failure,
    };
    let (ops, what) = shrink(ops, what, |fewer| {
        let mut fewer = fewer.iter().cloned();
        attempt(blocks, &mut |_| fewer.next()).err().map(|(_, what)| what)
    });
    Err(format!("{blocks} blocks: {}\n  {what}", words(&ops)))
}

fn attempt(
    blocks: u32,
    next: &mut dyn FnMut(&State) -> Option<Op>,
) -> Result<Counts, (Vec<Op>, String)> {
    let mut synced = false;
    let mut then_sync = |state: &State| match next(state) {
        Some(op) => Some(op),
        None if synced => None,
        None => {
            synced = true;
            Some(Op::Remount)
        }
    };
    let image = start::fresh(blocks).map_err(|what| (Vec::new(), what))?;
    let session = play(&Disk::new(image), State::new(), true, &mut then_sync)?;
    let mut counts = Counts::default();
    counts.add_many("operations", session.steps.len() as u64 - 1);
    let refused = session.steps.iter().filter(|step| step.answer.is_err()).count();
    counts.add_many("of them refused", refused as u64);
    let remounts = session.steps.iter().filter(|step| matches!(step.op, Op::Remount)).count();
    counts.add_many("remounts", remounts as u64);
    counts.add("file systems");
    let last = session.states.last().map(std::slice::from_ref).unwrap_or_default();
    let result = look(&session.image, &mut Counts::default()).and_then(|reading| {
        judge(last, &reading, &session.image)?;
        use_it(&session.image, &reading)
    });
    match result {
        Ok(()) => Ok(counts),
        Err(what) => Err((session.steps.into_iter().map(|step| step.op).collect(), what)),
    }
}
