//! The grid of cells.

use alloc::{collections::VecDeque, vec, vec::Vec};
use core::{iter, ops::Range};

use crate::cell::{Cell, Width};

/// Rows of equally many cells, at least one of each. Both halves of a wide character are always there.
pub(crate) struct Grid {
    rows: VecDeque<Row>,
    columns: usize,
}

struct Row {
    cells: Vec<Cell>,
    /// Something was written to it since that was asked last.
    is_changed: bool,
}

impl Row {
    fn new(columns: usize, blank: Cell) -> Self {
        Self { cells: vec![blank; columns], is_changed: true }
    }
}

impl Grid {
    pub(crate) fn new(columns: usize, rows: usize, blank: Cell) -> Self {
        let (columns, rows) = (columns.max(1), rows.max(1));
        let all = iter::repeat_with(|| Row::new(columns, blank)).take(rows);
        Self { rows: all.collect(), columns }
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The cells of a row; none where there is no such row.
    pub(crate) fn row(&self, row: usize) -> &[Cell] {
        self.rows.get(row).map_or(&[], |row| &row.cells)
    }

    /// Says that something was written to a row since this was asked for last.
    pub(crate) fn take_changed(&mut self, row: usize) -> bool {
        self.rows.get_mut(row).is_some_and(|row| core::mem::take(&mut row.is_changed))
    }

    /// Writes a character, and the covered cell behind it where it is wide. What does not fit is left out.
    pub(crate) fn put(&mut self, row: usize, column: usize, cell: Cell) {
        let width = if cell.width == Width::Double { 2 } else { 1 };
        if column + width > self.columns {
            return;
        }
        let covered = Cell { char: ' ', width: Width::Covered, ..cell };
        self.write(row, column..column + width, |index| if index == 0 { cell } else { covered });
    }

    /// Makes cells blank.
    pub(crate) fn erase(&mut self, row: usize, columns: Range<usize>, blank: Cell) {
        self.write(row, columns, |_| blank);
    }

    /// Moves all rows up by one; the first is lost, the last becomes blank.
    pub(crate) fn scroll(&mut self, blank: Cell) {
        let mut row = self.rows.pop_front().unwrap_or_else(|| Row::new(self.columns, blank));
        row.cells.fill(blank);
        self.rows.push_back(row);
        self.rows.iter_mut().for_each(|row| row.is_changed = true);
    }

    /// Changes the number of columns, at the right, and of rows, so many of them at the top and the rest at the bottom.
    pub(crate) fn resize(&mut self, columns: usize, rows: usize, from_top: usize, blank: Cell) {
        let (columns, rows) = (columns.max(1), rows.max(1));
        self.rows.drain(..from_top.min(self.rows.len()));
        self.rows.truncate(rows);
        self.rows.resize_with(rows, || Row::new(columns, blank));
        if columns < self.columns {
            // A wide character that would be cut in two.
            (0..rows).for_each(|row| self.part(row, columns));
        }
        self.columns = columns;
        for row in &mut self.rows {
            row.cells.resize(columns, blank);
            row.is_changed = true;
        }
    }

    /// Writes cells, and blanks what would be left over of a wide character at either end.
    fn write(&mut self, row: usize, columns: Range<usize>, cell: impl Fn(usize) -> Cell) {
        self.part(row, columns.start);
        self.part(row, columns.end);
        if let Some(row) = self.rows.get_mut(row)
            && let Some(cells) = row.cells.get_mut(columns)
        {
            row.is_changed = true;
            cells.iter_mut().enumerate().for_each(|(index, place)| *place = cell(index));
        }
    }

    /// Blanks both halves of a wide character that begins before this column and ends in it.
    fn part(&mut self, row: usize, column: usize) {
        let Some(row) = self.rows.get_mut(row) else {
            return;
        };
        if row.cells.get(column).is_some_and(|cell| cell.width == Width::Covered) {
            row.is_changed = true;
            let halves = row.cells.get_mut(column.saturating_sub(1)..=column).unwrap_or_default();
            halves.iter_mut().for_each(|cell| *cell = cell.blanked());
        }
    }
}
