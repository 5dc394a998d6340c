use ::plan::rects::Area;
use lab::{picture::Picture, qemu::gpu_trace::Told};

use super::{compare::compare, *};

const SEEDS: [u64; 4] = [0, 1, 2, 3];
const SIZE: (u32, u32) = (247, 203);

/// A device, and the backing of a driver that makes mistakes.
struct Device {
    backing: Vec<u8>,
    resource: Vec<u8>,
    told: Vec<Told>,
}

/// The way of an area to the screen, which is given the new frame.
type Show<'a> = &'a dyn Fn(&mut Device, &[u8], Area);

/// The way of all areas of a step.
type ShowAll<'a> = &'a dyn Fn(&mut Device, &[u8], &[Area]);

fn plan(scene: Scene, seed: u64) -> Plan {
    let steps = rects::steps(scene, seed, SIZE).unwrap();
    Plan { steps, colours: Colours::new(seed, SIZE), size: SIZE }
}

fn at(x: u32, y: u32) -> usize {
    4 * (y * SIZE.0 + x) as usize
}

fn offset(area: Area) -> usize {
    at(area.x, area.y)
}

impl Device {
    /// Copies rows of an area, as far as they are there, from the same place of the frame.
    fn copy(&mut self, frame: &[u8], start: usize, area: Area) {
        for row in 0..area.height {
            let start = start + at(0, row);
            let bytes = start..start + 4 * area.width as usize;
            let (to, from) = (self.backing.get_mut(bytes.clone()), frame.get(bytes));
            if let (Some(to), Some(from)) = (to, from) {
                to.copy_from_slice(from);
            }
        }
    }

    fn transfer(&mut self, to: Area, offset: usize) {
        let Area { x, y, width, height } = to;
        self.told.push(Told::Transfer { resource: 1 });
        if x + width > SIZE.0 || y + height > SIZE.1 {
            self.told.push(Told::Outside { resource: 1, at: (x, y), size: (width, height) });
            return;
        }
        for row in 0..height {
            let (from, to) = (offset + at(0, row), at(x, y + row));
            for byte in 0..4 * width as usize {
                self.resource[to + byte] = self.backing.get(from + byte).copied().unwrap_or(0);
            }
        }
    }

    fn flush(&mut self, area: Area) {
        let Area { x, y, width, height } = area;
        self.told.push(Told::Flush { resource: 1, at: (x, y), size: (width, height) });
    }

    fn right(&mut self, frame: &[u8], area: Area) {
        self.copy(frame, offset(area), area);
        self.transfer(area, offset(area));
        self.flush(area);
    }
}

