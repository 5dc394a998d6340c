//! `job=events [count=N] [seconds=N]`: prints the events of all input devices as they come, one line each, such as
//! `input 0: EV_KEY KEY_A 1`. Ends after N events or N seconds, whichever comes first, or by Ctrl-C. The light of Caps
//! Lock follows the key of its keyboard.

use alloc::{format, string::String, sync::Arc, vec};
use core::time::Duration;

use input::{Arrived, InputDevice, Keyboard, Reader, codes::LED_CAPSL};
use ostd::timer::TIMER_FREQ;

use super::{Failure, InputDevices, Run, text::Count};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
    progress,
    task::{self, Builder, Interrupted, Work, checkpoint},
    typing,
};

/// The events that may wait to be printed, as the console is slower than a device can be.
const CAPACITY: usize = 1 << 14;

/// The time between two looks at Ctrl-C and the clock.
const LOOK_EVERY: Duration = Duration::from_millis(10);

pub(super) struct Events {
    count: u64,
    seconds: u64,
}

impl Run for Events {
    const NAME: &'static str = "events";
    const PARAMETERS: &'static [&'static str] = &["count=N", "seconds=N"];
    type Needs = InputDevices;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self {
            count: line.number_in("count", 1..=u64::MAX)?.unwrap_or(u64::MAX),
            seconds: line.number_in("seconds", 1..=u64::MAX)?.unwrap_or(u64::MAX),
        })
    }

    fn run(&self, devices: &InputDevices) -> Result<String, Failure> {
        // Without a serial port there is no Ctrl-C, and no other harm.
        if let Err(error) = typing::open() {
            log::warn!("{error}");
        }
        let work = Work::default();
        let _foreground = typing::foreground(&work);
        let reader = Arc::new(Reader::open(devices, CAPACITY));
        let (watched, seconds) = (reader.clone(), self.seconds);
        let watch = Builder::new("events watch").part_of(&work);
        let watch = watch.spawn(move || watch_over(&watched, seconds))?;
        println!("events of {}; Ctrl-C ends this", Count(devices.len() as u64, "input device"));
        let shown = self.show(devices, &reader);
        // Nobody else has closed it: the devices have no more to say.
        let all_dead = shown < self.count && !reader.is_closed();
        reader.close();
        watch.join()?;
        checkpoint()?;
        if all_dead {
            return Err(Failure::Other("no input device works any more".into()));
        }
        let malformed: u64 = devices.iter().map(|device| device.statistics().malformed).sum();
        let events = Count(shown, "event");
        Ok(format!("{events}, missing={} malformed={malformed}", reader.missing()))
    }
}

impl Events {
    /// Prints events until there have been enough, or there are no more. Returns how many there were.
    fn show(&self, devices: &[Arc<dyn InputDevice>], reader: &Reader) -> u64 {
        let _pause = progress::pause();
        let mut keyboards = vec![Keyboard::new(); devices.len()];
        let mut shown = 0;
        while shown < self.count
            && let Some(Arrived { device, event }) = reader.next()
        {
            println!("input {device}: {event}");
            shown += 1;
            if let (Some(keyboard), Some(device)) = (keyboards.get_mut(device), devices.get(device))
            {
                let before = keyboard.caps_lock();
                keyboard.event(event);
                if keyboard.caps_lock() != before {
                    // A keyboard without a light has none to switch.
                    let _ = device.set_led(LED_CAPSL, keyboard.caps_lock());
                }
            }
            // Whoever watches needs the CPU too, however many events there are.
            if checkpoint().is_err() {
                break;
            }
        }
        shown
    }
}

/// Closes the reader when the time is over or somebody presses Ctrl-C.
fn watch_over(reader: &Reader, seconds: u64) -> Result<(), Interrupted> {
    let end = task::ticks().saturating_add(seconds.saturating_mul(TIMER_FREQ));
    let mut going_on = Ok(());
    while going_on.is_ok() && !reader.is_closed() && task::ticks() < end {
        task::sleep(LOOK_EVERY);
        going_on = checkpoint();
    }
    reader.close();
    going_on
}
