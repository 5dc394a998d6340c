use alloc::vec;

use super::*;

/// The host bridge of QEMU's `virt` machine.
fn host() -> Node {
    let pins = (0..16u32).flat_map(|place| {
        let (device, pin) = (place / 4, place % 4 + 1);
        [device << 11, 0, 0, pin, PLIC_PHANDLE, 32 + (device + pin - 1) % 4]
    });
    node("pci@30000000")
        .bytes("compatible", b"pci-host-ecam-generic\0")
        .cells("#address-cells", &[3])
        .cells("#size-cells", &[2])
        .cells("#interrupt-cells", &[1])
        .cells("bus-range", &[0, 0xff])
        .cells("reg", &[0, 0x3000_0000, 0, 0x1000_0000])
        .cells("ranges", &RANGES)
        .cells("interrupt-map-mask", &[0x1800, 0, 0, 7])
        .cells("interrupt-map", &pins.collect::<Vec<_>>())
}

const RANGES: [u32; 21] = [
    0x0100_0000,
    0,
    0,
    0,
    0x300_0000,
    0,
    0x1_0000, //
    0x0200_0000,
    0,
    0x4000_0000,
    0,
    0x4000_0000,
    0,
    0x4000_0000, //
    0x4300_0000,
    4,
    0,
    5,
    0,
    4,
    0,
];

/// The host bridge with another value for a property.
fn with(name: &'static str, cells: &[u32]) -> Node {
    without(name).cells(name, cells)
}

fn without(name: &'static str) -> Node {
    let mut host = host();
    host.properties.retain(|(found, _)| *found != name);
    host
}

fn only(host: Node) -> Result<PciHost, NodeFault> {
    let blob = root([host]).blob();
    let found = pci_hosts(&Fdt::new(&blob).unwrap());
    let [found] = &found[..] else { panic!("{found:?}") };
    found.clone().map_err(|error| error.fault)
}

#[test]
fn a_host_bridge_like_that_of_qemu() {
    let host = only(host()).unwrap();
    assert_eq!((host.name.as_str(), host.config), ("pci@30000000", 0x3000_0000));
    assert_eq!(host.buses, 0..=255);
    let window =
        |space, prefetchable, bus, cpu, size| PciWindow { space, prefetchable, bus, cpu, size };
    assert_eq!(
        host.windows,
        [
            window(PciSpace::Io, false, 0, 0x300_0000, 0x1_0000),
            window(PciSpace::Memory32, false, 0x4000_0000, 0x4000_0000, 0x4000_0000),
            window(PciSpace::Memory64, true, 4 << 32, 5 << 32, 4 << 32),
        ]
    );
    let map = host.interrupts.unwrap();
    for device in 0..32u16 {
        for pin in 1..=4u8 {
            let number = 32 + (u32::from(device) + u32::from(pin) - 1) % 4;
            let expected = Ok(Interrupt { parent: PLIC_PHANDLE, number });
            // The mask leaves out the function, and the upper bits of the device.
            assert_eq!(map.interrupt(device << 3, pin), expected);
            assert_eq!(map.interrupt(device << 3 | 5, pin), expected);
        }
    }
    for pin in [0, 5, 7] {
        assert_eq!(map.interrupt(0, pin), Err(InterruptError::NotDescribed));
    }
    assert_eq!(pci_hosts(&Fdt::new(&root([sound()]).blob()).unwrap()), []);
}

#[test]
fn buses_are_those_that_there_is_room_for() {
    let buses = |range: &[u32], bytes: u32| {
        let mut host = with("bus-range", range);
        host.properties.retain(|(name, _)| *name != "reg");
        only(host.cells("reg", &[0, 0x3000_0000, 0, bytes])).map(|host| host.buses)
    };
    const MIB: u32 = 1 << 20;
    assert_eq!(buses(&[0, 0xff], 256 * MIB), Ok(0..=255));
    assert_eq!(buses(&[0, 3], 256 * MIB), Ok(0..=3));
    assert_eq!(buses(&[0, 0xff], MIB), Ok(0..=0));
    assert_eq!(buses(&[0x10, 0x20], 2 * MIB + MIB / 2), Ok(0x10..=0x11));
    assert_eq!(buses(&[0xff, 0xff], 256 * MIB), Ok(255..=255));
    let (large, most) = ((256 << 20) + 1, 256 << 20);
    assert_eq!(buses(&[0, 1], 256 * MIB + 1), Err(NodeFault::TooLarge { size: large, max: most }));
    for bad in [&[][..], &[0], &[0, 1, 2], &[3, 2], &[0x100, 0x101], &[u32::MAX, u32::MAX]] {
        assert_eq!(buses(bad, 256 * MIB), Err(NodeFault::BadBusRange), "{bad:?}");
    }
    for bytes in [1, MIB - 1] {
        assert_eq!(buses(&[0, 0xff], bytes), Err(NodeFault::BadBusRange));
    }
    assert_eq!(only(without("bus-range")).unwrap().buses, 0..=255);
    assert_eq!(only(without("reg")), Err(NodeFault::NoReg));
}

