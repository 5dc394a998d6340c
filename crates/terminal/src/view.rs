//! The picture of a terminal.

use alloc::vec::Vec;

use embedded_graphics_core::{
    draw_target::DrawTarget,
    geometry::{Point, Size},
    pixelcolor::{Rgb888, RgbColor},
    primitives::Rectangle,
};

use crate::{
    Position, Terminal,
    cell::{Cell, Width},
    font::{CELL, Shape},
};

/// The part of a terminal that a picture shows.
///
/// Each cell is [`CELL`] pixels large, the first one at the picture's origin. What is right and below of the grid is
/// black.
#[derive(Default)]
pub struct View {
    columns: usize,
    /// The cells as they are in the picture, row by row; `None` where that is not known.
    shown: Vec<Option<Cell>>,
    cursor: Option<Position>,
}

impl View {
    /// Nothing is known of the picture: everything is drawn at first.
    pub fn new() -> Self {
        Self::default()
    }

    /// The columns and rows that there is room for in so many pixels.
    pub fn grid_for(width: u32, height: u32) -> (usize, usize) {
        ((width / CELL.width) as usize, (height / CELL.height) as usize)
    }

    /// Draws what has changed since the last time. Returns the number of cells that were drawn; it is 0 if the picture
    /// was up to date.
    ///
    /// A terminal is drawn by one view: it forgets what has changed when that is drawn.
    ///
    /// # Errors
    ///
    /// The picture's own. The next time, everything is drawn.
    pub fn draw<D: DrawTarget<Color = Rgb888>>(
        &mut self,
        terminal: &mut Terminal,
        picture: &mut D,
    ) -> Result<usize, D::Error> {
        self.draw_changed(terminal, picture).inspect_err(|_| *self = Self::new())
    }

    fn draw_changed<D: DrawTarget<Color = Rgb888>>(
        &mut self,
        terminal: &mut Terminal,
        picture: &mut D,
    ) -> Result<usize, D::Error> {
        let (columns, rows) = (terminal.columns(), terminal.rows());
        let is_new = self.columns != columns || self.shown.len() != columns * rows;
        if is_new {
            picture.clear(Rgb888::BLACK)?;
            self.columns = columns;
            self.shown.clear();
            self.shown.resize(columns * rows, None);
        }
        let cursor = terminal.cursor().map(|cursor| leftmost(cursor, terminal.row(cursor.row)));
        let earlier = core::mem::replace(&mut self.cursor, cursor);
        let mut drawn = 0;
        for (row, shown) in self.shown.chunks_mut(columns).enumerate() {
            let has_cursor = [cursor, earlier].iter().flatten().any(|cursor| cursor.row == row);
            if !terminal.take_changed(row) && !has_cursor && !is_new {
                continue;
            }
            for (column, (shown, cell)) in shown.iter_mut().zip(terminal.row(row)).enumerate() {
                let is_cursor = cursor == Some(Position { row, column });
                let cell = if is_cursor { cell.inverted() } else { *cell };
                if *shown != Some(cell) {
                    draw_cell(picture, row, column, &cell)?;
                    *shown = Some(cell);
                    drawn += 1;
                }
            }
        }
        Ok(drawn)
    }
}

/// The cursor's place, or that of the wide character that covers it.
fn leftmost(cursor: Position, row: &[Cell]) -> Position {
    match row.get(cursor.column) {
        Some(cell) if cell.width == Width::Covered => {
            Position { column: cursor.column.saturating_sub(1), ..cursor }
        }
        _ => cursor,
    }
}

fn draw_cell<D: DrawTarget<Color = Rgb888>>(
    picture: &mut D,
    row: usize,
    column: usize,
    cell: &Cell,
) -> Result<(), D::Error> {
    let width = match cell.width {
        Width::Single => CELL.width,
        Width::Double => 2 * CELL.width,
        // Drawn with the cell before.
        Width::Covered => return Ok(()),
    };
    // Both are at most `MOST`.
    let origin = Point::new(column as i32 * CELL.width as i32, row as i32 * CELL.height as i32);
    let area = Rectangle::new(origin, Size::new(width, CELL.height));
    if cell.char == ' ' {
        return picture.fill_solid(&area, cell.background);
    }
    let shape = Shape::of(cell.char, width);
    let color = |x, y| if shape.contains(x, y) { cell.foreground } else { cell.background };
    picture.fill_contiguous(
        &area,
        (0..CELL.height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| color(x, y)),
    )
}
