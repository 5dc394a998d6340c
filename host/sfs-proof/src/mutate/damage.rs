//! The damage to an image: most often to what leads to something else.

use fastrand::Rng;

use crate::{
    disk::{BLOCK, Image},
    reader::{Kind, Node, Reading},
};

/// Bytes of an entry.
const ENTRY: usize = 260;

/// Damages an image in one place, and returns words on it.
pub fn damage(image: &mut Image, reading: &Reading, rng: &mut Rng) -> String {
    let Some((number, node)) = rng.choice(&reading.nodes) else { return random(image, rng) };
    match rng.u8(..20) {
        0..7 => field(image, *number, rng),
        7..11 if node.kind == Kind::Directory => entry(image, node, rng),
        7..11 => field(image, *number, rng),
        11..13 if !node.pointers.is_empty() => pointer(image, node, rng),
        11..14 => superblock(image, rng),
        14..16 => map(image, rng),
        16 => copy(image, reading, rng),
        17 => shorten(image, rng),
        _ => random(image, rng),
    }
}

/// A number that may do harm.
fn number(image: &Image, rng: &mut Rng) -> u32 {
    let end = image.len();
    match rng.u8(..8) {
        0 => rng.u32(..4),
        1 => u32::MAX - rng.u32(..2),
        2 => end.saturating_add_signed(rng.i32(-2..3)),
        3 => rng.u32(..),
        4 => 1 << rng.u8(..32),
        5 => rng.u32(..20_000),
        _ => rng.u32(..end.max(1)),
    }
}

fn put(image: &mut Image, block: u32, offset: usize, bytes: &[u8]) -> String {
    if let Some(to) =
        image.block_mut(block).and_then(|content| content.get_mut(offset..offset + bytes.len()))
    {
        to.copy_from_slice(bytes);
    }
    let start = &bytes[..bytes.len().min(8)];
    format!("{} bytes {start:?} at {offset} of block {block}", bytes.len())
}

/// A field of an inode.
fn field(image: &mut Image, inode: u32, rng: &mut Rng) -> String {
    match rng.u8(..10) {
        // A size with the blocks that fit it.
        0..2 => {
            let size =
                rng.choice([260, 520, 4096 * 12, 4096 * 1036, 5_000_000, u32::MAX]).unwrap_or(0);
            let size = size.saturating_add_signed(rng.i32(-1..300));
            let blocks = size.div_ceil(BLOCK as u32);
            put(image, inode, 8, &blocks.to_le_bytes());
            put(image, inode, 0, &size.to_le_bytes())
        }
        2 => put(image, inode, 4, &rng.u16(..7).to_le_bytes()),
        3 => {
            let links = rng.choice([0, 1, 2, 3, u16::MAX]).unwrap_or(0);
            put(image, inode, 6, &links.to_le_bytes())
        }
        4 => put(image, inode, 0, &number(image, rng).to_le_bytes()),
        5 => put(image, inode, 8, &number(image, rng).to_le_bytes()),
        _ => put(image, inode, 12 + 4 * rng.usize(..14), &number(image, rng).to_le_bytes()),
    }
}

/// A byte of a name, or the number, in an entry of a directory.
fn entry(image: &mut Image, directory: &Node, rng: &mut Rng) -> String {
    let entry = rng.usize(..(directory.size as usize / ENTRY).max(1));
    let (place, bytes) = match rng.u8(..4) {
        0 => (4 + rng.usize(..256), vec![rng.u8(..)]),
        1 => (
            4,
            rng.choice([&b"/"[..], b"\0", b".", b".\0", b"..\0", b"a\0", b"\xff\xfe"])
                .unwrap_or(b"")
                .to_vec(),
        ),
        2 => (4, vec![b'n'; 256]),
        _ => (0, number(image, rng).to_le_bytes().to_vec()),
    };
    let place = entry * ENTRY + place;
    match directory.data.get(place / BLOCK) {
        Some(block) => put(image, *block, (place % BLOCK).min(BLOCK - bytes.len()), &bytes),
        None => random(image, rng),
    }
}

/// A number in a block of numbers.
fn pointer(image: &mut Image, node: &Node, rng: &mut Rng) -> String {
    let block = rng.choice(&node.pointers).copied().unwrap_or_default();
    let slot = if rng.bool() { rng.usize(..16) } else { rng.usize(..1024) };
    put(image, block, 4 * slot, &number(image, rng).to_le_bytes())
}

fn superblock(image: &mut Image, rng: &mut Rng) -> String {
    let offset = rng.choice([4, 4, 8, 44, 0, 12]).unwrap_or(4);
    if offset == 4 && rng.bool() {
        let blocks = number(image, rng);
        put(image, 0, 44, &blocks.div_ceil(8 * BLOCK as u32).to_le_bytes());
        return put(image, 0, 4, &blocks.to_le_bytes());
    }
    put(image, 0, offset, &number(image, rng).to_le_bytes())
}

fn map(image: &mut Image, rng: &mut Rng) -> String {
    let used = (image.len() as usize / 8).clamp(1, BLOCK);
    match rng.u8(..4) {
        0 => put(image, 2, 0, &vec![rng.choice([0, 0xff]).unwrap_or(0); used]),
        1 => put(image, 2, rng.usize(..BLOCK), &[rng.u8(..)]),
        _ => put(image, 2, rng.usize(..used), &[rng.u8(..)]),
    }
}

/// One block of those in use over another.
fn copy(image: &mut Image, reading: &Reading, rng: &mut Rng) -> String {
    let mut any = || {
        let (number, node) = rng.choice(&reading.nodes)?;
        let all: Vec<u32> =
            [*number].iter().chain(&node.data).chain(&node.pointers).copied().collect();
        rng.choice(all)
    };
    let (from, to) = (any().unwrap_or(0), any().unwrap_or(1));
    if let Some(content) = image.block(from).copied() {
        put(image, to, 0, &content);
    }
    format!("block {from} over {to}")
}

fn shorten(image: &mut Image, rng: &mut Rng) -> String {
    let bytes = if rng.bool() {
        rng.u64(..=image.bytes())
    } else {
        image.bytes().saturating_sub(rng.u64(..9000))
    };
    image.resize(bytes);
    format!("cut off at {bytes} bytes")
}

fn random(image: &mut Image, rng: &mut Rng) -> String {
    let block = rng.u32(..image.len().max(1));
    put(image, block, rng.usize(..BLOCK), &[rng.u8(..)])
}
