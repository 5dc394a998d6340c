//! The trees are built here, by `vm-fdt`: what a property holds is as free as in a blob from outside.

use alloc::{format, string::ToString, vec};

use self::tree::*;
use super::*;

mod interrupts;
mod pci;
mod serial;
mod tree;

#[test]
fn a_tree_like_that_of_qemu() {
    let slots = (1..=8).rev().map(|slot: u32| {
        let start = 0x1000_0000 + slot * 0x1000;
        node(&format!("virtio_mmio@{start:x}"))
            .bytes("compatible", b"test,wanted\0")
            .cells("interrupts", &[slot])
            .cells("interrupt-parent", &[PLIC_PHANDLE])
            .cells("reg", &[0, start, 0, 0x200])
    });
    let soc = node("soc")
        .cells("#address-cells", &[2])
        .cells("#size-cells", &[2])
        .bytes("ranges", &[])
        .children([node("serial@10000000").cells("reg", &[0, 0x1000_0000, 0, 0x100])])
        .children(slots);
    let found = root([node("chosen"), soc]).list();
    assert_eq!(found.len(), 8);
    for (slot, device) in (1..=8).rev().zip(found) {
        let start = 0x1000_0000 + slot as usize * 0x1000;
        assert_eq!(
            device,
            Ok(DeviceNode {
                name: format!("virtio_mmio@{start:x}"),
                compatible: vec!["test,wanted".to_owned()],
                range: start..start + 0x200,
                interrupt: Ok(Interrupt { parent: PLIC_PHANDLE, number: slot }),
            })
        );
    }
}

#[test]
fn a_node_is_compatible_by_a_whole_name_only() {
    for names in [&b"test,wanted2\0"[..], b"xtest,wanted\0", b"test", b"\xff\0", b""] {
        let other = node("other").bytes("compatible", names).cells("reg", &[0, 0, 0, 1]);
        assert_eq!(root([other]).list(), []);
    }
}

#[test]
fn unavailable_nodes_are_left_out() {
    for (status, available) in [
        (&b"okay\0"[..], true),
        (b"ok\0", true),
        (b"disabled\0", false),
        (b"fail-sss\0", false),
        (b"\xff", false),
        (b"", false),
    ] {
        let found = root([sound().bytes("status", status)]).list();
        assert_eq!(found.len(), usize::from(available), "{status:?}");
        // What stands on an unavailable bus is unavailable too.
        let bus = node("bus").bytes("status", status).bytes("ranges", &[]);
        assert_eq!(root([bus.children([sound()])]).list().len(), usize::from(available));
    }
}

#[test]
fn addresses_and_sizes_have_one_or_two_cells() {
    let bus = |address_cells: u32, size_cells: u32, reg: &[u32]| {
        let bus = node("bus")
            .bytes("ranges", &[])
            .cells("#address-cells", &[address_cells])
            .cells("#size-cells", &[size_cells])
            .children([wanted().cells("reg", reg)]);
        root([bus])
    };
    assert_eq!(bus(1, 1, &[0x1000, 0x10]).only().range, 0x1000..0x1010);
    assert_eq!(bus(2, 1, &[1, 0x1000, 0x10]).only().range, 0x1_0000_1000..0x1_0000_1010);
    assert_eq!(bus(1, 2, &[0x1000, 0, 0x10]).only().range, 0x1000..0x1010);
    // The first entry is the one that counts.
    assert_eq!(bus(1, 1, &[0x1000, 0x10, 0, 0]).only().range, 0x1000..0x1010);
    for (address_cells, size_cells) in [(0, 1), (3, 2), (1, 0), (2, 3), (u32::MAX, 1)] {
        assert_eq!(bus(address_cells, size_cells, &[0; 6]).fault(), NodeFault::BadCells);
    }
}

