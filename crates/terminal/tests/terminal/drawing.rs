//! Pictures of terminals.

use embedded_graphics_core::pixelcolor::{Rgb888, RgbColor};
use terminal::{Terminal, View};

use crate::canvas::{Canvas, Full};

const INK: Rgb888 = Rgb888::new(229, 229, 229);
const CELL: usize = 8 * 16;

/// The picture of a terminal of 80 columns and 30 rows after these bytes.
fn picture(bytes: impl AsRef<[u8]>) -> Canvas {
    let mut terminal = Terminal::new(80, 30);
    terminal.feed(bytes.as_ref());
    drawn(&mut terminal, 640, 480)
}

fn drawn(terminal: &mut Terminal, width: u32, height: u32) -> Canvas {
    let mut canvas = Canvas::new(width, height);
    View::new().draw(terminal, &mut canvas).unwrap();
    canvas
}

/// The pixels of cells of the first row, as text.
fn shape(canvas: &Canvas, columns: std::ops::Range<u32>) -> Vec<String> {
    let mark = |x, y| if canvas.pixel(x, y) == INK { '#' } else { '.' };
    (0..16).map(|y| (columns.start * 8..columns.end * 8).map(|x| mark(x, y)).collect()).collect()
}

#[test]
fn letters_look_as_they_should() {
    let canvas = picture("A");
    assert_eq!(
        shape(&canvas, 0..1),
        [
            "........", "........", "........", "........", "...##...", "..#..#..", "..#..#..",
            ".#....#.", ".#....#.", ".######.", ".#....#.", ".#....#.", ".#....#.", ".#....#.",
            "........", "........",
        ]
    );
    assert!((16..480).all(|y| canvas.pixel(3, y) == Rgb888::BLACK));
}

#[test]
fn chinese_characters_are_two_cells_wide() {
    let canvas = picture("\u{4e2d}");
    assert_eq!(
        shape(&canvas, 0..2),
        [
            ".......#........",
            ".......#........",
            ".......#........",
            ".......#........",
            "..###########...",
            "..#....#....#...",
            "..#....#....#...",
            "..#....#....#...",
            "..#....#....#...",
            "..#....#....#...",
            "..###########...",
            "..#....#....#...",
            ".......#........",
            ".......#........",
            ".......#........",
            ".......#........",
        ]
    );
}

#[test]
fn a_box_stands_for_what_the_font_has_not() {
    let narrow = shape(&picture("\u{10300}"), 0..1);
    assert_eq!([&narrow[1], &narrow[2], &narrow[3]], ["........", ".######.", ".#....#."]);
    assert_eq!([&narrow[12], &narrow[13], &narrow[14]], [".#....#.", ".######.", "........"]);
    let wide = shape(&picture("\u{1f600}"), 0..2);
    assert_eq!([&wide[2], &wide[3]], [".##############.", ".#............#."]);
    // Simplified and traditional, rare in names, kana, hangul, Greek, Cyrillic, accents, and lines of tables.
    let known = "\u{9f99}\u{9f8d}\u{5586}\u{5803}\u{304b}\u{d55c}\u{3b1}\u{44f}\u{e9}\u{251c}";
    for char in known.chars() {
        let canvas = picture(char.to_string());
        let (one, two) = (shape(&canvas, 0..1), shape(&canvas, 0..2));
        assert!(one.iter().any(|row| row.contains('#')), "{char}");
        assert!(one != narrow && two != wide, "{char}");
    }
}

#[test]
fn a_wide_glyph_of_a_narrow_character_is_narrowed() {
    // The font has it with 16 columns, and it counts as one cell.
    let canvas = picture("\u{2026}x");
    assert!(shape(&canvas, 0..1).iter().any(|row| row.contains('#')));
    assert_eq!(shape(&canvas, 1..2), shape(&picture("x"), 0..1));
}

