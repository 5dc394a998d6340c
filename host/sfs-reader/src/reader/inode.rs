//! One inode: its fields, and the blocks that it claims.

use super::{Kind, Node, u16_at, u32_at};
use crate::image::{BLOCK, Image};

/// File blocks whose numbers stand in the inode.
const DIRECT: u32 = 12;
/// Numbers in a block of numbers.
const TABLE: u32 = 1024;
/// The first file block whose number is found through two blocks of numbers.
const DOUBLE: u32 = DIRECT + TABLE;
/// Where in an inode the number of the block of numbers stands, and that of the block of blocks.
const INDIRECT_AT: usize = 60;
const DOUBLE_AT: usize = 64;

/// Reads an inode without its entries. `sound` says whether a block's number may occur.
///
/// # Errors
///
/// Its defects.
pub fn inode(image: &Image, number: u32, sound: impl Fn(u32) -> bool) -> Result<Node, String> {
    let block = image.block(number).ok_or(format!("inode {number} lies behind the end"))?;
    let (size, blocks) = (u32_at(block, 0), u32_at(block, 8));
    let kind = match u16_at(block, 4) {
        1 => Kind::File,
        2 => Kind::Directory,
        3 => Kind::Symlink,
        other @ 4..=5 => Kind::Device(other),
        other => return Err(format!("inode {number} has type {other}")),
    };
    if blocks != size.div_ceil(BLOCK as u32) {
        return Err(format!("inode {number} has {size} bytes in {blocks} blocks"));
    }
    let wrong = |what: &str, found| format!("{what} of inode {number} names block {found}");
    let pointer = |what: &str, found| match sound(found) {
        true => Ok(found),
        false => Err(wrong(what, found)),
    };
    let table = |found| image.block(found).unwrap_or(&[0; BLOCK]);

    let mut pointers = Vec::new();
    let indirect = match blocks >= DIRECT {
        true => pointer("indirect", u32_at(block, INDIRECT_AT))?,
        false => 0,
    };
    if blocks >= DIRECT {
        pointers.push(indirect);
    }
    let mut tables = Vec::new();
    if let Some(behind) = blocks.checked_sub(DOUBLE) {
        let double = pointer("double indirect", u32_at(block, DOUBLE_AT))?;
        pointers.push(double);
        for index in 0..=behind / TABLE {
            let found = u32_at(table(double), index as usize * 4);
            tables.push(pointer("double indirect", found)?);
        }
        pointers.extend(&tables);
    }
    let mut data = Vec::new();
    for index in 0..blocks {
        let found = if index < DIRECT {
            u32_at(block, 12 + index as usize * 4)
        } else if index < DOUBLE {
            u32_at(table(indirect), (index - DIRECT) as usize * 4)
        } else {
            let behind = index - DOUBLE;
            let table = table(tables[(behind / TABLE) as usize]);
            u32_at(table, (behind % TABLE) as usize * 4)
        };
        data.push(pointer(&format!("file block {index}"), found)?);
    }
    let links = u16_at(block, 6);
    Ok(Node { kind, size, links, data, pointers, entries: Vec::new(), parents: Vec::new() })
}
