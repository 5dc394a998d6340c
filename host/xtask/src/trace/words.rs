//! The steps in words, in both languages.

use lab::language::Language;

use super::steps::{Act, Lane, Step, Trace};

/// A step in words: what happens, and its figures.
pub struct Words {
    pub title: String,
    pub detail: String,
}

/// The name of a lane, and what it is.
pub fn lane(lane: Lane, language: Language) -> (&'static str, &'static str) {
    let (en, zh) = match lane {
        Lane::Driver => (("driver", "the kernel"), ("驱动", "内核")),
        Lane::Queue => (("queue", "shared memory"), ("队列", "共享内存")),
        Lane::Device => (("device", "virtio-blk in QEMU"), ("设备", "QEMU 的 virtio-blk")),
        Lane::Host => (("host", "the disk's file"), ("宿主机", "磁盘文件")),
    };
    match language {
        Language::En => en,
        Language::Zh => zh,
    }
}

/// The request in one line.
pub fn heading(trace: &Trace, language: Language) -> String {
    let Trace { sector, bytes, writes, .. } = trace;
    match (language, writes) {
        (Language::En, false) => format!("A read of sector {sector}, {bytes} bytes"),
        (Language::En, true) => format!("A write of sector {sector}, {bytes} bytes"),
        (Language::Zh, false) => format!("读扇区 {sector}，{bytes} 字节"),
        (Language::Zh, true) => format!("写扇区 {sector}，{bytes} 字节"),
    }
}

/// The queue's places, in two lines.
pub fn queue(trace: &Trace, language: Language) -> [String; 2] {
    let queue = &trace.queue;
    let (index, size) = (queue.index, queue.size);
    let (table, available, used) = (queue.table, queue.available, queue.used);
    match language {
        Language::En => [
            format!("Queue {index}, {size} entries: descriptor table at {table:#x},"),
            format!("available ring at {available:#x}, used ring at {used:#x}"),
        ],
        Language::Zh => [
            format!("队列 {index}，{size} 项：描述符表在 {table:#x}，"),
            format!("可用环在 {available:#x}，已用环在 {used:#x}"),
        ],
    }
}

/// The note on the times.
pub fn notes(language: Language) -> [&'static str; 3] {
    match language {
        Language::En => [
            "Times are the host's, in microseconds since the call. The kernel is compiled without optimisation,",
            "so that each function stands for itself. The disk holds the request until its caller sleeps:",
            "most disks answer before, and no interrupt would be seen.",
        ],
        Language::Zh => [
            "时间取自宿主机，单位为微秒，从调用开始算起。内核编译时不做优化，每个函数都独立存在。",
            "磁盘会扣住请求，直到调用者睡眠：多数磁盘在此之前就已应答，那样就看不到中断了。",
            "",
        ],
    }
}

/// The words of a segment: whether the device reads or writes it.
pub fn direction(device_writes: bool, language: Language) -> &'static str {
    match device_writes {
        true => language.of("device writes", "设备写"),
        false => language.of("device reads", "设备读"),
    }
}

/// The use of segment `number` of `count`.
pub fn part(number: usize, count: usize, language: Language) -> &'static str {
    match number {
        0 => language.of("header", "请求头"),
        last if last + 1 == count => language.of("status", "状态"),
        _ => language.of("data", "数据"),
    }
}