#[test]
fn the_cursor_is_a_cell_with_its_colors_changed_about() {
    let block = |canvas: &Canvas, column| shape(canvas, column..column + 1) == ["########"; 16];
    assert!(block(&picture("ab"), 2));
    assert!(!block(&picture("ab\x1b[?25l"), 2));
    let on_letter = picture("ab\x1b[2D");
    let inverted = shape(&picture("ab"), 0..1).join("").replace('#', "x").replace('.', "#");
    assert_eq!(shape(&on_letter, 0..1).join(""), inverted.replace('x', "."));
    // On either half of a wide character it is on both.
    let halves = ["\u{4f60}\r", "\u{4f60}\x08"].map(|bytes| shape(&picture(bytes), 0..2));
    assert_eq!(halves[0], halves[1]);
    assert_eq!(halves[0][15].chars().filter(|mark| *mark == '#').count(), 14);
}

#[test]
fn nothing_is_drawn_outside_of_the_grid() {
    let mut terminal = Terminal::new(2, 1);
    terminal.feed("abcd\u{4f60}".as_bytes());
    let canvas = drawn(&mut terminal, 23, 19);
    assert!((0..19).all(|y| (16..23).all(|x| canvas.pixel(x, y) == Rgb888::BLACK)));
    assert!((16..19).all(|y| (0..23).all(|x| canvas.pixel(x, y) == Rgb888::BLACK)));
    assert_eq!(View::grid_for(23, 19), (2, 1));
    assert_eq!(View::grid_for(1024, 768), (128, 48));
    assert_eq!(View::grid_for(7, 0), (0, 0));
}

#[test]
fn only_what_has_changed_is_drawn() {
    let mut terminal = Terminal::new(80, 30);
    let mut canvas = Canvas::new(640, 480);
    let mut view = View::new();
    let mut draw = |bytes: &str| {
        terminal.feed(bytes.as_bytes());
        let before = canvas.written;
        let cells = view.draw(&mut terminal, &mut canvas).unwrap();
        (cells, (canvas.written - before) / CELL)
    };
    // The picture is cleared, and each cell is drawn.
    assert_eq!(draw("\r/> "), (80 * 30, 2 * 80 * 30));
    assert_eq!(draw(""), (0, 0));
    // The line editor shows the whole line for each key: what was there is left alone.
    assert_eq!(draw("\r/> l\x1b[K\r\x1b[4C"), (2, 2));
    assert_eq!(draw("\r/> l\x1b[K\r\x1b[3C"), (2, 2));
    // A wide character is one cell of two columns, with the one that it covers and the cursor.
    assert_eq!(draw("\r/> \u{4f60}\x1b[K\r\x1b[5C"), (3, 3));
    // A line of text costs its own length, also when all others move up.
    let line = "x".repeat(80);
    let (cells, drawn) = draw(&format!("\r{line}\r"));
    assert!(cells <= 80 && drawn * 20 <= 80 * 30, "{cells} {drawn}");
    draw(&"same\n".repeat(60));
    let (cells, drawn) = draw("same\n");
    assert!(cells == 0 && drawn == 0, "{cells} {drawn}");
}

#[test]
fn after_an_error_everything_is_drawn_again() {
    let mut terminal = Terminal::new(10, 3);
    terminal.feed(b"one\ntwo\nthree");
    let expected = drawn(&mut terminal, 80, 48);
    for left in 0..31 {
        let mut view = View::new();
        let mut canvas = Canvas::new(80, 48);
        canvas.left = Some(left);
        terminal.feed(b"\rthree");
        assert_eq!(view.draw(&mut terminal, &mut canvas), Err(Full), "{left}");
        canvas.left = None;
        view.draw(&mut terminal, &mut canvas).unwrap();
        assert!(canvas.pixels == expected.pixels, "{left}");
    }
}

#[test]
fn another_size_is_drawn_anew() {
    let mut terminal = Terminal::new(10, 3);
    terminal.feed("one\ntwo\n\u{4f60}\u{597d}".as_bytes());
    let mut view = View::new();
    view.draw(&mut terminal, &mut Canvas::new(80, 48)).unwrap();
    for (columns, rows) in [(5, 2), (20, 6), (6, 10)] {
        terminal.resize(columns, rows);
        let (width, height) = (columns as u32 * 8 + 3, rows as u32 * 16 + 5);
        let mut canvas = Canvas::new(width, height);
        view.draw(&mut terminal, &mut canvas).unwrap();
        assert!(canvas.pixels == drawn(&mut terminal, width, height).pixels, "{columns} {rows}");
    }
}