#[test]
fn cells_have_defaults_and_are_not_inherited() {
    let bus =
        node("bus").bytes("ranges", &[]).children([wanted().cells("reg", &[0, 0x1000, 0x10])]);
    assert_eq!(root([bus.clone()]).only().range, 0x1000..0x1010);
    for name in ["#address-cells", "#size-cells"] {
        assert_eq!(root([bus.clone().bytes(name, &[0, 0, 1])]).fault(), NodeFault::BadCells);
        assert_eq!(root([bus.clone().bytes(name, &[])]).fault(), NodeFault::BadCells);
    }
}

#[test]
fn reg_must_hold_whole_entries() {
    assert_eq!(root([wanted()]).fault(), NodeFault::NoReg);
    let whole = [0u8; 32];
    for length in (0..32).filter(|length| *length != 16) {
        let short = wanted().bytes("reg", &whole[..length]);
        assert_eq!(root([short]).fault(), NodeFault::ShortReg, "{length}");
    }
}

#[test]
fn ranges_are_bounded() {
    let range = |reg: [u32; 4]| root([wanted().cells("reg", &reg)]);
    assert_eq!(range([0, 0x1000, 0, 0]).fault(), NodeFault::Empty);
    assert_eq!(range([0, 0, 0, 16 << 20]).only().range, 0..16 << 20);
    assert_eq!(
        range([0, 0, 0, (16 << 20) + 1]).fault(),
        NodeFault::TooLarge { size: (16 << 20) + 1, max: MAX_RANGE }
    );
    // The last byte of the address space, and the first beyond it.
    assert_eq!(range([0xff_ffff, 0xffff_ffff, 0, 1]).only().range.end, 1 << 56);
    assert_eq!(range([0xff_ffff, 0xffff_ffff, 0, 2]).fault(), NodeFault::OutOfAddresses);
    assert_eq!(range([0x8000_0000, 0, 0, 1]).fault(), NodeFault::OutOfAddresses);
    assert_eq!(range([u32::MAX, u32::MAX, 0, 1]).fault(), NodeFault::OutOfAddresses);
    assert_eq!(range([0, 1, u32::MAX, u32::MAX]).fault(), NodeFault::OutOfAddresses);
}

#[test]
fn of_overlapping_nodes_the_first_is_kept() {
    let at = |start: u32, size: u32| wanted().cells("reg", &[0, start, 0, size]);
    let [ok, bad] = [true, false];
    for (start, size, is_ok) in [
        (0x1000, 0x1000, bad),
        (0x0fff, 2, bad),
        (0x1fff, 1, bad),
        (0x1400, 0x10, bad),
        (0x0800, 0x4000, bad),
        (0x0800, 0x800, ok),
        (0x2000, 0x10, ok),
    ] {
        // A third one far off must not hide the one that is hit.
        let found = root([at(0x1000, 0x1000), at(0x9000, 0x10), at(start, size)]).list();
        let overlaps = NodeFault::Overlaps { earlier: 0x1000..0x2000 };
        match &found[2] {
            Ok(_) => assert!(is_ok, "{start:#x}"),
            Err(error) => assert!(!is_ok && error.fault == overlaps, "{start:#x}: {error}"),
        }
        assert!(found[0].is_ok() && found[1].is_ok());
    }
}

#[test]
fn a_broken_node_leaves_the_others_alone() {
    let found = root([wanted(), sound(), wanted().bytes("reg", &[1])]).list();
    assert!(found[0].is_err() && found[1].is_ok() && found[2].is_err());
    assert_eq!(
        found[0].as_ref().unwrap_err().to_string(),
        "device tree node wanted@1000: no reg property"
    );
}

