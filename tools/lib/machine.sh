# The lab's machines: the one that a kernel was compiled for, and QEMU's words for it. Sourced by the programs that
# stand in for QEMU. `host/lab/src/arch.rs` has the same machines, for tests.
# shellcheck shell=bash disable=SC2034

# kernel_among WORD...: prints the file behind -kernel.
kernel_among() {
    local word previous=""
    for word in "$@"; do
        [[ $previous == -kernel ]] && echo "$word"
        previous=$word
    done
}

# architecture_of FILE: prints the architecture that a kernel is for, by the number of its processor in the ELF
# header. OSDK gives a kernel for x86_64 that of its 32-bit ancestor, as QEMU starts no other by Multiboot.
architecture_of() {
    case $(od -An -v -tu1 -j18 -N2 "$1" | tr -s ' ') in
    " 243 0") echo riscv64 ;;
    " 3 0" | " 62 0") echo x86_64 ;;
    " 2 1") echo loongarch64 ;;
    *)
        echo "$1 is no kernel for a machine that is known here." >&2
        return 1
        ;;
    esac
}

# choose_machine ARCH: sets QEMU (the program), MACHINE (processor, memory, and what no kernel can do without), DEVICE
# (how the names of its virtio devices end), SCREEN (a screen, and what is typed and pointed with), HAS_SCREEN (yes where
# these are there unasked) and SUCCESS (the exit status when all went well).
#
# BUS=pci puts the devices of the RISC-V machine on PCI; the others have no other bus.
choose_machine() {
    local buses=pci
    QEMU=qemu-system-$1
    SUCCESS=0
    HAS_SCREEN=no
    case $1 in
    riscv64)
        buses="mmio pci"
        MACHINE=(-machine virt -m 256M -nographic -global virtio-mmio.force-legacy=false)
        ;;
    x86_64)
        # With less memory OSTD finds no place for the registers of devices. What is written to port 0xf4 ends QEMU;
        # OSTD writes 16 for success and 32 for failure, and QEMU makes 2 n + 1 of it.
        # With -nographic the firmware would clear the terminal.
        MACHINE=(-machine q35 -cpu max -m 3G -display none -serial "mon:stdio" -vga none -nic none)
        MACHINE+=(-device "isa-debug-exit,iobase=0xf4,iosize=0x04")
        SUCCESS=33
        HAS_SCREEN=yes
        ;;
    loongarch64)
        MACHINE=(-machine virt -m 1G -display none -nodefaults -serial "mon:stdio")
        ;;
    esac
    local bus=${BUS:-${buses%% *}}
    [[ " $buses " == *" $bus "* ]] || {
        echo "BUS=$bus: the machine $1 has its devices on ${buses/ / or }." >&2
        return 1
    }
    DEVICE=${bus/mmio/device}
    SCREEN=(-device "virtio-gpu-$DEVICE,id=gpu0,xres=1024,yres=768")
    SCREEN+=(-device "virtio-keyboard-$DEVICE" -device "virtio-tablet-$DEVICE")
}
