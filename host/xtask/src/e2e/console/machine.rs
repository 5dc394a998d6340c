//! A machine whose shell is on a screen, and what must be seen there.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use lab::{
    outcome::Outcome,
    picture::Picture,
    qemu::{
        Disk, Gpu, KEYBOARD, Monitor, Vm,
        gpu_trace::{self, Told},
    },
    vnc::Vnc,
};
use serde_json::{Value, json};
use terminal::{Terminal, View};

use crate::e2e::{drawn::Drawn, lab::Lab};

/// The time that QEMU may take for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The kernel's words when it begins to show the console; it is the first text on the screen.
const BEGIN: &str = "the console is on the screen: ";

/// The keys that are pressed at once: the device has room for 64 events, and a key with shift makes 8.
const KEYS_AT_ONCE: usize = 4;

/// A running machine.
///
/// The kernel prints the same on the serial port as on the screen. So a terminal on the host that gets what the port has
/// sent says what the screen must show.
pub struct Machine<'a> {
    lab: &'a Lab<'a>,
    vm: Vm,
    monitor: Monitor,
    size: (u32, u32),
}

impl<'a> Machine<'a> {
    /// Boots a machine with this disk and a screen of this size, and waits for the shell's first prompt.
    pub fn start(lab: &'a Lab<'a>, disk: Disk, size: (u32, u32)) -> Result<Self> {
        let mut vm = lab
            .machine()
            .disk(disk)
            .gpu(&Gpu::new(size.0, size.1))
            .device(KEYBOARD)
            .options(Gpu::vnc_options(&lab.file("vnc"), 0))
            .options(gpu_trace::options(&lab.file("trace")))
            .start("job=screen")?;
        let monitor = vm.monitor()?;
        let mut machine = Self { lab, vm, monitor, size };
        machine.wait_for_prompt("/> ")?;
        Ok(machine)
    }

    /// The terminal with all that the kernel has printed since it began to show that.
    pub fn terminal(&self) -> Result<Terminal> {
        let log = fs::read(self.lab.log())?;
        let begin = log.windows(BEGIN.len()).rposition(|text| text == BEGIN.as_bytes());
        let printed = log.get(begin.context("the console is not on the screen")?..);
        let (columns, rows) = View::grid_for(self.size.0, self.size.1);
        let mut terminal = Terminal::new(columns, rows);
        terminal.feed(printed.unwrap_or_default());
        Ok(terminal)
    }

