//! Bytes that nobody has chosen.

use fastrand::Rng;
use terminal::{Terminal, View, Width};

use crate::canvas::Canvas;

/// Pieces that random bytes alone would hardly ever make.
const PIECES: &[&str] = &[
    "\x1b[",
    "\x1b]",
    "\x1bP",
    "\x1b",
    "\u{4f60}",
    "\u{1f600}",
    "e\u{301}",
    "\n",
    "\r",
    "\t",
    "\x08",
    "\x1b[J",
    "\x1b[1J",
    "\x1b[2J",
    "\x1b[K",
    "\x1b[1K",
    "\x1b[H",
    "\x1b[4;9H",
    "\x1b[3X",
    "\x1b[7m",
    "\x1b[m",
    "\x1b[1;35m",
    "\x1b[38;5;99m",
    "\x1b[48;2;9;99;199m",
    "\x1b[?25l",
    "\x1b[?25h",
    "\x1b[A",
    "\x1b[2B",
    "\x1b[3C",
    "\x1b[D",
    "ab",
    "65535",
    ";",
    ":",
    "?",
];

fn bytes(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.usize(0..200) {
        match rng.u8(0..4) {
            0 => bytes.push(rng.u8(..)),
            1 => bytes.push(rng.u8(b' '..=b'~')),
            _ => bytes.extend_from_slice(rng.choice(PIECES).unwrap().as_bytes()),
        }
    }
    bytes
}

/// Makes sure that the grid is whole.
fn check(terminal: &Terminal) {
    for row in 0..terminal.rows() {
        let cells = terminal.row(row);
        assert_eq!(cells.len(), terminal.columns());
        for (column, cell) in cells.iter().enumerate() {
            let next_is_covered =
                cells.get(column + 1).is_some_and(|next| next.width == Width::Covered);
            assert_eq!(next_is_covered, cell.width == Width::Double, "{row} {column}");
        }
        assert_ne!(cells[0].width, Width::Covered);
    }
    if let Some(cursor) = terminal.cursor() {
        assert!(cursor.row < terminal.rows() && cursor.column < terminal.columns());
    }
}

fn same(one: &Terminal, other: &Terminal) -> bool {
    one.cursor() == other.cursor() && (0..one.rows()).all(|row| one.row(row) == other.row(row))
}

#[test]
fn any_bytes_leave_a_whole_grid_and_a_true_picture() {
    for seed in 0..300 {
        let mut rng = Rng::with_seed(seed);
        let (mut columns, mut rows) = (rng.usize(1..20), rng.usize(1..8));
        let mut terminal = Terminal::new(columns, rows);
        let mut in_pieces = Terminal::new(columns, rows);
        let mut view = View::new();
        let mut canvas = Canvas::new(columns as u32 * 8, rows as u32 * 16);
        for _ in 0..20 {
            if rng.u8(0..8) == 0 {
                (columns, rows) = (rng.usize(1..20), rng.usize(1..8));
                terminal.resize(columns, rows);
                in_pieces.resize(columns, rows);
                canvas = Canvas::new(columns as u32 * 8, rows as u32 * 16);
                view = View::new();
            }
            let bytes = bytes(&mut rng);
            terminal.feed(&bytes);
            bytes.chunks(rng.usize(1..9)).for_each(|piece| in_pieces.feed(piece));
            check(&terminal);
            assert!(same(&terminal, &in_pieces), "seed {seed}");
            view.draw(&mut terminal, &mut canvas).unwrap();
            // A second view finds what the first one has drawn already, and draws all of it.
            let mut fresh = Canvas::new(columns as u32 * 8, rows as u32 * 16);
            View::new().draw(&mut terminal, &mut fresh).unwrap();
            assert!(canvas.pixels == fresh.pixels, "seed {seed}");
        }
    }
}
