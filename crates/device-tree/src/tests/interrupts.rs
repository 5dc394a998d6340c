use alloc::vec;

use super::*;

fn interrupt_of(device: Node) -> Result<Interrupt, InterruptError> {
    root([device]).only().interrupt
}

#[test]
fn interrupts_name_their_parent_or_inherit_it() {
    let fits = Ok(Interrupt { parent: PLIC_PHANDLE, number: 5 });
    let device = sound().cells("interrupts", &[5, 6]);
    assert_eq!(interrupt_of(device.clone().cells("interrupt-parent", &[PLIC_PHANDLE])), fits);
    assert_eq!(interrupt_of(device.clone()), Err(InterruptError::NoParent));

    let below = |outer: Node, inner: Node, device: Node| {
        let device = inner.cells("#size-cells", &[2]).bytes("ranges", &[]).children([device]);
        interrupt_of(outer.cells("#size-cells", &[2]).bytes("ranges", &[]).children([device]))
    };
    let names = |phandle: u32| node("bus").cells("interrupt-parent", &[phandle]);
    assert_eq!(below(names(PLIC_PHANDLE), node("bus"), device.clone()), fits);
    // The nearest one counts.
    assert_eq!(below(names(9), names(PLIC_PHANDLE), device.clone()), fits);
    assert_eq!(
        below(names(PLIC_PHANDLE), names(9), device.clone()),
        Err(InterruptError::NotAPlic { parent: 9 })
    );
    let own = device.clone().cells("interrupt-parent", &[PLIC_PHANDLE]);
    assert_eq!(below(names(9), node("bus"), own), fits);
    // A controller is the parent of what is below it.
    let controller = node("nexus").cells("#interrupt-cells", &[1]).cells("phandle", &[7]);
    assert_eq!(
        below(names(PLIC_PHANDLE), controller, device.clone()),
        Err(InterruptError::NotAPlic { parent: 7 })
    );
    let malformed = node("bus").bytes("interrupt-parent", &[3]);
    assert_eq!(
        below(names(PLIC_PHANDLE), malformed, device),
        Err(InterruptError::Malformed { property: "interrupt-parent" })
    );
    // The root can name it as well.
    let tree = root([sound().cells("interrupts", &[5])]).cells("interrupt-parent", &[PLIC_PHANDLE]);
    assert_eq!(tree.only().interrupt, fits);
}

#[test]
fn extended_interrupts_take_precedence() {
    let device = sound()
        .cells("interrupts", &[5])
        .cells("interrupt-parent", &[9])
        .cells("interrupts-extended", &[PLIC_PHANDLE, 6, 9, 1]);
    assert_eq!(interrupt_of(device), Ok(Interrupt { parent: PLIC_PHANDLE, number: 6 }));
}

#[test]
fn unusable_interrupts_leave_the_device() {
    let malformed = |property| Err(InterruptError::Malformed { property });
    let extended = |value: &[u8]| interrupt_of(sound().bytes("interrupts-extended", value));
    assert_eq!(interrupt_of(sound()), Err(InterruptError::NotDescribed));
    assert_eq!(extended(&[]), malformed("interrupts-extended"));
    assert_eq!(extended(&[0, 0, 3]), malformed("interrupts-extended"));
    assert_eq!(extended(&[0, 0, 0, 3]), malformed("interrupts-extended"));
    assert_eq!(extended(&[0, 0, 0, 3, 0, 0, 1]), malformed("interrupts-extended"));
    assert_eq!(extended(&[0, 0, 0, 9, 0, 0, 0, 1]), Err(InterruptError::NotAPlic { parent: 9 }));

    let with = |parent: &[u8], interrupts: &[u8]| {
        let device = sound().bytes("interrupt-parent", parent);
        interrupt_of(device.bytes("interrupts", interrupts))
    };
    assert_eq!(with(&[0, 0, 0, 3], &[]), malformed("interrupts"));
    assert_eq!(with(&[0, 0, 0, 3], &[0, 0, 5]), malformed("interrupts"));
    assert_eq!(with(&[3], &[0, 0, 0, 5]), malformed("interrupt-parent"));
}

#[test]
fn pins_are_those_that_ostd_has_room_for() {
    let pin = |number| interrupt_of(sound().cells("interrupts-extended", &[PLIC_PHANDLE, number]));
    for number in [1, PIN_END - 1] {
        assert_eq!(pin(number), Ok(Interrupt { parent: PLIC_PHANDLE, number }));
    }
    for number in [0, PIN_END, u32::MAX] {
        assert_eq!(pin(number), Err(InterruptError::NoSuchPin { number, end: PIN_END }));
    }
}

#[test]
fn the_parent_must_be_a_plic_with_one_cell() {
    let controller = |compatible: &[u8], cells: &[u32]| {
        node("controller")
            .bytes("compatible", compatible)
            .cells("phandle", &[7])
            .cells("riscv,ndev", &[10])
            .cells("#interrupt-cells", cells)
    };
    let device = sound().cells("interrupts-extended", &[7, 2]);
    let interrupt = |controller| root([controller, device.clone()]).only().interrupt;
    assert_eq!(
        interrupt(controller(b"thead,c900-plic\0", &[1])),
        Ok(Interrupt { parent: 7, number: 2 })
    );
    for cells in [&[2][..], &[], &[1, 1]] {
        assert_eq!(
            interrupt(controller(b"riscv,plic0\0", cells)),
            Err(InterruptError::BadCells { parent: 7 })
        );
    }
    let not_a_plic = Err(InterruptError::NotAPlic { parent: 7 });
    assert_eq!(interrupt(controller(b"riscv,aplic\0", &[1])), not_a_plic);
    let mut without_pins = controller(b"riscv,plic0\0", &[1]);
    without_pins.properties.retain(|(name, _)| *name != "riscv,ndev");
    assert_eq!(interrupt(without_pins), not_a_plic);
    // Of two with the same phandle OSTD takes the first, here one with a single pin.
    let narrow = controller(b"riscv,plic0\0", &[1]);
    let narrow = Node {
        properties: narrow
            .properties
            .into_iter()
            .map(|(name, value)| {
                (name, if name == "riscv,ndev" { vec![0, 0, 0, 2] } else { value })
            })
            .collect(),
        ..narrow
    };
    let tree = root([narrow, controller(b"riscv,plic0\0", &[1]), device.clone()]);
    assert_eq!(tree.only().interrupt, Err(InterruptError::NoSuchPin { number: 2, end: 2 }));
}
