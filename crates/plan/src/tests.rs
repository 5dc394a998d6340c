use super::*;

fn sector_of(seed: u64, index: u32, sector: u64) -> [u8; SECTOR_SIZE] {
    let mut data = [0xaa; SECTOR_SIZE];
    fill(seed, index, sector, &mut data);
    data
}

fn plan(seed: u64, count: u32, span: u64, max: u32) -> Plan {
    Plan::new(seed, count, span, max).unwrap()
}

#[test]
fn a_plan_is_a_function_of_its_seed() {
    assert!(plan(7, 500, 2048, 16).eq(plan(7, 500, 2048, 16)));
    assert!(!plan(7, 500, 2048, 16).eq(plan(8, 500, 2048, 16)));
    // A shorter plan is the beginning of the longer one.
    assert!(plan(7, 100, 2048, 16).eq(plan(7, 500, 2048, 16).take(100)));
    let mut begun = plan(7, 500, 2048, 16);
    begun.next();
    assert_eq!(begun.len(), 499);
    assert!(begun.clone().eq(plan(7, 500, 2048, 16).skip(1)));
}

#[test]
fn numbers_drawn_are_the_same_everywhere_and_always() {
    let operations = plan(1, 3, 1000, 8);
    let expected = [
        Operation { index: 0, kind: Kind::Read, sector: 534, sectors: 8 },
        Operation { index: 1, kind: Kind::Write, sector: 9, sectors: 3 },
        Operation { index: 2, kind: Kind::Read, sector: 848, sectors: 7 },
    ];
    assert!(operations.eq(expected));
    let data = sector_of(1, 2, 3);
    assert_eq!(data[..16], *b"\x03\0\0\0\0\0\0\0\x02\0\0\0plan");
    assert_eq!(data[16..24], [0x57, 0x09, 0x86, 0x2b, 0x5b, 0xd5, 0x99, 0xd3]);
}

#[test]
fn operations_stay_within_span_and_length() {
    for (span, max) in [(1, 1), (1, 256), (5, 3), (2048, 256), (u64::MAX, u32::MAX)] {
        for (index, operation) in (0..).zip(plan(3, 2000, span, max)) {
            assert_eq!(operation.index, index);
            match operation.kind {
                Kind::Flush => assert_eq!((operation.sector, operation.sectors), (0, 0)),
                Kind::Read | Kind::Write => {
                    assert!((1..=max).contains(&operation.sectors));
                    assert!(operation.range().end <= span);
                }
            }
        }
    }
}

#[test]
fn every_kind_place_and_length_comes_up() {
    let [mut reads, mut writes, mut flushes] = [0; 3];
    let mut starts = [false; 10];
    let mut ends = [false; 11];
    let mut lengths = [false; 5];
    for operation in plan(11, 10_000, 10, 4) {
        match operation.kind {
            Kind::Read => reads += 1,
            Kind::Write => writes += 1,
            Kind::Flush => {
                flushes += 1;
                continue;
            }
        }
        starts[operation.range().start as usize] = true;
        ends[operation.range().end as usize] = true;
        lengths[operation.sectors as usize] = true;
    }
    assert!((4800..5200).contains(&writes), "{writes}");
    assert!((4300..4700).contains(&reads), "{reads}");
    assert!((400..600).contains(&flushes), "{flushes}");
    assert_eq!(starts, [true; 10]);
    assert_eq!(ends[1..], [true; 10]);
    assert_eq!(lengths[1..], [true; 4]);
}

#[test]
fn a_plan_needs_room() {
    assert_eq!(Plan::new(1, 1, 0, 1).unwrap_err(), PlanError::NoSpan);
    assert_eq!(Plan::new(1, 1, 1, 0).unwrap_err(), PlanError::NoLength);
    assert_eq!(plan(1, 0, 1, 1).next(), None);
}

#[test]
fn conflicts_need_a_common_sector_and_a_write() {
    let operation = |kind, sector, sectors| Operation { index: 0, kind, sector, sectors };
    let conflict = |a: Operation, b: Operation| {
        assert_eq!(a.conflicts_with(&b), b.conflicts_with(&a));
        a.conflicts_with(&b)
    };
    let write = operation(Kind::Write, 10, 5);
    for (sector, sectors, common) in
        [(9, 1, false), (9, 2, true), (14, 1, true), (15, 1, false), (0, 99, true)]
    {
        assert_eq!(conflict(write, operation(Kind::Read, sector, sectors)), common);
        assert_eq!(conflict(write, operation(Kind::Write, sector, sectors)), common);
    }
    assert!(!conflict(operation(Kind::Read, 10, 5), operation(Kind::Read, 10, 5)));
    assert!(!conflict(write, operation(Kind::Flush, 0, 0)));
    assert!(!conflict(operation(Kind::Write, 0, 5), operation(Kind::Flush, 0, 0)));
}

#[test]
fn contents_depend_on_seed_operation_and_sector() {
    let data = sector_of(1, 2, 3);
    assert_eq!(check(1, 2, 3, &data), Ok(()));
    for (seed, index, sector) in [(2, 2, 3), (1, 3, 3), (1, 2, 4), (1, 3, 2)] {
        let other = sector_of(seed, index, sector);
        let alike = (16..SECTOR_SIZE).filter(|at| data[*at] == other[*at]).count();
        assert!(alike < 20, "{alike} bytes of ({seed}, {index}, {sector}) are the same");
        assert!(check(seed, index, sector, &data).is_err());
    }
}

#[test]
fn any_changed_bit_is_found() {
    let mut data = sector_of(9, 8, 7);
    for at in 0..SECTOR_SIZE {
        data[at] ^= 1 << (at % 8);
        let expected =
            if at < 16 { Mismatch::Garbage } else { Mismatch::Damaged { offset: at / 8 * 8 } };
        assert_eq!(check(9, 8, 7, &data), Err(expected), "{at}");
        data[at] ^= 1 << (at % 8);
    }
    assert_eq!(check(9, 8, 7, &data), Ok(()));
}

#[test]
fn a_mismatch_says_what_is_there() {
    let found = |data: &[u8; SECTOR_SIZE]| check(5, 10, 100, data).unwrap_err();
    assert_eq!(found(&[0; SECTOR_SIZE]), Mismatch::Zeros);
    assert_eq!(found(&[0xff; SECTOR_SIZE]), Mismatch::Garbage);
    assert_eq!(found(&sector_of(5, 9, 100)), Mismatch::OtherOperation { index: 9 });
    assert_eq!(found(&sector_of(5, 10, 101)), Mismatch::OtherSector { sector: 101, index: 10 });
    assert_eq!(found(&sector_of(5, 3, 99)), Mismatch::OtherSector { sector: 99, index: 3 });
    assert_eq!(found(&sector_of(6, 9, 100)), Mismatch::Garbage);
    // The first half is of one write, the second of another.
    let mut torn = sector_of(5, 10, 100);
    torn[256..].copy_from_slice(&sector_of(5, 9, 100)[256..]);
    assert_eq!(found(&torn), Mismatch::Damaged { offset: 256 });
    torn[..256].copy_from_slice(&sector_of(5, 9, 100)[..256]);
    torn[256..].copy_from_slice(&sector_of(5, 10, 100)[256..]);
    assert_eq!(found(&torn), Mismatch::Garbage);
}
