//! The account of `job=lookup`: which paths it is to look up, and what each of them led to.
//!
//! Both stand on a disk beside that of the files. The list is text, one path a line, and ends at the first
//! byte 0. Each answer is a sector of its own, in the order of the list.

use super::SECTOR_SIZE;

/// The most sectors of a list.
pub const MOST_LIST: usize = 512;
/// The most bytes of a file's content that an answer tells.
pub const MOST_CONTENT: usize = SECTOR_SIZE - HEAD;

/// The first bytes of every answer.
const MARK: [u8; 8] = *b"lookup 1";
/// The mark, the outcome, the number of the inode and the length of the content.
const HEAD: usize = 8 + 3 * 4;

/// The answer to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// There is nothing of that name.
    Missing,
    /// The file system could not tell.
    Failed,
    /// An inode.
    Found {
        /// Its number.
        inode: u32,
        /// Its content, up to [`MOST_CONTENT`] bytes; nothing for a directory.
        content: &'a [u8],
    },
}

impl<'a> Answer<'a> {
    /// The sector that tells it.
    pub fn sector(&self) -> [u8; SECTOR_SIZE] {
        let (outcome, inode, content) = match *self {
            Self::Missing => (0, 0, &[][..]),
            Self::Failed => (1, 0, &[][..]),
            Self::Found { inode, content } => (2, inode, content),
        };
        let length = content.len().min(MOST_CONTENT) as u32;
        let numbers = [outcome, inode, length].into_iter().flat_map(u32::to_le_bytes);
        let bytes = MARK.into_iter().chain(numbers).chain(content.iter().copied());
        let mut sector = [0; SECTOR_SIZE];
        for (to, byte) in sector.iter_mut().zip(bytes) {
            *to = byte;
        }
        sector
    }

    /// Reads a sector; `None` if no answer stands in it.
    pub fn of(sector: &'a [u8; SECTOR_SIZE]) -> Option<Self> {
        let (head, content) = sector.split_at_checked(HEAD)?;
        let (mark, numbers) = head.split_first_chunk::<8>()?;
        let (numbers, _) = numbers.as_chunks::<4>();
        let [outcome, inode, length] = numbers else { return None };
        let content = content.get(..u32::from_le_bytes(*length) as usize)?;
        match u32::from_le_bytes(*outcome) {
            _ if *mark != MARK => None,
            0 => Some(Self::Missing),
            1 => Some(Self::Failed),
            2 => Some(Self::Found { inode: u32::from_le_bytes(*inode), content }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let content = [7; MOST_CONTENT];
        for answer in [
            Answer::Missing,
            Answer::Failed,
            Answer::Found { inode: 9, content: b"" },
            Answer::Found { inode: u32::MAX, content: &content },
        ] {
            assert_eq!(Answer::of(&answer.sector()), Some(answer));
        }
        let mut sector = Answer::Missing.sector();
        sector[0] ^= 1;
        assert_eq!(Answer::of(&sector), None);
    }
}