/// A step.
pub fn step(trace: &Trace, step: &Step, language: Language) -> Words {
    let call = if trace.writes { "write_block" } else { "read_block" };
    let (sector, bytes) = (trace.sector, trace.bytes);
    let (en, zh, detail) = match &step.act {
        Act::Called => {
            let detail = format!("{call}(sector = {sector}, {bytes} bytes)");
            ("the call begins", "调用开始", detail)
        }
        Act::Prepared { request_type, sector, response } => (
            "header filled in, status made invalid",
            "填写请求头，把状态置为无效值",
            format!("type {request_type}, sector {sector}; status {response:#x}"),
        ),
        Act::Linked => {
            let count = trace.chain.segments.len();
            let detail = match language {
                Language::En => format!("{count} descriptors"),
                Language::Zh => format!("{count} 个描述符"),
            };
            ("the chain is linked", "链接描述符链", detail)
        }
        Act::Pointed { head, table, bytes } => (
            "a descriptor in the ring points to the table",
            "环中的一个描述符指向间接表",
            format!("[{head}] {table:#x}, {bytes} bytes, INDIRECT"),
        ),
        Act::Published { entry, head, index } => (
            "published in the available ring",
            "放入可用环",
            format!("ring[{entry}] = {head}, idx {} → {index}", trace.available),
        ),
        Act::Asked { event } => (
            "does the device want a notification?",
            "设备需要通知吗？",
            format!("avail_event = {event}"),
        ),
        Act::Notified { queue } => {
            ("the device is notified", "通知设备", format!("QueueNotify (0x050) ← {queue}"))
        }
        Act::Popped { reads, writes } => (
            "the device takes the chain",
            "设备取走描述符链",
            match language {
                Language::En => format!("{reads} to read, {writes} to write"),
                Language::Zh => format!("{reads} 段可读，{writes} 段可写"),
            },
        ),
        Act::Submitted { sector, sectors } => (
            "the request goes to the disk",
            "请求交给磁盘",
            match language {
                Language::En => format!("sector {sector}, count {sectors}"),
                Language::Zh => format!("扇区 {sector}，共 {sectors} 个"),
            },
        ),
        Act::Looked { index, times } => (
            "the driver looks: nothing new",
            "驱动查看：没有新结果",
            match language {
                _ if *times == 1 => format!("used idx = {index}"),
                Language::En => format!("used idx = {index}, {times} looks"),
                Language::Zh => format!("used idx = {index}，共查看 {times} 次"),
            },
        ),
        Act::Armed { event } => {
            ("the driver asks for an interrupt", "驱动要求中断", format!("used_event = {event}"))
        }
        Act::Slept => ("the caller sleeps", "调用者睡眠", "Waiter::wait".to_owned()),
        Act::Accessed { offset, bytes } => (
            if trace.writes { "the host writes the file" } else { "the host reads the file" },
            if trace.writes { "宿主机写文件" } else { "宿主机读文件" },
            match language {
                Language::En => format!("{bytes} bytes at offset {offset}"),
                Language::Zh => format!("偏移 {offset} 处的 {bytes} 字节"),
            },
        ),
        Act::Done { result } => ("the host is done", "宿主机完成", format!("ret {result}")),
        Act::Responded { status } => {
            ("the device writes the status", "设备写状态", format!("status = {status}"))
        }
        Act::Filled { entry, length } => (
            "the device fills an entry of the used ring",
            "设备填写已用环的一项",
            format!("ring[{entry}]: id {}, len {length}", trace.chain.head),
        ),
        Act::Returned { index } => (
            "the device moves the used index",
            "设备移动已用环索引",
            format!("idx {} → {index}", trace.used),
        ),
        Act::Raised => ("the device raises its interrupt", "设备发出中断", "IRQ → 1".to_owned()),
        Act::Claimed { line } => (
            "the kernel asks whose interrupt it is",
            "内核查询是谁的中断",
            format!("PLIC claim → {line}"),
        ),
        Act::Inquired { causes } => (
            "the handler reads the reason",
            "中断处理程序读取原因",
            format!("InterruptStatus (0x060) → {causes}"),
        ),
        Act::Acknowledged { causes } => (
            "the handler acknowledges",
            "中断处理程序确认",
            format!("InterruptACK (0x064) ← {causes}"),
        ),
        Act::Found { old, new } => (
            "the driver looks: something is new",
            "驱动查看：有新结果",
            format!("used idx {old} → {new}"),
        ),
        Act::Took { id, length } => {
            ("the driver takes the used entry", "驱动取出已用项", format!("id {id}, len {length}"))
        }
        Act::Woke => ("the caller is woken", "唤醒调用者", "Waker::wake_up".to_owned()),
        Act::Resumed => ("the caller goes on", "调用者继续运行", "Waiter::wait".to_owned()),
        Act::Checked { status } => {
            ("the driver checks the status", "驱动检查状态", format!("status = {status}"))
        }
        Act::Ended => ("the call returns", "调用返回", call.to_owned()),
    };
    Words { title: language.of(en, zh).to_owned(), detail }
}

/// A number with commas between groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let found = [0, 999, 1000, 1234567].map(grouped);
        assert_eq!(found, ["0", "999", "1,000", "1,234,567"]);
    }
}
