//! `job=devices`: tells what was found in the device tree and on PCI, and what became of it.

use alloc::{format, string::String};

use super::{Failure, Run, text::Count};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
    drivers::found::{self, Content, FunctionContent, Slot},
};

pub(super) struct Devices;

impl Run for Devices {
    const NAME: &'static str = "devices";
    const PARAMETERS: &'static [&'static str] = &[];
    type Needs = ();

    fn parse(_line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self)
    }

    fn run(&self, (): &()) -> Result<String, Failure> {
        let found = found::found();
        if found.bytes == 0 {
            println!("device tree: none");
        } else {
            // OSTD opens no tree with another magic number.
            println!("device tree: magic {:#010x}, {} bytes", device_tree::MAGIC, found.bytes);
            match found.physical_structure() {
                Some(address) => println!("device tree: structure block at {address:#x}"),
                None => println!("device tree: structure block at an unknown address"),
            }
        }
        for slot in &found.slots {
            println!("{slot}");
        }
        for function in &found.functions {
            println!("{function}");
        }
        let in_slots = found
            .slots
            .iter()
            .filter(|slot| matches!(slot, Slot::Good { content: Content::Device { .. }, .. }));
        let on_pci = found
            .functions
            .iter()
            .filter(|function| matches!(function.content, FunctionContent::Device { .. }));
        let [in_slots, on_pci] = [in_slots.count(), on_pci.count()].map(|count| count as u64);
        let [slots, functions] =
            [found.slots.len(), found.functions.len()].map(|count| count as u64);
        let mut text = format!("{} with {}", Count(slots, "slot"), Count(in_slots, "device"));
        // Every machine with PCI has functions that are none of our business.
        if on_pci > 0 {
            let (functions, devices) = (Count(functions, "function"), Count(on_pci, "device"));
            text.push_str(&format!(", {functions} on PCI with {devices}"));
        }
        Ok(text)
    }
}