    /// Types with the keyboard, a few keys at a time, each behind the last one's character.
    pub fn type_in(&mut self, text: &str) -> Result<()> {
        let chars: Vec<char> = text.chars().collect();
        for keys in chars.chunks(KEYS_AT_ONCE) {
            let typed: String = keys.iter().collect();
            for key in keys {
                self.press(&qcodes(*key)?)?;
            }
            self.wait_until(&format!("{typed:?} was shown"), |terminal| {
                ensure!(line(terminal).ends_with(&typed), "the line is {:?}", line(terminal));
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Types a line with the keyboard, and waits until `shown` is in the row above the next prompt.
    pub fn perform(&mut self, typed: &str, shown: &str) -> Result<()> {
        self.type_in(typed)?;
        self.press(&["ret"])?;
        self.wait_for_answer(shown)
    }

    /// Waits until `shown` is in the row above the prompt of the root directory.
    pub fn wait_for_answer(&mut self, shown: &str) -> Result<()> {
        self.wait_until(&format!("{shown:?} was shown"), |terminal| {
            let rows = text(terminal);
            let above = terminal.cursor().and_then(|cursor| rows.get(cursor.row.checked_sub(1)?));
            let found = above.is_some_and(|row| row.contains(shown)) && line(terminal) == "/> ";
            ensure!(found, "the screen shows {rows:#?}");
            Ok(())
        })
    }

    /// Waits until the cursor stands behind this prompt.
    pub fn wait_for_prompt(&mut self, prompt: &str) -> Result<()> {
        self.wait_until(&format!("the line was {prompt:?}"), |terminal| {
            ensure!(line(terminal) == prompt, "the screen shows {:#?}", text(terminal));
            Ok(())
        })
    }

    /// Presses keys one after the other, and lets them go in the opposite order.
    pub fn press(&mut self, qcodes: &[&str]) -> Result<()> {
        let down = qcodes.iter().map(|qcode| (*qcode, true));
        let up = qcodes.iter().rev().map(|qcode| (*qcode, false));
        self.send(down.chain(up))
    }

    /// Has these keys go down (true) or up.
    pub fn send<'k>(&mut self, keys: impl Iterator<Item = (&'k str, bool)>) -> Result<()> {
        let event = |(qcode, down): (&str, bool)| -> Value {
            let key = json!({ "type": "qcode", "data": qcode });
            json!({ "type": "key", "data": { "down": down, "key": key } })
        };
        let events: Vec<_> = keys.map(event).collect();
        self.monitor.execute("input-send-event", json!({ "events": events }))?;
        Ok(())
    }

    /// Types at the serial port.
    pub fn type_at_port(&mut self, text: &str) -> Result<()> {
        Ok(self.vm.type_in(text.as_bytes())?)
    }

    /// Gives the screen another size.
    pub fn resize(&mut self, width: u32, height: u32) -> Result<()> {
        self.size = (width, height);
        let mut vnc = Vnc::connect(&self.lab.file("vnc"), PATIENCE)?;
        Ok(vnc.resize(u16::try_from(width)?, u16::try_from(height)?)?)
    }

    /// Waits until each pixel of the screen is as the terminal says.
    pub fn wait_for_picture(&mut self) -> Result<()> {
        let size = self.size;
        let path = self.lab.file("screen.png");
        self.retry("the screen was as the terminal", |machine| {
            let expected = picture(&mut machine.terminal()?, size)?;
            let found = machine.monitor.screen(0, &path)?;
            ensure!(gpu_trace::shown(&machine.trace()?, 0) == Some(size), "nothing is shown");
            found.expect(&expected).map_err(|difference| {
                let kept = machine.lab.log();
                let _ = found.write_png(&kept.with_extension("found.png"));
                let _ = expected.write_png(&kept.with_extension("expected.png"));
                difference.into()
            })
        })
    }

    /// The pixels of each flush so far.
    pub fn flushed(&self) -> Result<Vec<u64>> {
        let flushed = self.trace()?.into_iter().filter_map(|told| match told {
            Told::Flush { size: (width, height), .. } => Some(u64::from(width) * u64::from(height)),
            _ => None,
        });
        Ok(flushed.collect())
    }

    fn trace(&self) -> Result<Vec<Told>> {
        gpu_trace::read(&self.lab.file("trace")).context("QEMU wrote no trace")
    }

    /// Waits until the terminal is right.
    pub fn wait_until(&mut self, what: &str, look: impl Fn(&Terminal) -> Result<()>) -> Result<()> {
        self.retry(what, |machine| look(&machine.terminal()?))
    }

    /// Looks again and again, until there is nothing to complain about. If there always is, the last complaint is the
    /// error.
    fn retry(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        loop {
            let Err(complaint) = look(self) else { return Ok(()) };
            // One look at QEMU, and at the time.
            let mut looked = false;
            let waited =
                self.vm.wait_for(what, || std::mem::replace(&mut looked, true).then_some(()));
            waited.map_err(|error| complaint.context(error))?;
        }
    }

    /// Ends the shell by the keyboard.
    pub fn power_off(mut self) -> Result<Outcome> {
        self.type_in("poweroff")?;
        self.press(&["ret"])?;
        let outcome = self.vm.finish()?;
        outcome.expect_ok("screen")?;
        Ok(outcome)
    }
}

/// The text of each row of a terminal.
pub fn text(terminal: &Terminal) -> Vec<String> {
    let row_text = |row| {
        let cells = terminal.row(row).iter().filter(|cell| cell.width != terminal::Width::Covered);
        cells.map(|cell| cell.char).collect::<String>().trim_end().to_owned()
    };
    (0..terminal.rows()).map(row_text).collect()
}

/// The text before the cursor.
pub fn line(terminal: &Terminal) -> String {
    let cursor = terminal.cursor().unwrap_or_default();
    let cells = terminal.row(cursor.row).iter().take(cursor.column);
    cells.filter(|cell| cell.width != terminal::Width::Covered).map(|cell| cell.char).collect()
}

/// The keys that type a character, as QEMU calls them.
fn qcodes(char: char) -> Result<Vec<&'static str>> {
    const LETTERS: [&str; 26] = [
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r",
        "s", "t", "u", "v", "w", "x", "y", "z",
    ];
    const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let letter = |first: u8| LETTERS.get(usize::from(char as u8 - first)).copied();
    let key = match char {
        'a'..='z' => letter(b'a').map(|key| vec![key]),
        'A'..='Z' => letter(b'A').map(|key| vec!["shift", key]),
        '0'..='9' => DIGITS.get(usize::from(char as u8 - b'0')).map(|key| vec![*key]),
        ' ' => Some(vec!["spc"]),
        '/' => Some(vec!["slash"]),
        '.' => Some(vec!["dot"]),
        '>' => Some(vec!["shift", "dot"]),
        _ => None,
    };
    key.with_context(|| format!("no key is known for {char:?}"))
}

/// The picture of a terminal on a screen of this size.
fn picture(terminal: &mut Terminal, size: (u32, u32)) -> Result<Picture> {
    let (columns, rows) = View::grid_for(size.0, size.1);
    terminal.resize(columns, rows);
    let mut drawn = Drawn(Picture::from_fn(size.0, size.1, |_, _| [0; 3]));
    let Ok(_) = View::new().draw(terminal, &mut drawn);
    Ok(drawn.0)
}
