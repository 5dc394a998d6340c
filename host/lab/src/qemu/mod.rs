//! QEMU: machines, their disks and screens, and the guest in a running one.

pub mod count;
mod disk;
mod gpu;
pub mod gpu_trace;
mod monitor;
mod probe;
mod stack;
mod transport;
mod vm;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

pub use self::{
    disk::{Access, Disk, EIO, ENOSPC, Fault, REPORT_ERRORS},
    gpu::{Gpu, KEYBOARD, MOUSE, ScreenError, TABLET},
    monitor::{Monitor, MonitorError},
    probe::{Probe, ProbeError},
    stack::{Stack, escaped},
    transport::Transport,
    vm::{Vm, VmError},
};
use crate::{
    arch::Arch,
    outcome::Outcome,
    process::{self, ProcessError},
};

/// A virtual machine without software: processor, memory, transport, devices. It can be started any
/// number of times.
#[derive(Clone, Debug)]
pub struct Machine {
    arch: Arch,
    program: PathBuf,
    memory_mib: u32,
    shared_memory: bool,
    transport: Transport,
    options: Vec<String>,
}

/// The software that a machine is to run.
#[derive(Clone, Debug)]
pub struct Guest<'a> {
    /// The kernel's file.
    pub kernel: &'a Path,
    /// The initial file system, for kernels that have one.
    pub initrd: Option<&'a Path>,
    /// The kernel command line.
    pub command_line: String,
}

impl<'a> Guest<'a> {
    /// The kernel of this repository with this command line.
    pub fn new(kernel: &'a Path, command_line: &str) -> Self {
        Self { kernel, initrd: None, command_line: command_line.to_owned() }
    }
}

impl Machine {
    /// The lab's own machine, of RISC-V, with one CPU, 256 MiB of memory and no device.
    pub fn new(transport: Transport) -> Self {
        Self::of(Arch::Riscv64, transport)
    }

    /// The machine of an architecture with one CPU and no device.
    pub fn of(arch: Arch, transport: Transport) -> Self {
        Self {
            arch,
            program: arch.qemu().into(),
            memory_mib: arch.memory_mib(),
            shared_memory: false,
            transport,
            options: Vec::new(),
        }
    }

    /// With another program than the one in the PATH.
    pub fn program(mut self, program: &Path) -> Self {
        self.program = program.to_owned();
        self
    }

    /// With so much memory.
    pub fn memory_mib(mut self, size: u32) -> Self {
        self.memory_mib = size;
        self
    }

    /// The memory is a file that a device in another process can map.
    pub fn shared_memory(mut self) -> Self {
        self.shared_memory = true;
        self
    }

    /// With an option that has a value, such as `-smp 2`. Here and below, virtio devices have the names that they
    /// have on virtio-mmio; see [`Transport::device`].
    pub fn option(mut self, name: &str, value: impl Into<String>) -> Self {
        self.options.extend([name.to_owned(), value.into()]);
        self
    }

    /// With a clock that goes by the instructions that are executed; `how` is the argument of QEMU's `-icount`.
    pub fn icount(self, how: &str) -> Self {
        let machine = self.option("-icount", how);
        match machine.arch {
            Arch::Riscv64 => machine,
            // QEMU gives up ("Bad icount read") when a guest sets a timer by a register of the processor, as that of an
            // x2APIC. The registers of an older APIC are in memory.
            Arch::X86_64 => machine.option("-cpu", "max,x2apic=off"),
        }
    }

    /// With these words behind all others.
    pub fn options(mut self, words: impl IntoIterator<Item = String>) -> Self {
        self.options.extend(words);
        self
    }

