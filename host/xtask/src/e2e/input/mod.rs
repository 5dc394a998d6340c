//! Keyboards, mice and tablets: what `job=events` prints is what QEMU was told to send, in order, less what QEMU
//! itself says to have thrown away.

mod listener;

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use self::listener::{Listener, REPORT, compare, printed};
use super::{Case, lab::Lab};

pub const CASES: &[Case] = &[
    Case::anywhere("input-keys-come-in-order", keys),
    Case::anywhere("input-keys-by-polling", keys_by_polling),
    Case::anywhere("input-mouse-and-tablet", pointers),
    Case::anywhere("input-tells-what-it-is", information),
    Case::anywhere("input-all-buffers-are-in-use", all_buffers),
    Case::once("input-few-buffers", few_buffers),
    Case::once("input-groups-that-do-not-fit", too_large),
    Case::once("input-at-1000-a-second", paced),
    Case::once_anywhere("input-flood", flood),
    Case::once("input-flood-by-polling", flood_by_polling),
    Case::once_anywhere("input-caps-lock-lights-up", light),
    Case::once_anywhere("input-ends-by-time-and-by-ctrl-c", ends),
    Case::once("input-refused", refused),
];

const KEYBOARD: &str = "virtio-keyboard-device";
const MOUSE: &str = "virtio-mouse-device";
const TABLET: &str = "virtio-tablet-device";

/// The number of the queue in which a keyboard is told of its lights.
const STATUSQ: u16 = 1;

/// The buffers that the driver posts: so many events may be on their way.
const BUFFERS: usize = 64;

/// Some keys by QEMU's names and by those of evdev.
const KEYS: &[(&str, &str)] = &[
    ("esc", "ESC"),
    ("1", "1"),
    ("minus", "MINUS"),
    ("backspace", "BACKSPACE"),
    ("tab", "TAB"),
    ("q", "Q"),
    ("bracket_left", "LEFTBRACE"),
    ("ret", "ENTER"),
    ("ctrl", "LEFTCTRL"),
    ("a", "A"),
    ("semicolon", "SEMICOLON"),
    ("apostrophe", "APOSTROPHE"),
    ("grave_accent", "GRAVE"),
    ("shift", "LEFTSHIFT"),
    ("backslash", "BACKSLASH"),
    ("z", "Z"),
    ("comma", "COMMA"),
    ("slash", "SLASH"),
    ("shift_r", "RIGHTSHIFT"),
    ("kp_multiply", "KPASTERISK"),
    ("alt", "LEFTALT"),
    ("spc", "SPACE"),
    ("f1", "F1"),
    ("f12", "F12"),
    ("kp_7", "KP7"),
    ("kp_subtract", "KPMINUS"),
    ("kp_enter", "KPENTER"),
    ("ctrl_r", "RIGHTCTRL"),
    ("kp_divide", "KPSLASH"),
    ("sysrq", "SYSRQ"),
    ("alt_r", "RIGHTALT"),
    ("home", "HOME"),
    ("up", "UP"),
    ("pgup", "PAGEUP"),
    ("left", "LEFT"),
    ("right", "RIGHT"),
    ("end", "END"),
    ("down", "DOWN"),
    ("pgdn", "PAGEDOWN"),
    ("insert", "INSERT"),
    ("delete", "DELETE"),
    ("pause", "PAUSE"),
    ("less", "102ND"),
    ("meta_l", "LEFTMETA"),
    ("meta_r", "RIGHTMETA"),
    ("compose", "COMPOSE"),
];

pub fn key(name: &str, down: bool) -> Value {
    json!({ "type": "key", "data": { "down": down, "key": { "type": "qcode", "data": name } } })
}

pub fn button(name: &str, down: bool) -> Value {
    json!({ "type": "btn", "data": { "down": down, "button": name } })
}

pub fn relative(axis: &str, by: i32) -> Value {
    json!({ "type": "rel", "data": { "axis": axis, "value": by } })
}

pub fn absolute(axis: &str, position: usize) -> Value {
    json!({ "type": "abs", "data": { "axis": axis, "value": position } })
}

fn keys(lab: &Lab) -> Result<()> {
    run_keys(lab, "")
}

fn keys_by_polling(lab: &Lab) -> Result<()> {
    run_keys(lab, "virtio.polling=on")
}

