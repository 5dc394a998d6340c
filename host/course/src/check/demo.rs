//! The demo on QEMU's own disk: the image on the host is the evidence.

use anyhow::{Context, Result};
use lab::{
    image::{ANSWER, GREETING, Image, SECTOR, noise, put_sector},
    place::Place,
    qemu::{Disk, Guest, Machine, Transport},
};

use super::{Stand, Verdict};
use crate::{
    diagnosis::Finding,
    language::{Text, text},
};

/// The command that looks for texts on the disk.
const STRINGS: &str = "strings -a -n 20";
/// As many of the lines that strings prints are shown.
const MOST_LINES: usize = 5;
/// The sectors of the image.
const SECTORS: usize = 2048;

/// Boots the demo on a fresh image, compares all of it, and boots once more.
pub fn judge(stand: &Stand<'_>, place: &Place, mut random: fastrand::Rng) -> Result<Verdict> {
    let mut disk = noise(SECTORS, random.u64(..));
    put_sector(&mut disk, 0, GREETING)?;
    let image = place.image("blk", disk)?;
    let machine = Machine::new(Transport::Modern).options(Disk::new(&image).options(0));
    let timeout = stand.pace.answer_limit().as_millis();
    let guest = Guest::new(&place.kernel, &format!("job=demo timeout_ms={timeout}"));
    let mut expected = image.before().to_vec();
    put_sector(&mut expected, 0, ANSWER)?;
    let boots =
        [text!("after one boot", "一次启动之后"), text!("after a second boot", "第二次启动之后")];
    for boot in &boots {
        let end = stand.run(machine.command(&guest), place)?.end;
        let found = image.contents()?;
        if found != expected {
            let mut finding = difference(image.before(), &expected, &found, boot).ended(end);
            let lines: Vec<String> = strings(place, &image)?.into_iter().take(MOST_LINES).collect();
            let printed = lines.join(", ");
            finding.seen.en += &format!("; {STRINGS} blk.img prints {printed:?}");
            finding.seen.zh += &format!("；{STRINGS} blk.img 打印 {printed:?}");
            return Ok(Some(finding));
        }
    }
    // The same once more, as a student looks at the disk.
    let lines = strings(place, &image)?;
    let has = |text: &[u8]| lines.iter().filter(|line| line.as_bytes() == text).count();
    if has(ANSWER) == 1 && has(GREETING) == 0 {
        return Ok(None);
    }
    let answer = String::from_utf8_lossy(ANSWER);
    let expected =
        text!("{STRINGS} blk.img prints {answer:?}", "{STRINGS} blk.img 打印 {answer:?}");
    let seen = lines.into_iter().take(MOST_LINES).collect::<Vec<_>>().join(", ");
    Ok(Some(Finding::new("nothing-written", expected, text!("{seen}", "{seen}"))))
}

/// The lines that `strings` prints of the image.
fn strings(place: &Place, image: &Image) -> Result<Vec<String>> {
    let path = image.path().to_string_lossy().into_owned();
    let finished = place.run("strings", &["-a", "-n", "20", &path])?;
    finished.expect_success().context("strings of binutils is needed")?;
    Ok(finished.output.lines().map(str::to_owned).collect())
}

/// Says how an image differs from what it should be.
fn difference(before: &[u8], expected: &[u8], found: &[u8], when: &Text) -> Finding {
    let sector = |disk: &'_ [u8], number: usize| {
        let start = number * SECTOR;
        disk.get(start..start + SECTOR).map(<[u8]>::to_vec).unwrap_or_default()
    };
    let string = |disk: &[u8]| {
        let bytes = sector(disk, 0);
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    let wanted = Text {
        en: format!("sector 0 holds {:?} {}, all others are as before", string(expected), when.en),
        zh: format!("{}扇区 0 是 {:?}，其余扇区不变", when.zh, string(expected)),
    };
    let answer = sector(expected, 0);
    let elsewhere = found.chunks(SECTOR).position(|sector| sector == answer);
    let changed = (0..before.len() / SECTOR)
        .find(|number| *number > 0 && sector(before, *number) != sector(found, *number));
    match (elsewhere, changed) {
        (Some(number), _) if number > 0 => {
            let seen = text!("the text stands in sector {number}", "文字在扇区 {number}");
            Finding::new("elsewhere", wanted, seen)
        }
        (_, Some(number)) => {
            let seen = text!("sector {number} has changed", "扇区 {number} 变了");
            Finding::new("too-much-written", wanted, seen)
        }
        _ if sector(found, 0) == sector(before, 0) => {
            let seen = text!("it still holds {:?}", "它仍是 {:?}", string(found));
            Finding::new("nothing-written", wanted, seen)
        }
        _ => {
            let zeros = sector(found, 0).iter().all(|byte| *byte == 0);
            let cause = if zeros { "data-not-copied" } else { "data-wrong" };
            let seen = text!("it holds {:?}", "它是 {:?}", string(found));
            Finding::new(cause, wanted, seen)
        }
    }
}
