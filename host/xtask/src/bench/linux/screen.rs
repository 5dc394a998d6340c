//! The time that Linux takes to show a change of its screen, from what it traces of its own driver.
//!
//! Nothing runs in user space but a shell: Linux copies the change from its framebuffer console, and its driver sends
//! TRANSFER_TO_HOST_2D and RESOURCE_FLUSH. The time is from the first of them to the answer to the second, as the driver
//! sees them.

use anyhow::{Result, ensure};

use crate::bench::sample::{Sample, Spread};

/// The types of the two commands (VIRTIO 1.3, section 5.7.6.7).
const TRANSFER_TO_HOST_2D: &str = "0x105";
const RESOURCE_FLUSH: &str = "0x104";

/// An event of the trace.
struct Event<'a> {
    seconds: f64,
    /// The device has answered; otherwise it was told.
    is_response: bool,
    kind: &'a str,
    number: &'a str,
}

/// The median of all changes but the first tenth.
pub fn sample(output: &str) -> Result<Sample> {
    let times = times(output.lines().filter_map(event));
    let rest = times.get(times.len() / 10..).unwrap_or_default();
    ensure!(rest.len() >= 10, "Linux has shown {} changes of its screen", times.len());
    let median = Spread::of(rest.to_vec()).map_or(0.0, |spread| spread.median);
    Ok(Sample::of_time(median))
}

/// `TASK [CPU] FLAGS SECONDS: virtio_gpu_cmd_queue: vdev=0 ... type=0x105 ... seqno=18`
fn event(line: &str) -> Option<Event<'_>> {
    let (before, after) = line.split_once(": virtio_gpu_cmd_")?;
    let field = |name: &str| after.split_whitespace().find_map(|word| word.strip_prefix(name));
    Some(Event {
        seconds: before.split_whitespace().last()?.parse().ok()?,
        is_response: after.starts_with("response"),
        kind: field("type=")?,
        number: field("seqno=")?,
    })
}

/// The microseconds of each change.
fn times<'a>(events: impl Iterator<Item = Event<'a>>) -> Vec<f64> {
    let (mut begin, mut flush, mut times) = (None, None, Vec::new());
    for event in events {
        match event.kind {
            TRANSFER_TO_HOST_2D if !event.is_response => {
                begin.get_or_insert(event.seconds);
            }
            RESOURCE_FLUSH if !event.is_response => flush = Some(event.number),
            _ if event.is_response && flush == Some(event.number) => {
                flush = None;
                times.extend(begin.take().map(|begin| (event.seconds - begin) * 1e6));
            }
            _ => {}
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_from_the_first_command_to_the_last_answer() {
        let line = |at: &str, what: &str, kind: &str, number: u32| {
            format!(
                "  kworker/0:0-9  [000] .....  {at}: virtio_gpu_cmd_{what}: vdev=0 vq=0 name=control type={kind} flags=0x0 seqno={number}"
            )
        };
        let lines = [
            line("4.000100", "queue", "0x105", 8),
            line("4.000120", "queue", "0x104", 9),
            "# a remark".to_owned(),
            line("4.000150", "response", "0x1100", 8),
            line("4.000160", "response", "0x1100", 9),
            // What came before the trace began.
            line("5.000000", "response", "0x1100", 10),
            line("6.000000", "queue", "0x105", 11),
            line("6.000001", "queue", "0x104", 12),
            line("6.000250", "response", "0x1100", 12),
        ];
        let times = times(lines.iter().filter_map(|line| event(line)));
        let rounded: Vec<_> = times.iter().map(|us| us.round()).collect();
        assert_eq!(rounded, [60.0, 250.0]);
        assert!(sample(&lines.join("\n")).is_err());
    }
}