    /// QEMU's arguments for the machine, without a guest.
    pub fn arguments(&self) -> Vec<String> {
        let size = self.memory_mib;
        let mut arguments: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| word.to_string()));
        let machine = self.arch.machine();
        if self.shared_memory {
            add(&["-machine", &format!("{machine},memory-backend=ram"), "-object"]);
            add(&[&format!("memory-backend-memfd,id=ram,size={size}M,share=on")]);
        } else {
            add(&["-machine", machine]);
        }
        add(&["-m", &format!("{size}M")]);
        add(self.arch.arguments());
        add(&["-no-reboot"]);
        add(self.transport.arguments());
        for option in &self.options {
            let is_device = arguments.last().is_some_and(|before| before == "-device");
            arguments.push(if is_device { self.transport.device(option) } else { option.clone() });
        }
        arguments
    }

    /// QEMU with this guest.
    pub fn command(&self, guest: &Guest<'_>) -> Command {
        let mut qemu = Command::new(&self.program);
        qemu.args(self.arguments()).arg("-kernel").arg(guest.kernel);
        if let Some(initrd) = guest.initrd {
            qemu.arg("-initrd").arg(initrd);
        }
        qemu.args(["-append", &guest.command_line]);
        qemu
    }

    /// Runs a guest until it switches off or `limit` is over; what is printed goes to the file `log`
    /// too.
    ///
    /// # Errors
    ///
    /// QEMU cannot be started. How it ended is no error here.
    pub fn run(
        &self,
        guest: &Guest<'_>,
        limit: Duration,
        log: &Path,
    ) -> Result<Outcome, ProcessError> {
        let finished = process::run(self.command(guest), limit, log)?;
        Ok(Outcome::of(self.arch, &guest.command_line, &finished))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> Vec<&str> {
        command.get_args().filter_map(|word| word.to_str()).collect()
    }

    #[test]
    fn a_machine_with_a_kernel() {
        let machine = Machine::new(Transport::Modern).option("-smp", "2");
        let guest = Guest::new(Path::new("kernel.elf"), "job=read sector=1");
        let qemu = machine.command(&guest);
        assert_eq!(qemu.get_program(), "qemu-system-riscv64");
        let expected = "-machine virt -m 256M -nographic -no-reboot -global virtio-mmio.force-legacy=false \
                        -smp 2 -kernel kernel.elf -append";
        let mut expected: Vec<&str> = expected.split(' ').collect();
        // One word to QEMU.
        expected.push("job=read sector=1");
        assert_eq!(words(&qemu), expected);
    }

    #[test]
    fn a_pc_has_its_devices_on_pci() {
        let machine = Machine::of(Arch::X86_64, Transport::Pci)
            .options(["-device", "virtio-rng-device,rng=r"].map(str::to_owned));
        let expected = "-machine q35 -m 3072M -cpu max -display none -serial mon:stdio -vga none -nic none \
                        -device isa-debug-exit,iobase=0xf4,iosize=0x04 -no-reboot -device virtio-rng-pci,rng=r";
        assert_eq!(machine.arguments().join(" "), expected);
    }

    #[test]
    fn a_pc_that_counts_has_an_older_apic() {
        let words =
            |arch| Machine::of(arch, Transport::Pci).icount("shift=0").arguments().join(" ");
        assert!(words(Arch::X86_64).ends_with(" -icount shift=0 -cpu max,x2apic=off"));
        assert!(words(Arch::Riscv64).ends_with(" -icount shift=0"));
    }

    #[test]
    fn shared_memory_is_as_large_as_the_machine_s() {
        let machine = Machine::new(Transport::Legacy).shared_memory().memory_mib(64);
        let expected = "-machine virt,memory-backend=ram -object \
                        memory-backend-memfd,id=ram,size=64M,share=on -m 64M -nographic -no-reboot";
        assert_eq!(machine.arguments().join(" "), expected);
    }

    #[test]
    fn a_guest_may_have_an_initial_file_system() {
        let guest = Guest {
            initrd: Some(Path::new("initrd")),
            ..Guest::new(Path::new("vmlinux"), "quiet")
        };
        let qemu = Machine::new(Transport::Legacy).program(Path::new("/opt/qemu")).command(&guest);
        assert_eq!(qemu.get_program(), "/opt/qemu");
        let words = words(&qemu);
        assert!(words.ends_with(&["-kernel", "vmlinux", "-initrd", "initrd", "-append", "quiet"]));
    }
}
