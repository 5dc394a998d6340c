//! QEMU's log of the blocks of instructions that it translates and runs, `-d exec,nochain,in_asm`.
//!
//! ```text
//! IN: the function's symbol
//! 0xffffffff8033ca02:  711d              addi                    sp,sp,-96
//! 0xffffffff8033ca04:  8082              ret
//! Trace 0: 0x7ff164bd5800 [00000000/ffffffff8033ca02/82424001/ff020200] the function's symbol
//! ```
//!
//! A block is shown once, before it first runs, and named by its first instruction each time that it runs.

use std::{
    collections::{HashMap, HashSet},
    io::BufRead,
    ops::Range,
};

use anyhow::{Context, Result};

/// The addresses of a block's instructions.
pub type Block = Vec<u64>;

/// The functions by which a read is cut out of the log.
pub struct Marks {
    /// The one whose call is a read.
    pub read: Range<u64>,
    /// Nothing that runs in here is part of a read.
    pub tick: Range<u64>,
    /// It runs when the CPU goes over to another task.
    pub switch: Range<u64>,
}

/// The argument of `-dfilter` for these addresses.
pub fn filter(ranges: &[Range<u64>]) -> String {
    let ranges = ranges.iter().map(|range| format!("{:#x}..{:#x}", range.start, range.end - 1));
    ranges.collect::<Vec<_>>().join(",")
}

/// The blocks that ran in the last read in which the CPU went to another task and back, each of them once,
/// in the order in which they first ran. Without those of the timer's ticks.
pub fn last_sleeping_read(log: impl BufRead, marks: &Marks) -> Result<Option<Vec<Block>>> {
    let mut blocks: HashMap<u64, Translated> = HashMap::new();
    let mut shown = None;
    let (mut read, mut last): (Option<Read>, _) = (None, None);
    let mut ticks = false;
    for line in log.split(b'\n') {
        let line = line.context("cannot read QEMU's log")?;
        let line = String::from_utf8_lossy(&line);
        if line.starts_with("IN:") {
            shown = None;
        } else if let Some((address, returns)) = instruction(&line) {
            let first = *shown.get_or_insert(address);
            let block = blocks.entry(first).or_default();
            if address == first {
                block.instructions.clear();
            }
            block.instructions.push(address);
            block.returns = returns;
        } else if let Some(start) = run(&line) {
            let returns = blocks.get(&start).is_some_and(|block| block.returns);
            if start == marks.read.start {
                read = Some(Read::default());
            }
            ticks |= start == marks.tick.start;
            if let Some(read) = read.as_mut().filter(|_| !ticks) {
                read.switches += usize::from(start == marks.switch.start);
                if read.seen.insert(start) {
                    read.order.push(start);
                }
            }
            if returns && marks.tick.contains(&start) {
                ticks = false;
            }
            if returns && marks.read.contains(&start) {
                last = read.take().filter(|read| read.switches >= 2).or(last);
            }
        }
    }
    Ok(last.map(|read| {
        let blocks = read.order.iter().filter_map(|start| blocks.get(start));
        blocks.map(|block| block.instructions.clone()).collect()
    }))
}

#[derive(Default)]
struct Translated {
    instructions: Block,
    /// The last one returns from the function.
    returns: bool,
}

#[derive(Default)]
struct Read {
    order: Vec<u64>,
    seen: HashSet<u64>,
    switches: usize,
}

/// The address of an instruction that is shown, and true if it returns from a function.
fn instruction(line: &str) -> Option<(u64, bool)> {
    let (address, rest) = line.strip_prefix("0x")?.split_once(':')?;
    Some((u64::from_str_radix(address, 16).ok()?, rest.split_whitespace().nth(1) == Some("ret")))
}

/// The first instruction of the block that runs.
fn run(line: &str) -> Option<u64> {
    let address = line.strip_prefix("Trace ")?.split('/').nth(1)?;
    u64::from_str_radix(address, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: Marks = Marks { read: 0x100..0x110, tick: 0x200..0x210, switch: 0x300..0x310 };

    /// A log in which these blocks run. All but the last of a function, at its 8th byte, do not return.
    fn log(starts: &[u64]) -> String {
        let mut log = String::from("----------------\n");
        for start in starts {
            let last = if start % 0x10 == 8 { "8082  ret" } else { "ffff5097  auipc  ra,-11" };
            log += &format!("IN: symbol\n0x{start:016x}:  711d  addi  sp,sp,-96\n");
            log += &format!("0x{:016x}:  {last}\n\n", start + 2);
            log += &format!("Trace 0: 0x7f [00000000/{start:016x}/82424001/ff020200] symbol\n");
        }
        log
    }

    fn starts(log: &str) -> Option<Vec<u64>> {
        let read = last_sleeping_read(log.as_bytes(), &MARKS).unwrap()?;
        Some(read.iter().map(|block| block[0]).collect())
    }

    #[test]
    fn the_last_read_that_slept_is_found() {
        let slept = [0x100, 0x400, 0x300, 0x300, 0x108];
        let did_not = [0x100, 0x500, 0x108];
        let log = log(&[&[0x600], &slept[..], &[0x600], &did_not, &[0x700]].concat());
        assert_eq!(starts(&log), Some(vec![0x100, 0x400, 0x300, 0x108]));
        assert_eq!(starts(&self::log(&did_not)), None);
        // One that did not return yet.
        assert_eq!(starts(&self::log(&slept[..4])), None);
    }

    #[test]
    fn ticks_are_left_out() {
        let log = log(&[0x100, 0x200, 0x400, 0x208, 0x500, 0x300, 0x300, 0x108]);
        assert_eq!(starts(&log), Some(vec![0x100, 0x500, 0x300, 0x108]));
    }

    #[test]
    fn a_block_has_all_its_instructions() {
        let log = log(&[0x100, 0x300, 0x300, 0x108]);
        let read = last_sleeping_read(log.as_bytes(), &MARKS).unwrap().unwrap();
        assert_eq!(read[0], [0x100, 0x102]);
    }

    #[test]
    fn the_filter_names_the_last_byte() {
        assert_eq!(filter(&[0x10..0x20, 0x30..0x34]), "0x10..0x1f,0x30..0x33");
    }
}
