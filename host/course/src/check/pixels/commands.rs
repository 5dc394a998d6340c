//! The commands that the device was given, where the screen is right: they may cost too much, or show on a display what
//! QEMU's memory does not tell.

use ::plan::rects::Area;
use lab::qemu::gpu_trace::Told;

use super::plan::{Plan, columns_and_rows, holds};
use crate::{diagnosis::Finding, language::text};

/// A command about a part of the picture that is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// TRANSFER_TO_HOST_2D, of an area that QEMU does not tell.
    Transfer,
    /// RESOURCE_FLUSH.
    Flush(Area),
}

/// The commands about parts of the picture, without those that bring a whole one to the screen: a transfer,
/// SET_SCANOUT, and a flush.
pub fn of(told: &[Told]) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut is_new = false;
    for told in told {
        match *told {
            Told::Scanout { .. } => {
                commands.pop_if(|command| *command == Command::Transfer);
                is_new = true;
            }
            Told::Transfer { .. } => commands.push(Command::Transfer),
            Told::Flush { .. } if is_new => is_new = false,
            Told::Flush { at: (x, y), size: (width, height), .. } => {
                commands.push(Command::Flush(Area { x, y, width, height }));
            }
            Told::Outside { .. } | Told::Cursor { .. } => {}
        }
    }
    commands
}

/// Compares them with what was to be shown; `None` if all is well.
pub fn compare(plan: &Plan, commands: &[Command]) -> Option<Finding> {
    let all = plan.areas().count();
    let mut transfers = 0;
    // Each flush, and the number of transfers before it.
    let mut flushes = Vec::new();
    for command in commands {
        match command {
            Command::Transfer => transfers += 1,
            Command::Flush(area) => flushes.push((*area, transfers)),
        }
    }
    let mut left = flushes.iter().map(|(area, _)| *area);
    for areas in &plan.steps {
        let seen: Vec<Area> = left.by_ref().take(areas.len()).collect();
        let Some(missing) = areas.iter().find(|area| !seen.contains(area)) else { continue };
        let other = seen.iter().find(|area| plan.areas().all(|(_, wanted)| wanted != **area));
        let is_near = |other: &&Area| holds(**other, *missing) || holds(*missing, **other);
        let place = columns_and_rows(&[*missing]);
        let expected = text!("RESOURCE_FLUSH for {place}", "有一条 RESOURCE_FLUSH，区域是 {place}");
        return Some(match other.filter(is_near) {
            Some(other) => {
                let other = columns_and_rows(&[*other]);
                let seen = text!("one for {other}", "区域却是 {other}");
                Finding::new("flush-of-another-area", expected, seen)
            }
            None => {
                let count = flushes.len();
                let seen = text!(
                    "none; of {all} areas, {count} are flushed",
                    "没有；{all} 块区域刷新了 {count} 块"
                );
                Finding::new("flush-missing", expected, seen)
            }
        });
    }
    let early = flushes.iter().zip(1..).find(|((_, before), number)| before < number);
    if let Some(((area, _), _)) = early.filter(|_| transfers >= all) {
        let place = columns_and_rows(&[*area]);
        let expected = text!(
            "TRANSFER_TO_HOST_2D, then RESOURCE_FLUSH, for {place}",
            "区域 {place} 先 TRANSFER_TO_HOST_2D，后 RESOURCE_FLUSH"
        );
        let seen = text!("the flush came first", "先来的是刷新");
        return Some(Finding::new("flush-before-transfer", expected, seen));
    }
    (transfers > all || flushes.len() > all).then(|| {
        let flushes = flushes.len();
        let expected = text!("{all} transfers and {all} flushes", "{all} 次传输和 {all} 次刷新");
        let seen = text!("{transfers} and {flushes}", "{transfers} 次和 {flushes} 次");
        Finding::new("too-many-commands", expected, seen)
    })
}
