//! The console on a screen, and the shell in it, typed to on a keyboard.

mod machine;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use lab::qemu::Disk;
use sfs::{FileSystem, MountOptions, StdLocks};
use sfs_proof::disk::{BLOCK, Disk as Memory, Image};

use self::machine::{Machine, line, text};
use super::{Case, lab::Lab};

pub const CASES: &[Case] = &[
    Case::anywhere("screen-shows-the-shell", shows),
    Case::once_anywhere("screen-keys-edit-lines", keys),
    Case::once_anywhere("screen-ctrl-c-stops-a-cat", ctrl_c),
    Case::once("screen-shows-little-anew", little),
    Case::once_anywhere("screen-follows-a-resize", resized),
    Case::once("screen-needs-a-gpu", no_gpu),
];

const SIZE: (u32, u32) = (1024, 768);

/// Names as people here give them: simplified and traditional characters, rare ones, and mixed with others.
const NAMES: [&str; 6] = [
    "\u{4f60}\u{597d}.txt",
    "\u{4f5c}\u{696d}\u{7b2c}3\u{8bfe}",
    "\u{5586}\u{5803}",
    "\u{9f8d}\u{8207}\u{9f99}",
    "caf\u{e9}",
    "\u{1f600}",
];

/// A disk with files of these names, made on the host.
fn disk(lab: &Lab) -> Result<PathBuf> {
    const BLOCKS: u32 = 2048;
    let memory = Memory::new(Image::zeros(BLOCKS));
    sfs::format(&memory, BLOCKS)?;
    let fs = FileSystem::<_, StdLocks>::mount(memory.clone(), MountOptions::default())?;
    for name in NAMES {
        fs.root().create(name)?;
    }
    let long = fs.root().create("long")?;
    let line = format!("{}\n", "0123456789".repeat(6));
    long.write_at(0, line.repeat(30_000).as_bytes())?;
    fs.sync()?;
    let image = memory.image();
    let blocks = (0..BLOCKS).map(|number| image.block(number).copied().unwrap_or([0; BLOCK]));
    let path = lab.file("sfs.img");
    fs::write(&path, blocks.flatten().collect::<Vec<_>>())?;
    Ok(path)
}

/// The shell answers on the screen, with all names of files, to whoever types on the keyboard or at the serial port.
fn shows(lab: &Lab) -> Result<()> {
    let path = disk(lab)?;
    let mut machine = Machine::start(lab, Disk::file(&path), SIZE)?;
    machine.wait_for_picture()?;
    machine.perform("ls /", "\u{1f600}")?;
    let rows = text(&machine.terminal()?);
    for name in NAMES {
        ensure!(rows.iter().any(|row| row == name), "{name} is not in {rows:#?}");
    }
    machine.wait_for_picture()?;
    machine.type_at_port("echo \u{4f60}\u{597d}, \u{8bfe} > \u{4f60}\u{597d}.txt\n")?;
    machine.type_at_port("cat \u{4f60}\u{597d}.txt\n")?;
    machine.wait_for_answer("\u{4f60}\u{597d}, \u{8bfe}")?;
    machine.wait_for_picture()?;
    // What leaves at the top is gone.
    machine.perform("tree", "files")?;
    for number in 0..45 {
        machine.type_at_port(&format!("echo line {number}\n"))?;
    }
    machine.wait_for_answer("line 44")?;
    machine.wait_for_picture()?;
    machine.power_off()?;
    Ok(())
}

/// Shift, Caps Lock, a key that repeats, and those that move.
fn keys(lab: &Lab) -> Result<()> {
    let path = disk(lab)?;
    let mut machine = Machine::start(lab, Disk::file(&path), SIZE)?;
    machine.perform("echo Shift 1", "Shift 1")?;
    machine.type_in("echo ")?;
    machine.press(&["caps_lock"])?;
    for key in ["a", "b", "1"] {
        machine.press(&[key])?;
    }
    machine.press(&["shift", "c"])?;
    machine.press(&["caps_lock"])?;
    machine.perform("d", "AB1cd")?;
    // As a window sends a key that is held.
    machine.type_in("echo ")?;
    machine.send([("x", true); 5].into_iter().chain([("x", false)]))?;
    machine.press(&["ret"])?;
    machine.wait_for_answer("xxxxx")?;
    machine.type_in("echo abcd")?;
    for key in ["left", "left", "backspace", "delete", "home", "delete"] {
        machine.press(&[key])?;
    }
    for key in ["e", "end", "tab", "z", "ret"] {
        machine.press(&[key])?;
    }
    machine.wait_for_answer("ad z")?;
    // The line before that, changed; nothing of what is dropped.
    machine.press(&["up"])?;
    machine.press(&["up"])?;
    machine.wait_for_prompt("/> echo xxxxx")?;
    machine.perform("y", "xxxxxy")?;
    machine.type_in("rm")?;
    machine.press(&["ctrl", "c"])?;
    machine.wait_until("the line was dropped", |terminal| {
        let rows = text(terminal);
        ensure!(rows.iter().any(|row| row == "/> rm^C") && line(terminal) == "/> ", "{rows:#?}");
        Ok(())
    })?;
    machine.wait_for_picture()?;
    machine.press(&["ctrl", "l"])?;
    machine.wait_until("the screen was empty", |terminal| {
        ensure!(text(terminal).join("") == "/>", "{:#?}", text(terminal));
        Ok(())
    })?;
    machine.wait_for_picture()?;
    machine.power_off()?;
    Ok(())
}

