//! `job=flush`: makes sure that the disk keeps what was written to it.

use alloc::{boxed::Box, string::String, sync::Arc};

use super::{Failure, Kind, Run};
use crate::block::BlockDevice;

pub(super) const KIND: Kind =
    Kind { name: "flush", parameters: &[], parse: |_| Ok(Box::new(Flush)) };

struct Flush;

impl Run for Flush {
    fn run(&self, disk: &Arc<dyn BlockDevice>) -> Result<String, Failure> {
        disk.flush().map_err(Failure::disk("flushing"))?;
        let info = disk.info();
        Ok(String::from(if info.writeback { "" } else { "(the disk has no volatile cache)" }))
    }
}
