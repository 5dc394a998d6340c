//! The commands about the machine.

use alloc::format;

use ostd::util::id_set::Id as _;

use super::{
    super::{Failure, failure, text::Name},
    commands::{COMMANDS, Call},
};
use crate::task::{self, State};

pub(super) fn sync(call: &mut Call<'_>) -> Result<(), Failure> {
    call.none()?;
    call.session.fs.sync().map_err(failure::file("/"))
}

pub(super) fn ps(call: &mut Call<'_>) -> Result<(), Failure> {
    call.none()?;
    call.out.line("number  cpu  state   name")?;
    for task in task::all() {
        let state = match task.state {
            State::Asking => "asking",
            State::Ready => "ready",
            State::Asleep => "asleep",
            State::Idle => "idle",
        };
        let cpu = task.cpu.as_usize();
        call.out.line(format_args!(
            "{:6}  {cpu:3}  {state:6}  {}",
            task.number,
            Name(&task.name)
        ))?;
    }
    call.out.line(format_args!("{} ticks since the start", task::ticks()))
}

pub(super) fn disks(call: &mut Call<'_>) -> Result<(), Failure> {
    call.none()?;
    for (index, disk) in block::all().iter().enumerate() {
        call.out.line(format_args!("disk {index}: {}", disk.info()))?;
    }
    Ok(())
}

pub(super) fn help(call: &mut Call<'_>) -> Result<(), Failure> {
    call.none()?;
    for command in COMMANDS {
        let usage = format!("{} {}", command.name, command.usage);
        call.out.line(format_args!("{usage:18}  {}", command.about))?;
    }
    call.out
        .line("quotes keep blanks; > FILE and >> FILE write the output of any command to a file")
}