#[test]
fn windows_are_whole_and_have_an_end() {
    let windows = |cells: &[u32]| only(with("ranges", cells)).map(|host| host.windows.len());
    assert_eq!(only(without("ranges")).map(|host| host.windows), Ok(vec![]));
    for length in 0..RANGES.len() {
        let expected = match length % 7 {
            0 => Ok(length / 7),
            _ => Err(NodeFault::ShortRanges),
        };
        assert_eq!(windows(&RANGES[..length]), expected);
    }
    // Configuration space is no window.
    assert_eq!(windows(&[0, 0, 0, 0, 0x1000, 0, 0x1000]), Ok(0));
    let window = |bus: [u32; 2], cpu: [u32; 2], size: [u32; 2]| {
        windows(&[0x0300_0000, bus[0], bus[1], cpu[0], cpu[1], size[0], size[1]])
    };
    let bad = |bus| Err(NodeFault::BadWindow { bus });
    assert_eq!(window([0, 0], [0, 0x1000], [0, 0]), bad(0));
    assert_eq!(window([0, 7], [0xff_ffff, 0xffff_f000], [0, 0x1000]), Ok(1));
    assert_eq!(window([0, 7], [0xff_ffff, 0xffff_f000], [0, 0x1001]), bad(7));
    assert_eq!(window([0, 7], [u32::MAX, u32::MAX], [0, 1]), bad(7));
    assert_eq!(window([u32::MAX, u32::MAX], [0, 0], [0, 1]), bad(u64::MAX));
    assert_eq!(window([1, 2], [0, 1], [u32::MAX, u32::MAX]), bad(1 << 32 | 2));
}

#[test]
fn cells_are_those_of_pci() {
    for (name, cells) in [("#address-cells", 2), ("#size-cells", 1), ("#size-cells", 3)] {
        assert_eq!(only(with(name, &[cells])), Err(NodeFault::NotPciCells));
    }
    assert_eq!(only(without("#address-cells")), Err(NodeFault::NotPciCells));
    let nested = |host: Node| root([node("bus").bytes("ranges", &[]).children([host])]);
    let found = pci_hosts(&Fdt::new(&nested(host()).blob()).unwrap());
    // One cell for sizes above it, so that `reg` is of another length.
    assert!(matches!(&found[..], [Err(error)] if error.fault == NodeFault::ShortReg), "{found:?}");
}

#[test]
fn an_interrupt_map_is_read_entry_by_entry() {
    let map = |host: Node| only(host).unwrap().interrupts;
    let entry = |pin: u32, number: u32| [0, 0, 0, pin, PLIC_PHANDLE, number];
    let malformed = |property| Err(InterruptError::Malformed { property });

    let two = map(with("interrupt-map", &[entry(1, 200), entry(2, 7)].concat())).unwrap();
    assert_eq!(two.interrupt(0, 1), Err(InterruptError::NoSuchPin { number: 200, end: PIN_END }));
    assert_eq!(two.interrupt(0, 2), Ok(Interrupt { parent: PLIC_PHANDLE, number: 7 }));
    assert_eq!(two.interrupt(1 << 3, 2), Err(InterruptError::NotDescribed));

    // Of two for one pin the first counts.
    let twice = map(with("interrupt-map", &[entry(1, 5), entry(1, 6)].concat())).unwrap();
    assert_eq!(twice.interrupt(0, 1), Ok(Interrupt { parent: PLIC_PHANDLE, number: 5 }));

    for length in 1..6 {
        assert_eq!(map(with("interrupt-map", &entry(1, 5)[..length])), malformed("interrupt-map"));
    }
    assert_eq!(
        map(with("interrupt-map", &[0, 0, 0, 1, 9, 5])),
        Err(InterruptError::NotAPlic { parent: 9 })
    );
    assert_eq!(map(without("interrupt-map")), Err(InterruptError::NotDescribed));
    assert_eq!(
        map(with("interrupt-map", &[])).unwrap().interrupt(0, 1),
        Err(InterruptError::NotDescribed)
    );
    for mask in [&[][..], &[0, 0, 0], &[0, 0, 0, 7, 0]] {
        assert_eq!(map(with("interrupt-map-mask", mask)), malformed("interrupt-map-mask"));
    }
    assert_eq!(map(with("#interrupt-cells", &[2])), malformed("#interrupt-cells"));
    // Without a mask only the function with this very address has the pin.
    let mut exact = with("interrupt-map", &entry(1, 5));
    exact.properties.retain(|(name, _)| *name != "interrupt-map-mask");
    let exact = map(exact).unwrap();
    assert!(exact.interrupt(0, 1).is_ok() && exact.interrupt(1, 1).is_err());
}

#[test]
fn a_controller_may_have_addresses_of_its_own() {
    let nexus = |cells: &[u32], map: &[u32]| {
        let plic = node("other")
            .bytes("compatible", b"riscv,plic0\0")
            .cells("phandle", &[7])
            .cells("riscv,ndev", &[10])
            .cells("#interrupt-cells", &[1])
            .cells("#address-cells", cells);
        let blob = root([plic, with("interrupt-map", map)]).blob();
        pci_hosts(&Fdt::new(&blob).unwrap()).remove(0).unwrap().interrupts
    };
    let found = nexus(&[2], &[0, 0, 0, 1, 7, 0xaa, 0xbb, 4]).unwrap();
    assert_eq!(found.interrupt(0, 1), Ok(Interrupt { parent: 7, number: 4 }));
    let malformed = Err(InterruptError::Malformed { property: "interrupt-map" });
    assert_eq!(nexus(&[2], &[0, 0, 0, 1, 7, 4]), malformed);
    assert_eq!(nexus(&[u32::MAX], &[0, 0, 0, 1, 7, 4]), malformed);
    assert_eq!(nexus(&[1, 1], &[0, 0, 0, 1, 7, 4]), Err(InterruptError::BadCells { parent: 7 }));
}
