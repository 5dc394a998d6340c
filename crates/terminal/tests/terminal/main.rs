//! Terminals and their pictures, by what goes in and what is to be seen.

mod canvas;
mod colors;
mod drawing;
mod random;
mod scripts;

use terminal::{Terminal, Width};

/// The text of each row, without the blanks at its end.
fn text(terminal: &Terminal) -> Vec<String> {
    let row_text = |row| {
        let cells = terminal.row(row).iter().filter(|cell| cell.width != Width::Covered);
        cells.map(|cell| cell.char).collect::<String>().trim_end().to_owned()
    };
    (0..terminal.rows()).map(row_text).collect()
}

/// The cursor's row and column.
fn cursor(terminal: &Terminal) -> Option<(usize, usize)> {
    terminal.cursor().map(|cursor| (cursor.row, cursor.column))
}
