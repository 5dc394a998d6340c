//! `job=devices`: tells what was found in the device tree, and what became of it.

use alloc::{format, string::String};

use super::{Failure, Run, text::Count};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
    drivers::found::{self, Content, Slot},
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
        let is_device =
            |slot: &&Slot| matches!(slot, Slot::Good { content: Content::Device { .. }, .. });
        let devices = found.slots.iter().filter(is_device).count();
        let [slots, devices] = [found.slots.len(), devices].map(|count| count as u64);
        Ok(format!("{} with {}", Count(slots, "slot"), Count(devices, "device")))
    }
}
