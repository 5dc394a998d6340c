//! Some operations on a disk that writes down everything, and the tree after each of them.

use crate::{
    disk::{Disk, Image, Log},
    model::{Answer, Body, Expected, Op, Refusal, State},
    reader,
    run::Mounted,
};

/// An operation that was done.
#[derive(Clone, Debug)]
pub struct Step {
    /// The operation.
    pub op: Op,
    /// The file system's answer.
    pub answer: Answer,
    /// The number of events in the log before it ...
    pub start: usize,
    /// ... and after it.
    pub end: usize,
}

/// The outcome of some operations.
#[derive(Debug)]
pub struct Session {
    /// All that the disk was told.
    pub log: Log,
    /// The operations.
    pub steps: Vec<Step>,
    /// The tree before all, and after each of them.
    pub states: Vec<State>,
    /// The content of the disk after all.
    pub image: Image,
}

/// Does the operations that `next` gives, until it gives none, and compares each answer with that of the model.
/// `clean` says that nothing at all may be wrong on the disk after a sync.
///
/// # Errors
///
/// Words on the first difference, after the steps that led to it.
pub fn play(
    disk: &Disk,
    start: State,
    clean: bool,
    next: &mut dyn FnMut(&State) -> Option<Op>,
) -> Result<Session, (Vec<Op>, String)> {
    let image = disk.record();
    let mut done = Vec::new();
    let fail = |done: &[Step], what: String| {
        (done.iter().map(|step: &Step| step.op.clone()).collect::<Vec<_>>(), what)
    };
    let mut mounted = match Mounted::mount(disk) {
        Ok(mounted) => mounted,
        Err(error) => return Err(fail(&done, format!("cannot mount: {error}"))),
    };
    let mut states = vec![start];
    while let Some(op) = states.last().and_then(&mut *next) {
        let start = disk.position();
        let available = available(&mounted);
        let answer = mounted.run(&op);
        let end = disk.position();
        let mut state = states.last().cloned().unwrap_or_else(State::new);
        let expected = state.apply(&op, &answer);
        let full = answer == Err(Refusal::NoSpace) && available > room_for(&op, &states);
        let is_sync = matches!(op, Op::Sync | Op::Remount | Op::Fsync(_)) && answer.is_ok();
        done.push(Step { op, answer: answer.clone(), start, end });
        if let Some(what) = difference(&expected, &answer) {
            return Err(fail(&done, what));
        }
        if full {
            return Err(fail(&done, format!("no space, with {available} blocks available")));
        }
        if let Some(stray) = disk.stray() {
            return Err(fail(&done, stray));
        }
        if is_sync {
            settled(&disk.image(), &state, clean).map_err(|what| fail(&done, what))?;
        }
        states.push(state);
    }
    let log = Log::new(image, disk.events());
    Ok(Session { log, steps: done, states, image: disk.image() })
}

/// Checks the disk after a sync: it must be without problems, except for the space of what is only held open.
fn settled(image: &Image, state: &State, clean: bool) -> Result<(), String> {
    let reading = reader::read(image);
    let open = state.nodes.values().any(|node| node.links == 0);
    let wrong = reading.problems.iter().find(|problem| match problem {
        reader::Problem::Leaked(_) | reader::Problem::HighCount { .. } => clean && !open,
        problem => clean || problem.is_broken(),
    });
    match wrong {
        Some(problem) => Err(format!("after a sync: {problem}")),
        None => Ok(()),
    }
}

/// Words on an answer that is not as expected.
pub fn difference(expected: &Expected, answer: &Answer) -> Option<String> {
    let same = match (expected, answer) {
        (Ok(expected), Ok(answer)) => expected == answer,
        (Err(reasons), Err(refusal)) => reasons.contains(refusal),
        _ => false,
    };
    let short = |text: String| text.chars().take(300).collect::<String>();
    (!same).then(|| {
        format!(
            "answer {}, expected {}",
            short(format!("{answer:?}")),
            short(format!("{expected:?}"))
        )
    })
}

/// The blocks that are free and not kept for copies.
fn available(mounted: &Mounted) -> u32 {
    mounted.files().map_or(0, |files| files.statfs().available)
}

/// The blocks that an operation may need at most, with all that it has to copy.
fn room_for(op: &Op, states: &[State]) -> u32 {
    let size = |path| {
        let state = states.last()?;
        match &state.node(state.find(path).ok()?)?.body {
            Body::File(content) => Some(content.len() as u64),
            _ => None,
        }
    };
    let grown = match op {
        Op::Write(path, offset, count, _) => {
            (offset + *count as u64).saturating_sub(size(path).unwrap_or(0))
        }
        Op::Truncate(path, new) => new.saturating_sub(size(path).unwrap_or(0)),
        _ => 0,
    };
    8 + (grown / 4000) as u32
}
