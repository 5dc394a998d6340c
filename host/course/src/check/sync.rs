//! A machine whose devices do not see the CPU's caches: what is not synchronised does not arrive.
//!
//! The processor has no instructions for its caches, so OSTD gives devices another copy of each stream. First
//! a sector is written, and then some are read, which takes a write as well to be seen.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;
use hostile::device::config::Config;
use lab::{
    image::{SECTOR, noise},
    place::Place,
    qemu::{Disk, Transport},
};
use serde::Deserialize;

use super::{
    SLOT_1, Stand, Verdict, disk_at,
    witness::{self, in_words, recorder},
};
use crate::{
    diagnosis::{Finding, bytes},
    language::text,
    recorder::Manner,
};

/// The sectors of the disk.
const SECTORS: usize = 2048;
/// The sectors that are read.
const COUNT: usize = 4;

/// A write and a copy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sync {}

impl Sync {
    /// Boots twice and judges.
    pub fn judge(
        &self,
        stand: &Stand<'_>,
        place: &Place,
        mut random: fastrand::Rng,
    ) -> Result<Verdict> {
        let config = || Config { capacity: SECTORS as u64, ..Config::honest() };
        let device = |contents: &[u8]| recorder(Manner::prompt(config()), contents.to_vec());
        let contents = noise(SECTORS, random.u64(..));
        let sector = random.usize(1..SECTORS - COUNT);
        let data = noise(1, random.u64(..));

        let timeout = stand.pace.answer_limit().as_millis();
        let mut line =
            format!("job=write dma.coherent=off timeout_ms={timeout} sector={sector} hex=");
        for byte in &data {
            write!(line, "{byte:02x}")?;
        }
        let machine = |socket: &Path| {
            disk_at(Transport::Modern, socket, "").option("-cpu", "rv64,zicbom=false")
        };
        let seen = witness::boot(stand, place, device(&contents), machine, &line, in_words)?;
        let written = &seen.disk[sector * SECTOR..(sector + 1) * SECTOR];
        if written != data {
            let (expected, seen) = (bytes(&data), bytes(written));
            let expected =
                text!("sector {sector} holds {expected}", "扇区 {sector} 的内容是 {expected}");
            let seen = text!("it holds {seen}", "内容是 {seen}");
            return Ok(Some(Finding::new("not-synced-to-device", expected, seen)));
        }

        let target = place.image("target", noise(COUNT, random.u64(..)))?;
        let line = format!(
            "job=copy dma.coherent=off timeout_ms={timeout} from=0 to=1 sector={sector} at=0 count={COUNT}"
        );
        let machine = |socket: &Path| {
            disk_at(Transport::Modern, socket, SLOT_1)
                .option("-cpu", "rv64,zicbom=false")
                .options(Disk::new(&target).slot(0).options(1))
        };
        witness::boot(stand, place, device(&contents), machine, &line, in_words)?;
        let (wanted, found) = (&contents[sector * SECTOR..], target.contents()?);
        let differs = wanted.chunks(SECTOR).zip(found.chunks(SECTOR)).position(|(a, b)| a != b);
        Ok(differs.map(|number| {
            let range = number * SECTOR..(number + 1) * SECTOR;
            let (expected, seen) = (bytes(&wanted[range.clone()]), bytes(&found[range]));
            let expected =
                text!("sector {number} arrives as {expected}", "扇区 {number} 到达时是 {expected}");
            let seen = text!("it arrives as {seen}", "到达时是 {seen}");
            Finding::new("not-synced-from-device", expected, seen)
        }))
    }
}
