//! The boards that tests and measurements can be run on, and their choice on a command line.

use std::fmt;

use clap::{Args, ValueEnum};

use crate::{
    arch::Arch,
    qemu::{Machine, Transport},
};

/// The bus on which a machine has its virtio devices.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
pub enum Bus {
    /// Virtio-mmio: slots in the device tree.
    Mmio,
    /// PCI.
    Pci,
}

/// An architecture's machine with its devices on one bus.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Board {
    arch: Arch,
    bus: Bus,
}

/// The choice of a board, for the command line of a program.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Choice {
    /// The architecture: riscv64, or x86_64.
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    /// The bus of the devices; by default mmio on riscv64, and pci on x86_64, which has no other.
    #[arg(long)]
    bus: Option<Bus>,
}

/// The machine of this architecture has no such bus.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no {arch} with devices on {bus}; there are {}", list())]
pub struct NoBoard {
    arch: Arch,
    bus: Bus,
}

impl Board {
    /// The lab's own.
    pub const LAB: Self = Self { arch: Arch::Riscv64, bus: Bus::Mmio };
    /// The same machine with its devices on PCI.
    pub const LAB_PCI: Self = Self { arch: Arch::Riscv64, bus: Bus::Pci };
    /// A PC.
    pub const PC: Self = Self { arch: Arch::X86_64, bus: Bus::Pci };
    /// All of them, the lab's own first.
    pub const ALL: [Self; 3] = [Self::LAB, Self::LAB_PCI, Self::PC];

    /// The architecture.
    pub fn arch(self) -> Arch {
        self.arch
    }

    /// The way to its devices. `legacy` chooses version 1 of virtio-mmio where the bus is that one.
    pub fn transport(self, legacy: bool) -> Transport {
        match self.bus {
            Bus::Mmio if legacy => Transport::Legacy,
            Bus::Mmio => Transport::Modern,
            Bus::Pci => Transport::Pci,
        }
    }

    /// The machine with one CPU and no device.
    pub fn machine(self, legacy: bool) -> Machine {
        Machine::of(self.arch, self.transport(legacy))
    }

    /// The name of a check on this board, and of its log: the lab's own needs no mention.
    pub fn name(self, check: &str) -> String {
        if self == Self::LAB { check.to_owned() } else { format!("{check}.{self}") }
    }

    /// The words that choose it behind `make`, with a blank in front, as people type them; nothing for the lab's own.
    pub fn make_arguments(self) -> &'static str {
        match (self.arch, self.bus) {
            (Arch::Riscv64, Bus::Mmio) => "",
            (Arch::Riscv64, Bus::Pci) => " BUS=pci",
            (Arch::X86_64, _) => " ARCH=x86_64",
        }
    }

    /// The arguments that choose it on the command line of a program with a [`Choice`].
    pub fn arguments(self) -> [String; 2] {
        [format!("--arch={}", self.arch), format!("--bus={}", self.bus)]
    }
}

impl Choice {
    /// The board that was chosen: the lab's own if nothing was.
    ///
    /// # Errors
    ///
    /// The machine of this architecture has no such bus.
    pub fn board(self) -> Result<Board, NoBoard> {
        let arch = self.arch.unwrap_or(Arch::Riscv64);
        let bus = self.bus.unwrap_or(match arch {
            Arch::Riscv64 => Bus::Mmio,
            Arch::X86_64 => Bus::Pci,
        });
        let board = Board { arch, bus };
        if Board::ALL.contains(&board) { Ok(board) } else { Err(NoBoard { arch, bus }) }
    }

    /// The boards to test on: the one that was chosen, or all.
    ///
    /// # Errors
    ///
    /// The machine of this architecture has no such bus.
    pub fn boards(self) -> Result<Vec<Board>, NoBoard> {
        match self {
            Self { arch: None, bus: None } => Ok(Board::ALL.to_vec()),
            _ => self.board().map(|board| vec![board]),
        }
    }
}

fn list() -> String {
    Board::ALL.map(|board| format!("{} with {}", board.arch, board.bus)).join(", ")
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mmio => "mmio",
            Self::Pci => "pci",
        })
    }
}

/// `riscv64-mmio`, for example.
impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.arch, self.bus)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        choice: Choice,
    }

    fn choose(words: &[&str]) -> Result<Board, NoBoard> {
        Cli::parse_from(["program"].iter().chain(words)).choice.board()
    }

    #[test]
    fn the_bus_has_a_default_on_each_machine() {
        assert_eq!(choose(&[]), Ok(Board::LAB));
        assert_eq!(choose(&["--bus=pci"]), Ok(Board::LAB_PCI));
        assert_eq!(choose(&["--arch=riscv64", "--bus=mmio"]), Ok(Board::LAB));
        assert_eq!(choose(&["--arch=x86_64"]), Ok(Board::PC));
    }

    #[test]
    fn tests_are_on_all_boards_or_on_one() {
        assert_eq!(Choice::default().boards(), Ok(Board::ALL.to_vec()));
        let pci = Choice { bus: Some(Bus::Pci), ..Choice::default() };
        assert_eq!(pci.boards(), Ok(vec![Board::LAB_PCI]));
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let error = choose(&["--arch=x86_64", "--bus=mmio"]).unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no x86_64 with devices on mmio; there are riscv64 with mmio, riscv64 with pci, x86_64 with pci"
        );
        for words in [["--arch=arm", "--bus=pci"], ["--arch=riscv64", "--bus=isa"]] {
            assert!(Cli::try_parse_from(["program"].iter().chain(&words)).is_err());
        }
    }

    #[test]
    fn arguments_choose_what_they_were_made_of() {
        for board in Board::ALL {
            let arguments = board.arguments();
            assert_eq!(choose(&arguments.each_ref().map(String::as_str)), Ok(board));
        }
    }

    #[test]
    fn only_mmio_has_a_legacy_version() {
        assert_eq!(Board::LAB.transport(true), Transport::Legacy);
        assert_eq!(Board::LAB.transport(false), Transport::Modern);
        for board in [Board::LAB_PCI, Board::PC] {
            assert_eq!(board.transport(true), Transport::Pci);
        }
    }

    #[test]
    fn the_lab_s_own_board_is_not_mentioned() {
        assert_eq!(Board::LAB.name("cut-1"), "cut-1");
        assert_eq!(Board::PC.name("cut-1"), "cut-1.x86_64-pci");
    }
}
