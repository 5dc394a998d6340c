//! From what is on the screen to the one likely cause.

use ::plan::rects::Area;
use lab::{
    picture::Picture,
    qemu::gpu_trace::{self, Told},
};

use super::{
    commands::{self, Command},
    plan::{Pixel, Plan, columns_and_rows, holds, hull, tipped, turned},
};
use crate::{diagnosis::Finding, language::text};

/// Compares what was to be shown with the screen and with what the device was told; `None` if all is well.
pub fn compare(plan: &Plan, picture: &Picture, told: &[Told]) -> Option<Finding> {
    let refused = told.iter().find_map(|told| match *told {
        Told::Outside { at: (x, y), size: (width, height), .. } => {
            Some(Area { x, y, width, height })
        }
        _ => None,
    });
    if let Some(area) = refused {
        return Some(outside(plan, area));
    }
    if gpu_trace::shown(told, 0) != Some(plan.size) || picture.size() != plan.size {
        let expected = text!("a picture that fills the screen", "一幅铺满屏幕的画面");
        return Some(Finding::new("nothing-shown", expected, text!("none", "没有")));
    }
    let commands = commands::of(told);
    compare_pixels(plan, picture, &commands).or_else(|| commands::compare(plan, &commands))
}

/// A command that the device has refused, as its rectangle leaves the screen.
fn outside(plan: &Plan, found: Area) -> Finding {
    let screen = Area::new(0, 0, plan.size.0, plan.size.1);
    let areas = || plan.areas().map(|(_, area)| area).chain([screen]);
    let was = |turn: fn(Area) -> Area| areas().find(|area| turn(*area) == found);
    let (cause, wanted) = if let Some(area) = was(tipped) {
        ("width-and-height-swapped", area)
    } else if let Some(area) = was(turned).or_else(|| was(|area| turned(tipped(area)))) {
        ("x-and-y-swapped", area)
    } else {
        ("outside-the-screen", screen)
    };
    let (wanted, found) = (columns_and_rows(&[wanted]), columns_and_rows(&[found]));
    let expected = match cause {
        "outside-the-screen" => {
            text!("commands for areas within {wanted}", "命令的区域不超出 {wanted}")
        }
        _ => text!("commands for {wanted}", "命令的区域是 {wanted}"),
    };
    let seen = text!("one for {found}, which is refused", "有一条是 {found}，被设备拒绝");
    Finding::new(cause, expected, seen)
}

/// A transfer from behind the end of the backing, which QEMU does not survive.
pub fn behind_the_end(plan: &Plan) -> Finding {
    let bytes = 4 * u64::from(plan.size.0) * u64::from(plan.size.1);
    let expected = text!("offsets below {bytes}", "偏移小于 {bytes}");
    let seen =
        text!("QEMU's device reads behind that, and aborts", "QEMU 的设备读到了那之后，于是中止");
    Finding::new("offset-behind-the-end", expected, seen)
}

/// Judges by the screen. The first step at fault is told: it may have spoilt what came later.
fn compare_pixels(plan: &Plan, picture: &Picture, commands: &[Command]) -> Option<Finding> {
    let pixels = plan.pixels(picture);
    let wrong = || pixels.iter().filter(|pixel| !pixel.is_of(pixel.owner));
    let all_wrong = hull(wrong())?;
    let last = plan.steps.len() as u32;
    for (step, areas) in (1..).zip(&plan.steps) {
        // What a later step has put there is its own fault.
        let is_own =
            |pixel: &&Pixel| pixel.owner == step && !(step + 1..=last).contains(&pixel.from.0);
        let spoilt = areas.iter().find_map(|area| {
            let inside = pixels.iter().filter(is_own).filter(|p| area.contains(p.x, p.y));
            let inside: Vec<Pixel> = inside.copied().collect();
            (!inside.iter().all(|pixel| pixel.is_of(step))).then_some((*area, inside))
        });
        let more = hull(pixels.iter().filter(|pixel| pixel.from.0 == step && pixel.owner < step));
        match (more, spoilt) {
            (None, None) => {}
            (None, Some((area, inside))) => {
                return Some(spoilt_area(plan, step, area, &inside, commands));
            }
            (Some(more), None) => {
                let (areas, more) = (columns_and_rows(areas), columns_and_rows(&[more]));
                let expected = text!("the new picture at {areas} only", "只在 {areas} 处是新画面");
                let seen = text!("it is also within {more}", "在 {more} 之内也有");
                return Some(Finding::new("too-much-shown", expected, seen));
            }
            (Some(_), Some((area, _))) => {
                let shown = hull(pixels.iter().filter(|pixel| pixel.from.0 == step))?;
                return Some(shown_elsewhere(area, shown));
            }
        }
    }
    let all_wrong = columns_and_rows(&[all_wrong]);
    let expected = text!("the first picture at {all_wrong}", "{all_wrong} 处是第一幅画面");
    Some(Finding::new("wrong-pixels", expected, text!("something else", "是别的像素")))
}

