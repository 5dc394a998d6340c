//! The parts of a frame that have changed since they were last shown.

use alloc::vec::Vec;
use core::ops::Range;

use super::{Error, Mode, Rect};

/// The most areas that are told at once.
pub const MAX_AREAS: usize = 8;

/// Unchanged rows between two changed ones that are shown along with them: to copy these costs less than
/// another command to the device.
const SMALL_GAP: u32 = 8;

/// The changed columns of each row.
#[derive(Debug)]
pub(crate) struct Damage {
    /// By the row. Where nothing has changed, the range is empty.
    columns: Vec<Range<u32>>,
    /// No row outside of these has changed.
    rows: Range<u32>,
}

impl Damage {
    /// A frame of this size, none of which has changed.
    pub fn none(mode: Mode) -> Result<Self, Error> {
        let (mut columns, height) = (Vec::new(), mode.height() as usize);
        columns.try_reserve_exact(height).map_err(|_| Error::NoMemory)?;
        columns.resize(height, 0..0);
        Ok(Self { columns, rows: 0..0 })
    }

    /// Says that an area that lies in the frame has changed.
    #[inline]
    pub fn add(&mut self, area: Rect) {
        if area.is_empty() {
            return;
        }
        let (rows, columns) = (area.rows(), area.columns());
        self.rows = hull(&self.rows, &rows);
        for row in self.columns.get_mut(rows.start as usize..rows.end as usize).unwrap_or_default()
        {
            *row = hull(row, &columns);
        }
    }

    /// Says that an area has been shown. What lies beside it in a row that is wider counts as changed with it.
    pub fn remove(&mut self, area: Rect) {
        let (rows, columns) = (area.rows(), area.columns());
        let (from, to) = (rows.start.max(self.rows.start), rows.end.min(self.rows.end));
        if from >= to {
            return;
        }
        for row in self.columns.get_mut(from as usize..to as usize).unwrap_or_default() {
            if columns.start <= row.start && row.end <= columns.end {
                *row = 0..0;
            }
        }
        let all = self.columns.get(self.rows.start as usize..self.rows.end as usize);
        if (from, to) == (self.rows.start, self.rows.end)
            && all.is_some_and(|rows| rows.iter().all(Range::is_empty))
        {
            self.rows = 0..0;
        }
    }

    /// Says that everything has been shown.
    pub fn clear(&mut self) {
        let rows = self.rows.start as usize..self.rows.end as usize;
        self.columns.get_mut(rows).unwrap_or_default().fill(0..0);
        self.rows = 0..0;
    }

    /// Areas that cover all changes: one for each run of changed rows, [`MAX_AREAS`] at most.
    pub fn areas(&self) -> Areas {
        let mut areas = Areas { list: [Rect::default(); MAX_AREAS], count: 0 };
        let rows = self.columns.get(self.rows.start as usize..self.rows.end as usize);
        for (y, columns) in (self.rows.start..).zip(rows.unwrap_or_default()) {
            if !columns.is_empty() {
                areas.add_row(y, columns);
            }
        }
        areas
    }
}

/// The smallest range that holds both; an empty one holds nothing.
#[inline]
fn hull(one: &Range<u32>, other: &Range<u32>) -> Range<u32> {
    match one.is_empty() {
        true => other.clone(),
        false => one.start.min(other.start)..one.end.max(other.end),
    }
}

/// A few areas.
#[derive(Debug)]
pub(crate) struct Areas {
    list: [Rect; MAX_AREAS],
    count: usize,
}

impl Areas {
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn as_slice(&self) -> &[Rect] {
        self.list.get(..self.count).unwrap_or_default()
    }

    /// Adds a row, which lies below those before.
    fn add_row(&mut self, y: u32, columns: &Range<u32>) {
        let last = self.count.checked_sub(1).and_then(|last| self.list.get_mut(last));
        let is_full = self.count == MAX_AREAS;
        if let Some(last) = last
            && (is_full || y - last.rows().end <= SMALL_GAP)
        {
            let columns = hull(&last.columns(), columns);
            let (width, height) = (columns.end - columns.start, y + 1 - last.y);
            *last = Rect { x: columns.start, width, height, ..*last };
        } else if let Some(next) = self.list.get_mut(self.count) {
            *next = Rect::new(columns.start, y, columns.end - columns.start, 1);
            self.count += 1;
        }
    }
}
