//! From bytes to cells.

use core::ops::Range;

use unicode_width::UnicodeWidthChar;
use vte::{Params, Parser, Perform};

use crate::{
    cell::{Cell, Width},
    color::Style,
    grid::Grid,
};

/// The most columns and the most rows that a terminal has, whatever is asked for.
pub const MOST: usize = 1024;

/// The columns from one tabulator stop to the next.
const TAB: usize = 8;

/// A place in the grid, counted from 0 at the top left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The row, from the top.
    pub row: usize,
    /// The column, from the left.
    pub column: usize,
}

/// A grid of cells that bytes change.
///
/// It takes any bytes and never fails; what it does not know is left out. Its memory is that of
/// the grid.
pub struct Terminal {
    parser: Parser,
    screen: Screen,
}

impl Terminal {
    /// An empty terminal with so many columns and rows, each at least 1 and at most [`MOST`].
    pub fn new(columns: usize, rows: usize) -> Self {
        Self { parser: Parser::new(), screen: Screen::new(columns, rows) }
    }

    /// Takes in bytes, which may end within a character or a sequence: the next ones go on from there.
    ///
    /// A line feed goes to the start of the next line, as the kernel's lines end with it alone. Known are, beside
    /// backspace, tabulator and carriage return, the sequences that move the cursor (CUU, CUD, CUF, CUB, CNL, CPL, CHA,
    /// VPA, CUP, HVP), erase (ED, EL, ECH), choose colours (SGR), and hide the cursor (`?25`). Characters without a
    /// width of their own, such as combining ones, are left out.
    pub fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            // One by one: of bytes that come behind half a character, `vte` 0.15 may lose some.
            self.parser.advance(&mut self.screen, &[*byte]);
        }
    }

    /// Changes the size, within the limits of [`Self::new`]. The text stays where it is and is not wrapped anew:
    /// columns go at the right, and rows at the bottom as long as the cursor is not there, and then at the top.
    pub fn resize(&mut self, columns: usize, rows: usize) {
        self.screen.resize(columns, rows);
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.screen.grid.columns()
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.screen.grid.rows()
    }

    /// The cells of a row, as many as there are columns; none where there is no such row.
    pub fn row(&self, row: usize) -> &[Cell] {
        self.screen.grid.row(row)
    }

    /// The cursor's place; `None` while it is hidden.
    pub fn cursor(&self) -> Option<Position> {
        (!self.screen.is_cursor_hidden).then_some(self.screen.cursor)
    }

    /// Says that something was written to a row since this was asked for last.
    pub(crate) fn take_changed(&mut self, row: usize) -> bool {
        self.screen.grid.take_changed(row)
    }
}

struct Screen {
    grid: Grid,
    cursor: Position,
    /// A character was written to the last column: the next one begins a new line first. So a line that is as long as
    /// the grid is wide does not leave an empty one behind it.
    is_full: bool,
    is_cursor_hidden: bool,
    style: Style,
}

impl Screen {
    fn new(columns: usize, rows: usize) -> Self {
        let style = Style::default();
        Self {
            grid: Grid::new(columns.min(MOST), rows.min(MOST), style.blank()),
            cursor: Position::default(),
            is_full: false,
            is_cursor_hidden: false,
            style,
        }
    }

    fn resize(&mut self, columns: usize, rows: usize) {
        let (columns, rows) = (columns.clamp(1, MOST), rows.clamp(1, MOST));
        let from_top = (self.cursor.row + 1).saturating_sub(rows);
        self.grid.resize(columns, rows, from_top, Style::default().blank());
        self.move_to(self.cursor.row - from_top, self.cursor.column);
    }

    /// Puts the cursor to the place, or to the nearest one that there is.
    fn move_to(&mut self, row: usize, column: usize) {
        self.cursor =
            Position { row: row.min(self.last_row()), column: column.min(self.last_column()) };
        self.is_full = false;
    }

    fn last_row(&self) -> usize {
        self.grid.rows().saturating_sub(1)
    }

    fn last_column(&self) -> usize {
        self.grid.columns().saturating_sub(1)
    }

    fn begin_line(&mut self) {
        if self.cursor.row == self.last_row() {
            self.grid.scroll(self.style.blank());
        }
        self.move_to(self.cursor.row + 1, 0);
    }

    fn erase(&mut self, row: usize, columns: Range<usize>) {
        self.grid.erase(row, columns, self.style.blank());
    }

    fn erase_rows(&mut self, rows: Range<usize>) {
        rows.for_each(|row| self.erase(row, 0..self.grid.columns()));
    }

    /// The part of the cursor's row that ED and EL mean.
    fn erase_in_row(&mut self, part: u16) {
        let Position { row, column } = self.cursor;
        match part {
            0 => self.erase(row, column..self.grid.columns()),
            1 => self.erase(row, 0..column + 1),
            2 => self.erase_rows(row..row + 1),
            _ => {}
        }
    }

    fn erase_in_display(&mut self, part: u16) {
        let row = self.cursor.row;
        match part {
            0 => self.erase_rows(row + 1..self.grid.rows()),
            1 => self.erase_rows(0..row),
            2 => return self.erase_rows(0..self.grid.rows()),
            _ => return,
        }
        self.erase_in_row(part);
    }
}

impl Perform for Screen {
    fn print(&mut self, char: char) {
        let (columns, width) = match char.width() {
            None | Some(0) => return,
            Some(1) => (1, Width::Single),
            Some(_) => (2, Width::Double),
        };
        if self.is_full || self.cursor.column + columns > self.grid.columns() {
            self.begin_line();
        }
        let Position { row, column } = self.cursor;
        self.grid.put(row, column, self.style.cell(char, width));
        self.move_to(row, column + columns);
        self.is_full = column + columns >= self.grid.columns();
    }

    fn execute(&mut self, byte: u8) {
        let Position { row, column } = self.cursor;
        match byte {
            b'\x08' => self.move_to(row, column.saturating_sub(1)),
            b'\t' => self.move_to(row, (column / TAB + 1) * TAB),
            // Vertical tabulator and form feed do as a line feed.
            b'\n' | b'\x0b' | b'\x0c' => self.begin_line(),
            b'\r' => self.move_to(row, 0),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        if ignore {
            return;
        }
        let param = |index| params.iter().nth(index).and_then(|values| values.first().copied());
        let first = param(0).unwrap_or(0);
        if intermediates == b"?" && first == 25 && matches!(action, 'h' | 'l') {
            self.is_cursor_hidden = action == 'l';
        }
        if !intermediates.is_empty() {
            return;
        }
        let Position { row, column } = self.cursor;
        let count = usize::from(first.max(1));
        match action {
            'A' => self.move_to(row.saturating_sub(count), column),
            'B' => self.move_to(row + count, column),
            'C' => self.move_to(row, column + count),
            'D' => self.move_to(row, column.saturating_sub(count)),
            'E' => self.move_to(row + count, 0),
            'F' => self.move_to(row.saturating_sub(count), 0),
            'G' => self.move_to(row, count - 1),
            'd' => self.move_to(count - 1, column),
            'H' | 'f' => {
                let column = param(1).unwrap_or(0).max(1);
                self.move_to(count - 1, usize::from(column) - 1);
            }
            'J' => self.erase_in_display(first),
            'K' => self.erase_in_row(first),
            'X' => self.erase(row, column..(column + count).min(self.grid.columns())),
            'm' => self.style.select(params),
            _ => {}
        }
    }
}
