//! The serial port that the firmware uses as the console.

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt;

use fdt::{Fdt, node::FdtNode};

use super::{DeviceNode, NodeError, devices, property};

/// The properties by which the registers of a port may lie otherwise than one byte after the other from the start of
/// its range on (binding 8250), each with the value that says that they do not.
const LAYOUT: [(&str, u32); 3] = [("reg-offset", 0), ("reg-shift", 0), ("reg-io-width", 1)];

/// Finds the console among the serial ports whose `compatible` names include `compatible`: the one that `stdout-path`
/// of `/chosen` leads to (section 3.6), or the first one that can be used where that leads nowhere.
///
/// # Errors
///
/// There is no such port; the console is another device; its node cannot be used, or says that its registers do not lie
/// one byte after the other.
pub fn serial_port(fdt: &Fdt<'_>, compatible: &str) -> Result<DeviceNode, SerialError> {
    let mut ports = devices(fdt, compatible);
    let console = console(fdt);
    let number = match &console {
        Some(console) => ports.iter().position(|port| name_of(port) == console.name),
        None => ports.iter().position(Result::is_ok).or((!ports.is_empty()).then_some(0)),
    };
    let Some(number) = number else {
        let kind = compatible.to_owned();
        return Err(match console {
            Some(console) => SerialError::OtherConsole { name: console.name.to_owned(), kind },
            None => SerialError::NoPort { kind },
        });
    };
    let port = ports.swap_remove(number).map_err(SerialError::Node)?;
    let node = console.or_else(|| fdt.all_nodes().find(|node| node.name == port.name));
    for (property_name, expected) in LAYOUT {
        if let Some(value) = node.and_then(|node| property(node, property_name))
            && value != expected.to_be_bytes()
        {
            let (name, value) = (port.name, value.to_vec());
            return Err(SerialError::Layout { name, property: property_name, value, expected });
        }
    }
    Ok(port)
}

/// The node that `stdout-path` leads to: a path or an alias, with options behind a colon.
fn console<'f, 'a>(fdt: &'f Fdt<'a>) -> Option<FdtNode<'f, 'a>> {
    let value = property(fdt.find_node("/chosen")?, "stdout-path")?;
    let path = value.split(|byte| matches!(byte, b':' | 0)).next()?;
    fdt.find_node(core::str::from_utf8(path).ok().filter(|path| !path.is_empty())?)
}

fn name_of(port: &Result<DeviceNode, NodeError>) -> &str {
    match port {
        Ok(node) => &node.name,
        Err(error) => &error.name,
    }
}

/// The reason for which there is no serial port to be used as the console.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SerialError {
    /// The machine has no port of this kind.
    NoPort {
        /// The kind.
        kind: String,
    },
    /// The console is a device of another kind.
    OtherConsole {
        /// The name of its node.
        name: String,
        /// The kind that was looked for.
        kind: String,
    },
    /// The port's node cannot be used.
    Node(NodeError),
    /// The port's registers do not lie one byte after the other, or are not accessed by bytes.
    Layout {
        /// The name of its node.
        name: String,
        /// The property that says so.
        property: &'static str,
        /// Its value.
        value: Vec<u8>,
        /// The number that it would have for registers that do.
        expected: u32,
    },
}

impl fmt::Display for SerialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPort { kind } => write!(f, "the machine has no serial port ({kind})"),
            Self::OtherConsole { name, kind } => {
                write!(
                    f,
                    "the console is {}, which is no serial port ({kind})",
                    name.escape_debug()
                )
            }
            Self::Node(error) => error.fmt(f),
            Self::Layout { name, property, value, expected } => {
                let name = name.escape_debug();
                write!(
                    f,
                    "the serial port {name} has {property} {value:02x?}; only {expected} is supported"
                )
            }
        }
    }
}

impl core::error::Error for SerialError {}