/// Each key alone, and groups of several.
fn run_keys(lab: &Lab, options: &str) -> Result<()> {
    let each = KEYS.iter().flat_map(|key| [vec![(*key, true)], vec![(*key, false)]]);
    let several = [true, false].map(|down| KEYS.iter().take(20).map(|key| (*key, down)).collect());
    let (mut groups, mut expected) = (Vec::new(), Vec::new());
    for group in each.chain(several) {
        for ((_, evdev), down) in &group {
            expected.push(format!("0: EV_KEY KEY_{evdev} {}", u8::from(*down)));
        }
        expected.push(format!("0: {REPORT}"));
        groups.push(group.iter().map(|((qemu, _), down)| key(qemu, *down)).collect::<Vec<_>>());
    }
    let parameters = format!("count={} {options}", expected.len());
    let mut listener = Listener::start(lab, &[KEYBOARD], &parameters)?;
    listener.send_all(&groups, BUFFERS)?;
    listener.finish(&expected, 0)?;
    Ok(())
}

/// A tablet tells places, and a mouse movements. With both, QEMU gives a button to the one whose driver came last.
fn pointers(lab: &Lab) -> Result<()> {
    for devices in [[TABLET, MOUSE], [MOUSE, TABLET]] {
        let number = |name| devices.iter().position(|device| *device == name).unwrap_or_default();
        let (tablet, mouse, last) = (number(TABLET), number(MOUSE), 1);
        let groups = [
            (
                vec![absolute("x", 16384), absolute("y", 32767)],
                tablet,
                vec!["EV_ABS ABS_X 16384", "EV_ABS ABS_Y 32767"],
            ),
            (vec![absolute("x", 0)], tablet, vec!["EV_ABS ABS_X 0"]),
            (
                vec![relative("x", 5), relative("y", -7)],
                mouse,
                vec!["EV_REL REL_X 5", "EV_REL REL_Y -7"],
            ),
            (vec![button("left", true)], last, vec!["EV_KEY BTN_LEFT 1"]),
            (vec![button("left", false)], last, vec!["EV_KEY BTN_LEFT 0"]),
            (vec![button("wheel-down", true)], last, vec!["EV_REL REL_WHEEL -1"]),
        ];
        let mut listener = Listener::start(lab, &devices, "count=14")?;
        let mut expected = Vec::new();
        for (sent, device, events) in groups {
            listener.send(&sent)?;
            let lines = events.iter().chain([&REPORT]);
            expected.extend(lines.map(|event| format!("{device}: {event}")));
            // Of two devices that have something to say at once, either may be heard first.
            listener.wait_for(expected.len())?;
        }
        let outcome = listener.finish(&expected, 0)?;
        for (number, name) in [(tablet, "Tablet"), (mouse, "Mouse")] {
            outcome.expect_words(&[&format!("input {number}: \"QEMU Virtio {name}\", ")])?;
        }
    }
    Ok(())
}

fn information(lab: &Lab) -> Result<()> {
    let machine = lab.machine().device(&format!("{KEYBOARD},serial=k\u{e9}y"));
    let outcome = machine.device(TABLET).boot("job=events seconds=1")?;
    outcome.expect_words(&[
        "\"QEMU Virtio Keyboard\", serial \"k\u{e9}y\", bus 6, vendor 0x627, product 0x1, version 1",
        "EV_KEY ",
        "EV_LED 3",
    ])?;
    outcome.expect_words(&[
        "\"QEMU Virtio Tablet\", serial \"\", bus 6, vendor 0x627, product 0x3, ",
        "EV_ABS 2",
        "ABS_X 0 to 32767, ABS_Y 0 to 32767",
    ])?;
    let details = outcome.expect_ok("events")?;
    ensure!(details == "0 events, missing=0 malformed=0", "the details are {details:?}");
    Ok(())
}

/// The groups of a tablet that is moved to one place after the other.
fn moves(count: usize) -> (Vec<Vec<Value>>, Vec<String>) {
    let groups = (0..count).map(|place| vec![absolute("x", place)]).collect();
    let lines = |place| [format!("0: EV_ABS ABS_X {place}"), format!("0: {REPORT}")];
    (groups, (0..count).flat_map(lines).collect())
}

/// As long as no more events are on their way than there are buffers, none is lost.
fn all_buffers(lab: &Lab) -> Result<()> {
    let (groups, expected) = moves(1000);
    let mut listener = Listener::start(lab, &[TABLET], &format!("count={}", expected.len()))?;
    listener.send_all(&groups, BUFFERS)?;
    listener.finish(&expected, 0)?;
    Ok(())
}

