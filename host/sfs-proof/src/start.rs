//! File systems to begin with.

use fastrand::Rng;

use crate::{
    disk::{Disk, Image},
    fixtures::FIXTURES,
    model::{Chooser, Op, Path, State, Taste},
    reader,
    session::play,
};

/// A new file system of so many blocks, on a disk that holds garbage.
///
/// # Errors
///
/// Words on why it cannot be made.
pub fn fresh(blocks: u32) -> Result<Image, String> {
    on_disk_of(0xa5, blocks)
}

/// The same on a disk that holds this byte everywhere.
///
/// # Errors
///
/// Words on why it cannot be made.
pub fn on_disk_of(byte: u8, blocks: u32) -> Result<Image, String> {
    let mut image = Image::zeros(blocks);
    for block in 0..blocks {
        if let Some(content) = image.block_mut(block) {
            content.fill(byte);
        }
    }
    let disk = Disk::new(image);
    sfs::format(&disk, blocks).map_err(|error| format!("format: {error}"))?;
    Ok(disk.image())
}

/// A file system after some operations and a sync, with its tree.
///
/// # Errors
///
/// Words on what went wrong, with the operations.
pub fn after(
    image: Image,
    next: &mut dyn FnMut(&State) -> Option<Op>,
) -> Result<(Image, State), String> {
    let mut synced = false;
    let mut next = |state: &State| {
        if synced {
            return None;
        }
        next(state).or_else(|| {
            synced = true;
            Some(Op::Remount)
        })
    };
    let session = play(&Disk::new(image), State::new(), true, &mut next)
        .map_err(|(ops, what)| format!("{}: {what}", crate::aftermath::words(&ops)))?;
    let state = session.states.last().cloned().unwrap_or_else(State::new);
    Ok((session.image, state))
}

/// A file system after random operations.
///
/// # Errors
///
/// Those of [`after`].
pub fn random(
    blocks: u32,
    count: usize,
    taste: Taste,
    rng: &mut Rng,
) -> Result<(Image, State), String> {
    let mut chooser = Chooser::new(rng, taste);
    let mut left = count;
    after(fresh(blocks)?, &mut |state| {
        left = left.checked_sub(1)?;
        Some(chooser.choose(state))
    })
}

/// A file system with one file of so many blocks and half a block more, and little else.
///
/// # Errors
///
/// Those of [`after`].
pub fn with_file(blocks: u32, file_blocks: usize) -> Result<(Image, State), String> {
    let file = Path::new("a");
    let mut ops = [
        Op::Create(file.clone()),
        Op::Write(file, 0, file_blocks * 4096 + 2048, 1),
        Op::Mkdir(Path::new("b")),
        Op::Create(Path::new("b/c")),
    ]
    .into_iter();
    after(fresh(blocks)?, &mut |_| ops.next())
}

/// One of the reference's images, which claim more than they have, on a disk with some room behind it that ends inside
/// a block.
///
/// # Errors
///
/// Words on why it is not what it should be.
pub fn of_fixture(number: usize) -> Result<(Image, State), String> {
    let fixture = &FIXTURES[number % FIXTURES.len()];
    let mut image = fixture.image()?;
    image.resize(image.bytes() + 60 * 4096 + 1000);
    let state = State::of(&reader::read(&image), &image);
    Ok((image, state.ok_or(format!("{} is not sound", fixture.name))?))
}
