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

/// Plays them, on a disk that does not do the flush with this number, and cuts the power everywhere. Returns
/// the number of flushes asked for, and what was found.
fn cut(dropped: Option<u64>) -> (u64, Result<(), String>) {
    let disk = Disk::new(start::fresh(64).unwrap());
    if let Some(number) = dropped {
        disk.drop_flush(number);
    }
    let mut ops = operations().into_iter();
    let session = play(&disk, State::new(), true, &mut |_| ops.next()).unwrap();
    (disk.flushes(), cut_everywhere(&session, 16, 600, 1, &mut Counts::default()))
}

#[test]
fn a_disk_that_flushes_when_it_should_loses_nothing() {
    assert_eq!(cut(None).1, Ok(()));
}

#[test]
fn every_flush_that_is_left_out_is_noticed() {
    let (flushes, _) = cut(None);
    assert!(flushes > 8);
    for number in 0..flushes {
        assert!(cut(Some(number)).1.is_err(), "flush {number} of {flushes} could be left out");
    }
}