/// An area that is not whole, and something of it is seen at another place.
fn shown_elsewhere(area: Area, shown: Area) -> Finding {
    let cause = match () {
        () if holds(turned(area), shown) => "x-and-y-swapped",
        () if holds(tipped(area), shown) => "width-and-height-swapped",
        () => "shown-elsewhere",
    };
    let (area, shown) = (columns_and_rows(&[area]), columns_and_rows(&[shown]));
    let expected = text!("the new picture at {area}", "{area} 处是新画面");
    Finding::new(cause, expected, text!("it is at {shown}", "它在 {shown} 处"))
}

/// An area that does not show what it should, and nothing of it is seen elsewhere.
fn spoilt_area(
    plan: &Plan,
    step: u32,
    area: Area,
    inside: &[Pixel],
    commands: &[Command],
) -> Finding {
    let place = columns_and_rows(&[area]);
    let expected = text!("the new picture at {place}", "{place} 处是新画面");
    let old = inside.iter().filter(|pixel| pixel.is_older_than(step)).count();
    if old == inside.len() {
        let transfers = commands.iter().filter(|command| **command == Command::Transfer).count();
        let (cause, seen) = if !commands.contains(&Command::Flush(area)) {
            (
                "area-left-out",
                text!("the old one, which nothing was to replace", "还是旧画面，没有命令要更换它"),
            )
        } else if transfers < plan.areas().count() {
            let seen = text!(
                "the old one: RESOURCE_FLUSH came, and no transfer with it",
                "还是旧画面：来了 RESOURCE_FLUSH，却没有相应的传输"
            );
            ("transfer-missing", seen)
        } else {
            let seen =
                text!("the old one, though both commands came", "还是旧画面，尽管两条命令都来了");
            ("not-copied", seen)
        };
        return Finding::new(cause, expected, seen);
    }
    let new = || inside.iter().filter(|pixel| pixel.is_of(step));
    if let Some(part) = hull(new())
        && old + new().count() == inside.len()
    {
        let part = columns_and_rows(&[part]);
        let seen =
            text!("only at {part}, and the old one beside it", "只在 {part} 处，旁边是旧画面");
        return Finding::new("part-missing", expected, seen);
    }
    let right = plan.offset(area);
    let candidates = [
        (0, "offset-forgotten"),
        (4 * (area.y * area.width + area.x) as usize, "offset-by-the-area"),
        (right / 4, "offset-in-pixels"),
    ];
    let frames = plan.frames(step);
    let found = candidates.into_iter().find(|(offset, _)| {
        *offset != right
            && inside.iter().all(|pixel| plan.is_fetched(pixel, area, *offset, &frames))
    });
    if let Some((offset, cause)) = found {
        let seen = text!(
            "what the backing holds from byte {offset} on, and not from {right} on",
            "是后备内存从第 {offset} 字节起的内容，而不是从第 {right} 字节起"
        );
        return Finding::new(cause, expected, seen);
    }
    let distance = inside.first().map_or(0, |pixel| plan.distance(pixel));
    let is_shifted = |pixel: &Pixel| pixel.from.0 <= step && plan.distance(pixel) == distance;
    if distance != 0 && inside.iter().all(is_shifted) {
        let bytes = 4 * distance;
        let seen = text!(
            "what the backing holds {bytes} bytes further on",
            "是后备内存里相差 {bytes} 字节处的内容"
        );
        return Finding::new("offset-wrong", expected, seen);
    }
    Finding::new("wrong-pixels", expected, text!("something else", "是别的像素"))
}
