use std::slice;

use super::*;

fn wanted() -> Expected {
    Expected { kind: Kind::Out, sector: 7, length: 512, data: vec![1; 512] }
}

fn seen() -> Request {
    let segment = |device_writes, length| Segment { device_writes, length, address: 0 };
    Request {
        head: 0,
        kind: Kind::Out,
        sector: 7,
        segments: vec![segment(false, 16), segment(false, 512), segment(true, 1)],
        data: vec![1; 512],
        status: Some(0),
        others: Vec::new(),
        interrupts: false,
    }
}

fn cause(change: impl FnOnce(&mut Request)) -> Option<&'static str> {
    let mut request = seen();
    change(&mut request);
    let rules = Rules { waits: true, queue_size: 8, pieces: true };
    let recording = Recording { starts: 1, ..Recording::default() };
    compare(&[wanted()], &[&request], &recording, rules).map(|finding| finding.cause)
}

#[test]
fn each_mistake_has_its_own_cause() {
    assert_eq!(cause(|_| {}), None);
    assert_eq!(cause(|request| request.kind = Kind::In), Some("type-in"));
    assert_eq!(cause(|request| request.kind = Kind::Flush), Some("type-wrong"));
    assert_eq!(cause(|request| request.segments[0].device_writes = true), Some("header-direction"));
    assert_eq!(cause(|request| request.segments[1].device_writes = true), Some("data-direction"));
    assert_eq!(
        cause(|request| request.segments[2].device_writes = false),
        Some("response-direction")
    );
    assert_eq!(cause(|request| _ = request.segments.pop()), Some("response-missing"));
    assert_eq!(cause(|request| _ = request.segments.remove(1)), Some("data-missing"));
    assert_eq!(cause(|request| request.segments[1].length = 511), Some("data-length"));
    assert_eq!(cause(|request| request.segments[2].length = 4), Some("response-length"));
    assert_eq!(cause(|request| request.sector = 7 * 512), Some("sector-in-bytes"));
    assert_eq!(cause(|request| request.sector = 8), Some("sector-off-by-one"));
    assert_eq!(cause(|request| request.sector = 0), Some("sector-wrong"));
    assert_eq!(cause(|request| request.data = vec![0; 512]), Some("data-not-copied"));
    assert_eq!(cause(|request| request.data[9] = 0), Some("data-wrong"));
    assert_eq!(cause(|request| request.others.push(0)), Some("returns-early"));
}

#[test]
fn what_is_missing_is_told_from_what_was_not_notified() {
    let rules = Rules { waits: true, queue_size: 8, pieces: true };
    let none = |recording: &Recording| compare(&[wanted()], &[], recording, rules);
    let cause = |recording: Recording| none(&recording).unwrap().cause;
    let started = Recording { starts: 1, ..Recording::default() };
    assert_eq!(cause(Recording::default()), "never-set-up");
    assert_eq!(cause(started.clone()), "no-request");
    assert_eq!(cause(Recording { unseen: 1, ..started }), "not-notified");
}

#[test]
fn a_request_may_come_in_pieces() {
    let piece = |sector, data: u8| {
        let mut piece = seen();
        (piece.sector, piece.data) = (sector, vec![data; 512]);
        piece
    };
    let data = [vec![1; 512], vec![2; 512]].concat();
    let wanted = Expected { length: 1024, data, ..wanted() };
    let cause = |pieces, second: Request| {
        let rules = Rules { waits: true, queue_size: 8, pieces };
        let seen = [&piece(7, 1), &second];
        compare(slice::from_ref(&wanted), &seen, &Recording::default(), rules).map(|f| f.cause)
    };
    assert_eq!(cause(true, piece(8, 2)), None);
    assert_eq!(cause(true, piece(8, 1)), Some("data-wrong"));
    assert_eq!(cause(true, piece(7, 2)), Some("sector-off-by-one"));
    assert_eq!(cause(false, piece(8, 2)), Some("data-length"));
}

#[test]
fn what_is_too_much_is_told() {
    let rules = Rules { waits: true, queue_size: 8, pieces: true };
    let (first, mut other) = (seen(), seen());
    let compare = |requests: &[&Request]| {
        compare(&[wanted()], requests, &Recording::default(), rules).unwrap().cause
    };
    assert_eq!(compare(&[&first, &first]), "twice");
    other.sector = 9;
    assert_eq!(compare(&[&first, &other]), "too-much-written");
}