#[test]
fn only_buses_that_keep_addresses_are_crossed() {
    let bus = |name: &str| node(name).cells("#size-cells", &[2]);
    let direct = |child| bus("direct").bytes("ranges", &[]).children([child]);
    let mapped = |child| bus("mapped").cells("ranges", &[0, 0, 1, 0, 0, 1]).children([child]);
    let closed = |child| bus("closed").children([child]);
    assert_eq!(root([direct(direct(sound()))]).only().range, 0x1000..0x2000);
    assert_eq!(root([mapped(sound())]).fault(), NodeFault::Mapped);
    assert_eq!(root([mapped(direct(sound()))]).fault(), NodeFault::Mapped);
    assert_eq!(root([direct(closed(sound()))]).fault(), NodeFault::Unreachable);
    assert_eq!(root([closed(direct(sound()))]).fault(), NodeFault::Unreachable);
}

#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| {
        let innermost = vec![sound()];
        let tree = (1..levels).fold(innermost, |inner, _| {
            vec![node("bus").cells("#size-cells", &[2]).bytes("ranges", &[]).children(inner)]
        });
        root(tree)
    };
    assert_eq!(nested(MAX_DEPTH).only().range, 0x1000..0x2000);
    assert_eq!(nested(MAX_DEPTH + 1).fault(), NodeFault::TooDeep);
    assert_eq!(nested(60).fault(), NodeFault::TooDeep);
}

#[test]
fn thousands_of_nodes() {
    let nodes = (0..3000).map(|index: u32| {
        sound().cells("interrupts-extended", &[PLIC_PHANDLE, 1 + index % (PIN_END - 1)])
    });
    let mut tree = root(nodes);
    for (index, node) in (0u32..).zip(&mut tree.children[1..]) {
        node.properties[1].1 =
            [0, index << 12, 0, 0x1000].iter().flat_map(|cell: &u32| cell.to_be_bytes()).collect();
    }
    let found = tree.list();
    assert_eq!(found.len(), 3000);
    for (index, device) in found.iter().enumerate() {
        let device = device.as_ref().unwrap();
        assert_eq!(device.range.start, index << 12);
        assert!(device.interrupt.is_ok());
    }
}

#[test]
fn boot_arguments_are_bytes() {
    let arguments = |tree: Node| {
        let blob = tree.blob();
        boot_arguments(&Fdt::new(&blob).unwrap()).map(<[u8]>::to_vec)
    };
    assert_eq!(arguments(root([])), None);
    assert_eq!(arguments(root([node("chosen")])), None);
    let chosen = node("chosen").bytes("bootargs", b"job=\xff\0");
    assert_eq!(arguments(root([chosen])), Some(b"job=\xff\0".to_vec()));
}

#[test]
fn compatible_names_are_listed_in_their_order() {
    let names = |names: &[u8]| {
        let device = node("device").bytes("compatible", names).cells("reg", &[0, 0x1000, 0, 1]);
        root([device]).only().compatible
    };
    assert_eq!(names(b"test,wanted\0"), ["test,wanted"]);
    assert_eq!(names(b"first,name\0test,wanted\0\0last"), ["first,name", "test,wanted", "last"]);
    assert_eq!(names(b"\xff\0test,wanted"), ["\u{fffd}", "test,wanted"]);
}

#[test]
fn the_structure_block_is_where_the_header_says() {
    let blob = root([sound()]).blob();
    assert_eq!(blob[..4], MAGIC.to_be_bytes());
    let structure = u32::from_be_bytes(blob[8..12].try_into().unwrap());
    let expected = blob.as_ptr().addr() + structure as usize;
    assert_eq!(structure_address(&Fdt::new(&blob).unwrap()), Some(expected));

    let named = node("other").cells("#size-cells", &[2]).blob();
    assert_eq!(structure_address(&Fdt::new(&named).unwrap()), None);
    assert_eq!(structure_address(&Fdt::new(&node("").blob()).unwrap()), None);
    // No structure block at all.
    let mut empty = [0u8; 40];
    empty[..4].copy_from_slice(&MAGIC.to_be_bytes());
    empty[7] = 40;
    assert_eq!(structure_address(&Fdt::new(&empty).unwrap()), None);
}
