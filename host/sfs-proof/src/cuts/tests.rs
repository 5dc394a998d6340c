use super::*;
use crate::model::Path;

/// Creates, writes, moves and removes in two directories, with a sync after each two of them, so that all phases of
/// a commit have work.
fn operations() -> Vec<Op> {
    let [a, b, x] = ["a", "d/b", "d/x"].map(Path::new);
    vec![
        Op::Create(a.clone()),
        Op::Write(a.clone(), 0, 5000, 1),
        Op::Sync,
        Op::Mkdir(Path::new("d")),
        Op::Create(x.clone()),
        Op::Sync,
        Op::Rename(a.clone(), b.clone()),
        Op::Sync,
        Op::Unlink(x.clone()),
        Op::Write(b.clone(), 4000, 3000, 2),
        Op::Sync,
        Op::Create(a.clone()),
        Op::Write(a.clone(), 0, 9000, 3),
        Op::Fsync(a.clone()),
        Op::Link(b, Path::new("e")),
        Op::Unlink(a),
        Op::Sync,
        Op::Create(x.clone()),
        Op::Write(x, 0, 9000, 4),
        Op::Sync,
    ]
}

/// Plays them, on a disk that does not do the flush with this number.
fn session(dropped: Option<u64>) -> Session {
    let disk = Disk::new(start::fresh(64).unwrap());
    if let Some(number) = dropped {
        disk.drop_flush(number);
    }
    let mut ops = operations().into_iter();
    play(&disk, State::new(), true, &mut |_| ops.next()).unwrap()
}

fn cut(session: &Session) -> Result<(), String> {
    cut_everywhere(session, 16, 600, 1, &mut Counts::default())
}

#[test]
fn a_disk_that_flushes_when_it_should_loses_nothing() {
    assert_eq!(cut(&session(None)), Ok(()));
}

#[test]
fn every_flush_that_is_left_out_is_noticed() {
    let all = session(None);
    let mut left_out = Vec::new();
    for step in all.steps.iter().filter(|step| step.syncs()) {
        let flushes = all.log.before_flushes().into_iter().zip(0..);
        let mut flushes: Vec<u64> = flushes
            .filter(|(position, _)| (step.start..step.end).contains(position))
            .map(|(_, number)| number)
            .collect();
        // A sync has one flush more than an fsync, for what only frees something.
        if matches!(step.op, Op::Sync) {
            flushes.pop();
        }
        assert_ne!(flushes, [0; 0]);
        left_out.extend(flushes);
    }
    assert!(left_out.len() > 10);
    for number in left_out {
        assert!(cut(&session(Some(number))).is_err(), "flush {number} could be left out");
    }
}