fn few_buffers(lab: &Lab) -> Result<()> {
    let (groups, expected) = moves(100);
    let parameters = format!("count={} virtio.queue_size=2", expected.len());
    let mut listener = Listener::start(lab, &[TABLET], &parameters)?;
    listener.send_all(&groups, 2)?;
    listener.finish(&expected, 0)?;
    Ok(())
}

/// QEMU throws a group away as a whole that finds too few buffers; those beside it come.
fn too_large(lab: &Lab) -> Result<()> {
    let (groups, expected) = moves(20);
    let mut listener = Listener::start(lab, &[TABLET], &format!("count={}", expected.len()))?;
    // With its end it is one event more than there are buffers.
    let large: Vec<_> = (0..BUFFERS).map(|place| absolute("y", place)).collect();
    for (sent, group) in groups.iter().enumerate() {
        listener.wait_for(2 * sent)?;
        listener.send(&large)?;
        listener.send(group)?;
    }
    listener.finish(&expected, groups.len())?;
    Ok(())
}

fn paced(lab: &Lab) -> Result<()> {
    account(lab, "", 2000, Some(Duration::from_millis(1)))
}

fn flood(lab: &Lab) -> Result<()> {
    account(lab, "", 5000, None)
}

fn flood_by_polling(lab: &Lab) -> Result<()> {
    account(lab, "virtio.polling=on", 5000, None)
}

/// However fast events are sent: the groups that come are those sent, less as many as QEMU says to have thrown away.
fn account(lab: &Lab, options: &str, count: usize, pace: Option<Duration>) -> Result<()> {
    let mut listener = Listener::start(lab, &[TABLET], options)?;
    let (mut due, (groups, lines)) = (Instant::now(), moves(count));
    for group in &groups {
        if let Some(pace) = pace {
            due += pace;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        listener.send(group)?;
    }
    // QEMU has dealt with a group when it answers the command, and has written its trace by then.
    let dropped = listener.dropped()?;
    let expected = lines.len() - 2 * dropped;
    listener.wait_for(expected)?;
    let outcome = listener.interrupt()?;
    let printed: Vec<_> = printed(outcome.console()).collect();
    ensure!(
        printed.len() == expected,
        "{} events came of {}, {dropped} groups of which QEMU has thrown away",
        printed.len(),
        lines.len()
    );
    // In order, and each group as a whole.
    let mut sent = lines.chunks(2);
    for group in printed.chunks(2) {
        ensure!(sent.any(|sent| sent == group), "{group:?} was not sent, or not in this order");
    }
    Ok(())
}

/// The kernel tells the keyboard to switch its light, once for each stroke of Caps Lock.
fn light(lab: &Lab) -> Result<()> {
    let mut listener = Listener::start(lab, &[KEYBOARD], "count=12")?;
    let mut expected = Vec::new();
    for strokes in 1..=3 {
        let mut told = 0;
        for down in [true, false] {
            told = listener.chains_taken(STATUSQ)?;
            listener.send(&[key("caps_lock", down)])?;
            let value = u8::from(down);
            expected.extend([format!("0: EV_KEY KEY_CAPSLOCK {value}"), format!("0: {REPORT}")]);
            listener.wait_for(expected.len())?;
        }
        // As of when the key was let go: with the last event, the machine ends.
        ensure!(told == strokes, "the keyboard was told {told} times in {strokes} strokes");
    }
    listener.finish(&expected, 0)?;
    Ok(())
}

fn ends(lab: &Lab) -> Result<()> {
    let outcome = lab.machine().device(KEYBOARD).boot("job=events seconds=1 count=1")?;
    let details = outcome.expect_ok("events")?;
    ensure!(details == "0 events, missing=0 malformed=0", "the details are {details:?}");
    for options in ["", "virtio.polling=on"] {
        let outcome = Listener::start(lab, &[KEYBOARD, MOUSE], options)?.interrupt()?;
        compare(&outcome, &[])?;
    }
    Ok(())
}

fn refused(lab: &Lab) -> Result<()> {
    let words = ["no input device found", KEYBOARD, TABLET, MOUSE];
    lab.machine().boot("job=events")?.expect_failed_with("events", &words)?;
    for parameters in ["count=0", "seconds=0", "count=few", "device=0"] {
        let outcome = lab.machine().device(KEYBOARD).boot(&format!("job=events {parameters}"))?;
        let key = parameters.split('=').next().unwrap_or_default();
        outcome.expect_failed_with("events", &[key])?;
    }
    Ok(())
}
