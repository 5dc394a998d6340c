//! The moments at which a guest enters and leaves some functions, and the accesses of others to memory and registers,
//! told by a plugin of QEMU in the log of QEMU's own traces: one clock and one order for both.

use std::{ops::Range, path::Path};

use super::{CountError, Look, plugin};
use crate::qemu::Machine;

/// The plugin's source.
const PARTS: &[&str] = &[plugin::FRAMES, include_str!("watch.c")];

/// The functions that are watched, by their addresses. There may be 64 of either kind. The guest's functions must keep
/// frame pointers.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Entering and leaving these is told.
    pub calls: Vec<Range<u64>>,
    /// The loads and stores of these are told, but for those to their own frames.
    pub accesses: Vec<Range<u64>>,
}

/// An event that the plugin tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A function begins.
    Enter(Look),
    /// A function returns, by the instruction at this address.
    Leave(u64),
    /// An instruction has read or written memory or a register of a device.
    Access {
        /// True for a write.
        store: bool,
        /// The physical address.
        address: u64,
        /// The number of bytes.
        bytes: u64,
        /// The value.
        value: u64,
        /// The place in the guest.
        look: Look,
    },
}

impl Watch {
    /// The machine with the plugin, which is compiled into `folder`. Its lines go to the file of the option `-D`.
    ///
    /// # Errors
    ///
    /// There is no C compiler.
    pub fn attach(
        &self,
        machine: &Machine,
        folder: &Path,
        log: &Path,
    ) -> Result<Machine, CountError> {
        let argument = |name: &'static str| {
            move |range: &Range<u64>| format!("{name}={:x}-{:x}", range.start, range.end)
        };
        let calls = self.calls.iter().map(argument("calls"));
        let arguments: Vec<_> =
            calls.chain(self.accesses.iter().map(argument("accesses"))).collect();
        let machine = plugin::attach(machine, PARTS, &arguments.join(","), folder, log)?;
        Ok(machine.option("-d", "plugin"))
    }
}

impl Seen {
    /// Reads a line of QEMU's log: the time in microseconds, and the event. `None` if the line is not the plugin's.
    pub fn read(line: &str) -> Option<(u64, Self)> {
        let (time, rest) = line.strip_prefix("watch ")?.split_once(' ')?;
        let (seconds, microseconds) = time.split_once('.')?;
        let seconds: u64 = seconds.parse().ok()?;
        let time = seconds.checked_mul(1_000_000)?.checked_add(microseconds.parse().ok()?)?;
        let hexadecimal = |word| u64::from_str_radix(word, 16).ok();
        let (kind, rest) = rest.split_once(' ')?;
        let seen = match kind {
            "enter" => Self::Enter(Look::read(rest)?),
            "leave" => Self::Leave(hexadecimal(rest)?),
            "load" | "store" => {
                let mut words = rest.splitn(4, ' ');
                Self::Access {
                    store: kind == "store",
                    address: hexadecimal(words.next()?)?,
                    bytes: words.next()?.parse().ok()?,
                    value: hexadecimal(words.next()?)?,
                    look: Look::read(words.next()?)?,
                }
            }
            _ => return None,
        };
        Some((time, seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_compiles() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plugin.so");
        plugin::compile(PARTS, &file, &folder.path().join("log")).unwrap();
        assert!(file.is_file());
    }

    #[test]
    fn events_are_read() {
        let look = Look { address: 0x10, ra: Some(0x20), callers: vec![0x30] };
        let time = 1_500_000_001;
        for (line, expected) in [
            ("watch 1500.000001 enter 10 20 30", Seen::Enter(look.clone())),
            ("watch 1500.000001 leave 1f", Seen::Leave(0x1f)),
            (
                "watch 1500.000001 store 10008050 4 ab 10 20 30",
                Seen::Access { store: true, address: 0x1000_8050, bytes: 4, value: 0xab, look },
            ),
        ] {
            assert_eq!(Seen::read(line), Some((time, expected)), "{line}");
        }
    }

    #[test]
    fn other_lines_are_not() {
        for line in [
            "",
            "28131@1795968618.553160:virtio_queue_notify vdev 0x55bd2b245400 n 0 vq 0x7f5c1c8d7010",
            "watch 1500 enter 10",
            "watch 1500.000001 enter",
            "watch 1500.000001 load 10 4 1",
            "watch 1500.000001 store 10 x 1 10",
            "watch 99999999999999999999.1 leave 10",
        ] {
            assert_eq!(Seen::read(line), None, "{line}");
        }
    }
}