/// The keyboard stops a command that prints for long, and the shell goes on.
fn ctrl_c(lab: &Lab) -> Result<()> {
    let path = disk(lab)?;
    let mut machine = Machine::start(lab, Disk::file(&path), SIZE)?;
    machine.type_in("cat long long long long")?;
    machine.press(&["ret"])?;
    machine.wait_until("the file was shown", |terminal| {
        let rows = text(terminal);
        let line = "0123456789".repeat(6);
        ensure!(rows.iter().filter(|row| **row == line).count() > 40, "{rows:#?}");
        Ok(())
    })?;
    machine.press(&["ctrl", "c"])?;
    machine.wait_for_answer("interrupted")?;
    machine.perform("echo goes on", "goes on")?;
    // So much text may have come at once that some of it never was on the screen.
    machine.press(&["ctrl", "l"])?;
    machine.wait_for_picture()?;
    machine.power_off()?;
    Ok(())
}

/// The device is told of no more than what has changed.
fn little(lab: &Lab) -> Result<()> {
    let full = u64::from(SIZE.0 * SIZE.1);
    let path = disk(lab)?;
    let mut machine = Machine::start(lab, Disk::file(&path), SIZE)?;
    machine.wait_for_picture()?;
    let mut new = |keys: &dyn Fn(&mut Machine) -> Result<()>| {
        let before = machine.flushed()?.len();
        keys(&mut machine)?;
        machine.wait_for_picture()?;
        let flushed = machine.flushed()?;
        let new = flushed.get(before..).context("the trace became shorter")?;
        ensure!(!new.is_empty(), "the device was told of nothing");
        Ok(new.iter().sum::<u64>())
    };
    // A key costs two cells: its own, and the cursor's.
    let key = new(&|machine| machine.type_in("e"))?;
    ensure!(key <= 2 * 8 * 16, "a key costs {key} pixels");
    let line = new(&|machine| machine.perform("cho a line of text", "a line of text"))?;
    ensure!(line * 20 <= full, "a line costs {line} pixels of {full}");
    let wide = "x".repeat(128 - 6);
    let wide = new(&|machine| {
        machine.type_at_port(&format!("{wide}\r"))?;
        machine.wait_for_answer("help lists those there are")
    })?;
    ensure!(wide * 4 <= full, "a wide line costs {wide} pixels of {full}");
    // Nothing changes by itself.
    let before = machine.flushed()?.len();
    std::thread::sleep(std::time::Duration::from_millis(500));
    ensure!(machine.flushed()?.len() == before, "the device is told of what has not changed");
    machine.power_off()?;
    Ok(())
}

/// Somebody makes the window smaller, and larger than it was.
fn resized(lab: &Lab) -> Result<()> {
    let path = disk(lab)?;
    let mut machine = Machine::start(lab, Disk::file(&path), SIZE)?;
    machine.perform("ls", NAMES[5])?;
    machine.wait_for_picture()?;
    for (width, height) in [(640, 480), (1280, 800), (801, 599), SIZE] {
        machine.resize(width, height)?;
        machine.wait_for_picture()?;
    }
    machine.perform("echo at last", "at last")?;
    machine.wait_for_picture()?;
    machine.power_off()?;
    Ok(())
}

fn no_gpu(lab: &Lab) -> Result<()> {
    let path = disk(lab)?;
    let outcome = lab.machine().disk(Disk::file(&path)).boot("job=screen")?;
    outcome.expect_failed_with("screen", &["virtio-gpu-device"])?;
    Ok(())
}
