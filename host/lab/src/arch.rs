//! The architectures that the kernel is built for, and the machine that it runs on each.

use std::{fmt, str::FromStr};

/// An architecture.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Arch {
    /// 64-bit RISC-V: QEMU's board `virt`. The lab's own machine.
    Riscv64,
    /// x86-64: a PC, QEMU's machine `q35`.
    X86_64,
}

impl Arch {
    /// All of them, the lab's own first.
    pub const ALL: [Self; 2] = [Self::Riscv64, Self::X86_64];

    /// The name that OSDK and QEMU give it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Riscv64 => "riscv64",
            Self::X86_64 => "x86_64",
        }
    }

    /// The target that OSDK builds for.
    pub const fn target(self) -> &'static str {
        match self {
            Self::Riscv64 => "riscv64imac-unknown-none-elf",
            Self::X86_64 => "x86_64-unknown-none",
        }
    }

    /// The argument by which OSDK builds for it.
    pub fn osdk_argument(self) -> String {
        format!("--target-arch={}", self.name())
    }

    /// QEMU's program for it.
    pub fn qemu(self) -> &'static str {
        match self {
            Self::Riscv64 => "qemu-system-riscv64",
            Self::X86_64 => "qemu-system-x86_64",
        }
    }

    /// QEMU's name for the machine.
    pub fn machine(self) -> &'static str {
        match self {
            Self::Riscv64 => "virt",
            Self::X86_64 => "q35",
        }
    }

    /// The memory of the machine in MiB. With less on a PC, OSTD finds no place for the registers of devices.
    pub fn memory_mib(self) -> u32 {
        match self {
            Self::Riscv64 => 256,
            Self::X86_64 => 3072,
        }
    }

    /// QEMU's arguments for a console without a window, for what the kernel cannot do without, and against what
    /// QEMU adds unasked.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Riscv64 => &["-nographic"],
            // With -nographic the firmware would print too. What is written to port 0xf4 ends QEMU.
            Self::X86_64 => &[
                "-cpu",
                "max",
                "-display",
                "none",
                "-serial",
                "mon:stdio",
                "-vga",
                "none",
                "-nic",
                "none",
                "-device",
                "isa-debug-exit,iobase=0xf4,iosize=0x04",
            ],
        }
    }

    /// QEMU's exit status when the kernel has ended the machine with success. On x86-64 QEMU makes 2 n + 1 of
    /// what OSTD writes, so that 1 is left to QEMU's own failures.
    pub fn success(self) -> i32 {
        match self {
            Self::Riscv64 => 0,
            Self::X86_64 => 0x10 << 1 | 1,
        }
    }

    /// QEMU's exit status when the kernel has ended the machine with failure.
    pub fn failure(self) -> i32 {
        match self {
            Self::Riscv64 => 1,
            Self::X86_64 => 0x20 << 1 | 1,
        }
    }
}

/// There is no such architecture here.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the programs of the host know no machine of {0:?}, but those of riscv64 and x86_64")]
pub struct UnknownArch(String);

impl FromStr for Arch {
    type Err = UnknownArch;

    fn from_str(name: &str) -> Result<Self, UnknownArch> {
        let found = Self::ALL.into_iter().find(|arch| arch.name() == name);
        found.ok_or_else(|| UnknownArch(name.to_owned()))
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for arch in Arch::ALL {
            assert_eq!(arch.to_string().parse(), Ok(arch));
            assert!(arch.target().starts_with(arch.name()));
        }
        let error = "arm".parse::<Arch>().unwrap_err().to_string();
        assert!(Arch::ALL.iter().all(|arch| error.contains(arch.name())), "{error}");
    }
}
