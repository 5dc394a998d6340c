//! The commands that look and change nothing.

use alloc::borrow::ToOwned;

use sfs::BLOCK_SIZE;

use super::{
    super::{
        Failure, cat, ls, stat,
        text::{Count, DumpLine},
        tree,
    },
    commands::Call,
};

pub(super) fn ls(call: &mut Call<'_>) -> Result<(), Failure> {
    if call.arguments.is_empty() {
        call.arguments.push(".".into());
    }
    call.each(|call, path| {
        ls::list(&call.session.fs, &call.session.directory(), path, call.out).map(|_| ())
    })
}

pub(super) fn cd(call: &mut Call<'_>) -> Result<(), Failure> {
    call.session.enter(call.at_most_one()?.unwrap_or("/"))
}

pub(super) fn pwd(call: &mut Call<'_>) -> Result<(), Failure> {
    call.none()?;
    call.out.line(call.session.path())
}

pub(super) fn cat(call: &mut Call<'_>) -> Result<(), Failure> {
    call.each(|call, path| {
        let take = |bytes: &[u8]| call.out.bytes(bytes);
        cat::contents(&call.session.fs, &call.session.directory(), path, take).map(|_| ())
    })
}

pub(super) fn hexdump(call: &mut Call<'_>) -> Result<(), Failure> {
    let mut address = 0;
    call.each(|call, path| {
        let take = |bytes: &[u8]| {
            bytes.chunks(DumpLine::BYTES).try_for_each(|bytes| {
                let line = DumpLine { address, bytes };
                address += bytes.len() as u64;
                call.out.line(line)
            })
        };
        cat::contents(&call.session.fs, &call.session.directory(), path, take).map(|_| ())
    })
}

pub(super) fn stat(call: &mut Call<'_>) -> Result<(), Failure> {
    call.each(|call, path| stat::tell(&call.session.fs, &call.session.directory(), path, call.out))
}

pub(super) fn tree(call: &mut Call<'_>) -> Result<(), Failure> {
    let path = call.at_most_one()?.unwrap_or(".").to_owned();
    let (session, directory) = (call.session, call.session.directory());
    let (directories, others) = tree::show(&session.fs, &directory, &path, call.out)?;
    call.out.line(format_args!("{}, {}", Count(directories, "folder"), Count(others, "file")))
}

pub(super) fn df(call: &mut Call<'_>) -> Result<(), Failure> {
    call.none()?;
    let space = call.session.fs.statfs();
    let kib = |blocks: u32| u64::from(blocks) * (BLOCK_SIZE / 1024) as u64;
    call.out.line(format_args!("{} of {} KiB unused", kib(space.unused), kib(space.blocks)))
}

pub(super) fn echo(call: &mut Call<'_>) -> Result<(), Failure> {
    call.out.line(call.arguments.join(" "))
}
