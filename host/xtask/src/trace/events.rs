//! QEMU's log: its own traces, and the lines of the plugin that watches the kernel.
//!
//! ```text
//! 28131@1795968618.553178:virtqueue_pop vq 0x7f5c1c8d7010 elem 0x55bd2b169000 in_num 2 out_num 1
//! watch 1795968618.553131 store 10008050 4 0 ffffffff8036cbbc ffffffff8036cbd8
//! ```

use lab::qemu::count::Seen;

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its place in the log.
    pub number: usize,
    /// The time in microseconds.
    pub at: u64,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    /// In the kernel.
    Guest(Seen),
    /// In QEMU: the event's name, and what it says.
    Qemu { name: String, text: String },
}

impl Event {
    /// The name of an event of QEMU's.
    pub fn name(&self) -> Option<&str> {
        match &self.what {
            What::Guest(_) => None,
            What::Qemu { name, .. } => Some(name),
        }
    }

    /// The number behind a word in what QEMU says.
    pub fn value(&self, key: &str) -> Option<u64> {
        let What::Qemu { text, .. } = &self.what else { return None };
        let mut words = text.split_whitespace();
        words.find(|word| *word == key)?;
        let word = words.next()?;
        match word.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => word.parse().ok(),
        }
    }

    /// The event in words, without the time and the addresses of its callers.
    pub fn evidence(&self) -> String {
        match &self.what {
            What::Qemu { name, text } => format!("{name} {text}"),
            What::Guest(Seen::Enter(look)) => format!("enter {:#x}", look.address),
            What::Guest(Seen::Leave(address)) => format!("leave {address:#x}"),
            What::Guest(Seen::Access { store, address, bytes, value, .. }) => {
                let kind = if *store { "store" } else { "load" };
                format!("{kind} {address:#x} bytes {bytes} value {value:#x}")
            }
        }
    }
}

/// Reads all complete lines that are events. The log's order is the true one; where two threads have told the time
/// before one of them had to wait for the log, the time stands still and does not go back.
pub fn read(log: &str) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for line in log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        let guest = || Seen::read(line).map(|(at, seen)| (at, What::Guest(seen)));
        if let Some((at, what)) = guest().or_else(|| qemu(line)) {
            let at = events.last().map_or(at, |last| at.max(last.at));
            events.push(Event { number: events.len(), at, what });
        }
    }
    events
}

/// Reads a line of QEMU's own.
fn qemu(line: &str) -> Option<(u64, What)> {
    let (thread, rest) = line.split_once('@')?;
    thread.parse::<u64>().ok()?;
    let (time, rest) = rest.split_once(':')?;
    let (seconds, microseconds) = time.split_once('.')?;
    let seconds: u64 = seconds.parse().ok()?;
    let at = seconds.checked_mul(1_000_000)?.checked_add(microseconds.parse().ok()?)?;
    let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((at, What::Qemu { name: name.to_owned(), text: text.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_lines_are_read() {
        let log = "\
7@10.000005:virtqueue_pop vq 0x7f elem 0x5 in_num 2 out_num 1
watch 10.000004 store 10008050 4 0 10 20
nonsense
7@10.000006:virtio_mmio_setting_irq virtio_mmio setting IRQ 1
7@10.000007:virtio_blk_handle_read vdev 0x5 req 0x5 sector 3 nsec";
        let events = read(log);
        let times: Vec<_> = events.iter().map(|event| event.at).collect();
        // The second was told a little before the first and written behind it. The last line is not complete.
        assert_eq!(times, [10_000_005, 10_000_005, 10_000_006]);
        assert_eq!(events[0].name(), Some("virtqueue_pop"));
        assert_eq!((events[0].value("in_num"), events[0].value("vq")), (Some(2), Some(0x7f)));
        assert_eq!(events[0].value("len"), None);
        assert_eq!(events[1].evidence(), "store 0x10008050 bytes 4 value 0x0");
        assert_eq!(events[2].value("IRQ"), Some(1));
    }

    #[test]
    fn broken_lines_are_no_events() {
        for line in ["7@10:virtqueue_pop\n", "x@1.2:a\n", "7@99999999999999999999.1:a b\n", "@\n"] {
            assert!(read(line).is_empty(), "{line}");
        }
    }
}
