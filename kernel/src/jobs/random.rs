//! `job=random bytes=N`: shows random bytes from an entropy device as hexadecimal numbers.

use alloc::{format, string::String, sync::Arc, vec};

use virtio::device::rng::VirtioRng;

use super::{
    Failure, Needs, Run,
    text::{Count, Hex},
};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
    drivers::entropy,
    progress, unusable,
};

/// The most bytes at once.
const MAX_BYTES: u64 = 1 << 16;
/// Bytes a line.
const LINE: usize = 32;

pub(super) struct Random {
    bytes: usize,
}

impl Run for Random {
    const NAME: &'static str = "random";
    const PARAMETERS: &'static [&'static str] = &["bytes=N"];
    type Needs = Arc<VirtioRng>;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let bytes = line.number_in("bytes", 1..=MAX_BYTES)?;
        Ok(Self { bytes: bytes.ok_or(CmdlineError::missing("bytes=N"))? })
    }

    fn run(&self, source: &Arc<VirtioRng>) -> Result<String, Failure> {
        let _open = progress::begin("reading random bytes");
        let mut bytes = vec![0; self.bytes];
        source.fill(&mut bytes).map_err(|error| Failure::Other(format!("{error}")))?;
        for line in bytes.chunks(LINE) {
            println!("{}", Hex(line));
        }
        Ok(format!("{}", Count(self.bytes as u64, "byte")))
    }
}

/// The first entropy device.
impl Needs for Arc<VirtioRng> {
    const PARAMETERS: &'static [&'static str] = &[];

    fn find(_line: &CommandLine) -> Result<Self, Failure> {
        entropy::first()
            .ok_or_else(|| Failure::NoEntropyDevice { unusable: unusable::all("entropy") })
    }
}
