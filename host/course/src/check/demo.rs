//! The demo on QEMU's own disk: the image on the host is the evidence.

use anyhow::{Context, Result};
use lab::{
    image::{ANSWER, GREETING, SECTOR, noise, put_sector},
    place::Place,
    qemu::{Disk, Guest, Machine, Transport},
};

use super::{Stand, Verdict};
use crate::diagnosis::Finding;

/// The sectors of the image.
const SECTORS: usize = 2048;

/// Boots the demo on a fresh image, compares all of it, and boots once more.
pub fn judge(stand: &Stand<'_>, place: &Place, mut random: fastrand::Rng) -> Result<Verdict> {
    let mut disk = noise(SECTORS, random.u64(..));
    put_sector(&mut disk, 0, GREETING)?;
    let image = place.image("blk", disk)?;
    let machine = Machine::new(Transport::Modern).options(Disk::new(&image).options(0));
    let guest = Guest::new(&place.kernel, "job=demo timeout_ms=1000");
    let mut expected = image.before().to_vec();
    put_sector(&mut expected, 0, ANSWER)?;
    for boot in ["after one boot", "after a second boot"] {
        stand.run(machine.command(&guest), place)?;
        let found = image.contents()?;
        if found != expected {
            return Ok(Some(difference(image.before(), &expected, &found, boot)));
        }
    }
    let path = image.path().to_string_lossy().into_owned();
    let strings = place.run("strings", &["-n", "20", &path])?;
    strings.expect_success().context("strings of binutils is needed")?;
    let has = |text: &[u8]| {
        let lines = strings.output.lines();
        lines.filter(|line| line.as_bytes() == text).count()
    };
    if has(ANSWER) == 1 && has(GREETING) == 0 {
        return Ok(None);
    }
    let expected = format!("strings blk.img prints {:?}", String::from_utf8_lossy(ANSWER));
    Ok(Some(Finding::new("nothing-written", expected, strings.output)))
}

/// Says how an image differs from what it should be.
fn difference(before: &[u8], expected: &[u8], found: &[u8], when: &str) -> Finding {
    let sector = |disk: &'_ [u8], number: usize| {
        let start = number * SECTOR;
        disk.get(start..start + SECTOR).map(<[u8]>::to_vec).unwrap_or_default()
    };
    let text = |disk: &[u8]| {
        let text = sector(disk, 0);
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        String::from_utf8_lossy(&text[..end]).into_owned()
    };
    let wanted = format!("sector 0 holds {:?} {when}, all others are as before", text(expected));
    let answer = sector(expected, 0);
    let elsewhere = found.chunks(SECTOR).position(|sector| sector == answer);
    let changed = (0..before.len() / SECTOR)
        .find(|number| *number > 0 && sector(before, *number) != sector(found, *number));
    match (elsewhere, changed) {
        (Some(number), _) if number > 0 => {
            Finding::new("elsewhere", wanted, format!("the text stands in sector {number}"))
        }
        (_, Some(number)) => {
            Finding::new("too-much-written", wanted, format!("sector {number} has changed"))
        }
        _ if sector(found, 0) == sector(before, 0) => {
            Finding::new("nothing-written", wanted, format!("it still holds {:?}", text(found)))
        }
        _ => {
            let zeros = sector(found, 0).iter().all(|byte| *byte == 0);
            let cause = if zeros { "data-not-copied" } else { "data-wrong" };
            Finding::new(cause, wanted, format!("it holds {:?}", text(found)))
        }
    }
}
