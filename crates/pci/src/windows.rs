//! The windows of bridges: the addresses that a bridge lets through to what is behind it.

use super::{
    Address, ConfigAccess, Width,
    config::register,
    function::Command,
    place::{Pool, Pools},
};

/// The units in which bridges let addresses through (bridge specification 3.2.5).
const IO_UNIT: u64 = 0x1000;
const MEMORY_UNIT: u64 = 0x10_0000;

/// The state of a pool before a bridge and at its window's start.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    before: u64,
    base: u64,
}

/// Begins the windows of a bridge: what is given out from now on is behind it.
pub(crate) fn open(pools: &mut Pools) -> [Start; 3] {
    let start = |pool: &mut Pool, unit| {
        let before = pool.next();
        pool.align(unit);
        Start { before, base: pool.next() }
    };
    [
        start(&mut pools.io, IO_UNIT),
        start(&mut pools.memory, MEMORY_UNIT),
        start(&mut pools.high, MEMORY_UNIT),
    ]
}

/// Sets the windows of a bridge to what was given out since it was opened, and lets it pass on addresses
/// and what comes from behind it.
pub(crate) fn close(access: &dyn ConfigAccess, at: Address, pools: &mut Pools, starts: [Start; 3]) {
    let [io, memory, high] = starts;
    let write = |offset, width, value| access.write(at, offset, width, value);

    // Base and limit hold the upper bits of an address; a limit below the base is a window with nothing in it.
    let window = finish(&mut pools.io, io, IO_UNIT);
    let (base, limit) = window.unwrap_or((0xf000, 0));
    let value = (base >> 8 & 0xf0) as u32 | (limit & 0xf000) as u32;
    write(register::IO_WINDOW, Width::U16, value);
    let (base, limit) = window.unwrap_or((0, 0));
    let value = (base >> 16 & 0xffff) as u32 | (limit & 0xffff_0000) as u32;
    write(register::IO_WINDOW_HIGH, Width::U32, value);

    let pair =
        |(base, limit): (u64, u64)| (base >> 16 & 0xfff0) as u32 | ((limit & 0xfff0_0000) as u32);
    const NOTHING: (u64, u64) = (0xfff0_0000, 0);
    let window = finish(&mut pools.memory, memory, MEMORY_UNIT);
    write(register::MEMORY_WINDOW, Width::U32, pair(window.unwrap_or(NOTHING)));

    let (base, limit) = finish(&mut pools.high, high, MEMORY_UNIT).unwrap_or(NOTHING);
    write(register::PREFETCHABLE_WINDOW, Width::U32, pair((base, limit)));
    write(register::PREFETCHABLE_BASE_HIGH, Width::U32, (base >> 32) as u32);
    write(register::PREFETCHABLE_LIMIT_HIGH, Width::U32, (limit >> 32) as u32);

    let pass = Command::IO | Command::MEMORY | Command::BUS_MASTER;
    let command = access.read(at, register::COMMAND, Width::U16) as u16;
    let command = Command::from_bits_retain(command) | pass;
    write(register::COMMAND, Width::U16, command.bits().into());
}

/// The first and the last address of a bridge's window. A pool of which nothing was given goes back to
/// where it was.
fn finish(pool: &mut Pool, start: Start, unit: u64) -> Option<(u64, u64)> {
    if pool.next() == start.base {
        pool.go_back(start.before);
        return None;
    }
    pool.align(unit);
    Some((start.base, pool.next() - 1))
}
