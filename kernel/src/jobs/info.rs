//! `job=info`: tells what is known about the disk.

use alloc::{format, string::String};

use block::SECTOR_SIZE;

use super::{Disk, Failure, Run};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
};

pub(super) struct Info;

impl Run for Info {
    const NAME: &'static str = "info";
    const PARAMETERS: &'static [&'static str] = &[];
    type Needs = Disk;

    fn parse(_line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self)
    }

    fn run(&self, disk: &Disk) -> Result<String, Failure> {
        let info = disk.info();
        let yes = |yes| if yes { "yes" } else { "no" };
        println!("info: serial               \"{}\"", info.serial);
        println!(
            "info: capacity             {} sectors of {SECTOR_SIZE} bytes ({} bytes)",
            info.geometry.capacity,
            u128::from(info.geometry.capacity) * SECTOR_SIZE as u128
        );
        println!("info: block size           {} bytes", info.geometry.block_size);
        println!("info: physical block size  {} bytes", info.physical_block_size);
        println!("info: read-only            {}", yes(info.geometry.read_only));
        println!("info: writeback cache      {}", yes(info.writeback));
        println!("info: segments a request   at most {}", info.max_segments);
        match info.max_segment_bytes {
            Some(bytes) => println!("info: bytes a segment      at most {bytes}"),
            None => println!("info: bytes a segment      any number"),
        }
        println!("info: discard              {}", yes(info.geometry.discard));
        println!("info: write zeroes         {}", yes(info.geometry.write_zeroes));
        println!("info: request queues       {}", info.queues);
        println!("info: queue entries        {}", info.queue_size);
        println!(
            "info: completion by        {}",
            if disk.waiting().must_poll() { "polling" } else { "interrupt" }
        );
        Ok(format!("{} sectors", info.geometry.capacity))
    }
}