/// The cause that is told, with every seed, when each area is shown this way.
fn cause(scene: Scene, show: Show<'_>) -> Option<&'static str> {
    cause_of_steps(scene, &|device, frame, areas| {
        areas.iter().for_each(|area| show(device, frame, *area));
    })
}

fn cause_of_steps(scene: Scene, show: ShowAll<'_>) -> Option<&'static str> {
    let causes = SEEDS.map(|seed| cause_of_run(scene, seed, show));
    assert!(causes.iter().all(|cause| *cause == causes[0]), "{causes:?}");
    causes[0]
}

fn cause_of_run(scene: Scene, seed: u64, show: ShowAll<'_>) -> Option<&'static str> {
    let plan = plan(scene, seed);
    let frames = plan.frames(plan.steps.len() as u32);
    let screen = Area::new(0, 0, SIZE.0, SIZE.1);
    let (backing, resource) = (vec![0; frames[0].len()], vec![0; frames[0].len()]);
    let mut device = Device { backing, resource, told: Vec::new() };
    device.copy(&frames[0], 0, screen);
    device.transfer(screen, 0);
    device.told.push(Told::Scanout { output: 0, resource: 1, size: SIZE });
    device.flush(screen);
    for (areas, frame) in plan.steps.iter().zip(&frames[1..]) {
        show(&mut device, frame, areas);
    }
    let picture = Picture::from_fn(SIZE.0, SIZE.1, |x, y| {
        let pixel = &device.resource[at(x, y)..];
        [pixel[0], pixel[1], pixel[2]]
    });
    compare(&plan, &picture, &device.told).map(|finding| finding.cause)
}

/// Fetches each area from this byte of the backing, to which it was copied or not.
fn fetched(from: fn(Area) -> usize, copies_right: bool) -> Option<&'static str> {
    cause(Scene::Places, &|device, frame, area| {
        let copied_to = if copies_right { offset(area) } else { from(area) };
        device.copy(frame, copied_to, area);
        device.transfer(area, from(area));
        device.flush(area);
    })
}

/// Copies, transfers and flushes another area instead.
fn instead(turn: fn(Area) -> Area) -> Option<&'static str> {
    cause(Scene::Places, &|device, frame, area| device.right(frame, turn(area)))
}

#[test]
fn what_is_right_is_not_complained_of() {
    for (_, scene) in Scene::ALL {
        assert_eq!(cause(scene, &Device::right), None);
    }
    let batched = cause_of_steps(Scene::Several, &|device, frame, areas| {
        areas.iter().for_each(|area| device.copy(frame, offset(*area), *area));
        areas.iter().for_each(|area| device.transfer(*area, offset(*area)));
        areas.iter().for_each(|area| device.flush(*area));
    });
    assert_eq!(batched, None);
}

#[test]
fn offsets_are_told_from_each_other() {
    for copies_right in [false, true] {
        assert_eq!(fetched(|_| 0, copies_right), Some("offset-forgotten"));
        let by_area = fetched(|area| 4 * (area.y * area.width + area.x) as usize, copies_right);
        assert_eq!(by_area, Some("offset-by-the-area"));
        assert_eq!(fetched(|area| offset(area) / 4, copies_right), Some("offset-in-pixels"));
        assert_eq!(fetched(|area| at(0, area.y), copies_right), Some("offset-wrong"));
    }
}

#[test]
fn rectangles_are_told_from_each_other() {
    assert_eq!(instead(plan::turned), Some("x-and-y-swapped"));
    assert_eq!(instead(plan::tipped), Some("width-and-height-swapped"));
    assert_eq!(instead(|area| Area { x: 0, y: 0, ..area }), Some("shown-elsewhere"));
    let corners =
        |area: Area| Area { width: area.x + area.width, height: area.y + area.height, ..area };
    assert_eq!(instead(corners), Some("outside-the-screen"));
    assert_eq!(instead(|area| Area { height: 1, ..area }), Some("part-missing"));
    assert_eq!(instead(|_| Area::new(0, 0, SIZE.0, SIZE.1)), Some("too-much-shown"));
}

#[test]
fn commands_that_are_missing_are_told() {
    let show = |copies: bool, transfers: bool, flushes: bool| {
        cause(Scene::Edges, &move |device, frame, area| {
            if copies {
                device.copy(frame, offset(area), area);
            }
            if transfers {
                device.transfer(area, offset(area));
            }
            if flushes {
                device.flush(area);
            }
        })
    };
    assert_eq!(show(false, false, false), Some("area-left-out"));
    assert_eq!(show(true, false, true), Some("transfer-missing"));
    assert_eq!(show(true, true, false), Some("flush-missing"));
    assert_eq!(show(false, true, true), Some("not-copied"));
}

#[test]
fn commands_that_the_pixels_do_not_tell_are_told() {
    let early = cause(Scene::Places, &|device, frame, area| {
        device.copy(frame, offset(area), area);
        device.flush(area);
        device.transfer(area, offset(area));
    });
    assert_eq!(early, Some("flush-before-transfer"));
    let larger = cause(Scene::Places, &|device, frame, area| {
        device.copy(frame, offset(area), area);
        device.transfer(area, offset(area));
        device.flush(Area::new(0, 0, SIZE.0, SIZE.1));
    });
    assert_eq!(larger, Some("flush-of-another-area"));
    let twice = cause(Scene::Places, &|device, frame, area| {
        device.right(frame, area);
        device.transfer(area, offset(area));
    });
    assert_eq!(twice, Some("too-many-commands"));
}

#[test]
fn several_areas_are_told_from_one() {
    let first = cause_of_steps(Scene::Several, &|device, frame, areas| {
        device.right(frame, areas[0]);
    });
    assert_eq!(first, Some("area-left-out"));
    let joined = cause_of_steps(Scene::Several, &|device, frame, areas| {
        let (first, last) = (areas[0], areas[areas.len() - 1]);
        let height = last.y + last.height - first.y;
        device.right(frame, Area::new(0, first.y, SIZE.0, height));
    });
    assert_eq!(joined, Some("too-much-shown"));
}

#[test]
fn a_screen_without_a_picture_is_told() {
    let plan = plan(Scene::Edges, SEEDS[0]);
    let empty = Picture::from_fn(640, 480, |_, _| [0; 3]);
    assert_eq!(compare(&plan, &empty, &[]).unwrap().cause, "nothing-shown");
    let (width, height) = SIZE;
    let tipped = [Told::Outside { resource: 1, at: (0, 0), size: (height, width) }];
    assert_eq!(compare(&plan, &empty, &tipped).unwrap().cause, "width-and-height-swapped");
}
