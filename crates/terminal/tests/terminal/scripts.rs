//! Bytes, and the grid that they must make.

use terminal::{MOST, Terminal};

use crate::{cursor, text};

/// A terminal of 10 columns and 4 rows after these bytes.
fn after(bytes: impl AsRef<[u8]>) -> Terminal {
    let mut terminal = Terminal::new(10, 4);
    terminal.feed(bytes.as_ref());
    terminal
}

/// Makes sure of the text and the cursor after some bytes. Rows that are not given must be empty.
fn check(bytes: impl AsRef<[u8]>, rows: &[&str], at: (usize, usize)) {
    let bytes = bytes.as_ref();
    let terminal = after(bytes);
    let mut expected = rows.to_vec();
    expected.resize(4, "");
    let name = String::from_utf8_lossy(bytes);
    assert_eq!(
        (text(&terminal), cursor(&terminal)),
        (expected.iter().map(|row| (*row).to_owned()).collect(), Some(at)),
        "{name:?}"
    );
}

#[test]
fn text_fills_lines_and_goes_on_in_the_next() {
    check("", &[], (0, 0));
    check("abc", &["abc"], (0, 3));
    check("abc\ndef", &["abc", "def"], (1, 3));
    check("abc\r\ndef", &["abc", "def"], (1, 3));
    check("0123456789ab", &["0123456789", "ab"], (1, 2));
}

#[test]
fn a_line_as_long_as_the_grid_leaves_no_empty_one() {
    check("0123456789", &["0123456789"], (0, 9));
    check("0123456789\nab", &["0123456789", "ab"], (1, 2));
    check("0123456789\rab", &["ab23456789"], (0, 2));
    check("0123456789\x1b[Da", &["01234567a9"], (0, 9));
    check("0123456789\x1b[K", &["012345678"], (0, 9));
}

#[test]
fn what_leaves_at_the_top_is_lost() {
    check("1\n2\n3\n4\n5", &["2", "3", "4", "5"], (3, 1));
    check("1\n2\n3\n4\n", &["2", "3", "4"], (3, 0));
    let long: String = (0..100).map(|line| format!("{line}\n")).collect();
    check(long, &["97", "98", "99"], (3, 0));
}

#[test]
fn returns_backspaces_and_tabulators_move_the_cursor() {
    check("abc\rx", &["xbc"], (0, 1));
    check("abc\x08\x08x", &["axc"], (0, 2));
    check("\x08x", &["x"], (0, 1));
    check("a\tb", &["a       b"], (0, 9));
    check("a\t\t\tb", &["a        b"], (0, 9));
    check("a\x0bb\x0cc", &["a", "b", "c"], (2, 1));
}

#[test]
fn other_control_characters_do_nothing() {
    check("a\0\x07\x0e\x1a\x7fb\u{85}\u{9b}c", &["abc"], (0, 3));
}

#[test]
fn wide_characters_take_two_columns() {
    check("\u{4f60}\u{597d}a", &["\u{4f60}\u{597d}a"], (0, 5));
    // One that does not fit goes to the next line as a whole.
    check("012345678\u{4f60}a", &["012345678", "\u{4f60}a"], (1, 3));
    check("01234567\u{4f60}a", &["01234567\u{4f60}", "a"], (1, 1));
}

#[test]
fn half_a_wide_character_is_none() {
    check("\u{4f60}\u{597d}\rx", &["x \u{597d}"], (0, 1));
    check("\u{4f60}\u{597d}\x1b[2Gx", &[" x\u{597d}"], (0, 2));
    check("\u{4f60}\u{597d}\x1b[2G\u{4e2d}", &[" \u{4e2d}"], (0, 3));
    check("\u{4f60}\u{597d}\x1b[2G\x1b[K", &[""], (0, 1));
    check("\u{4f60}\u{597d}\x1b[3G\x1b[1K", &[""], (0, 2));
    check("\u{4f60}\u{597d}\x1b[2G\x1b[2X", &[""], (0, 1));
}

#[test]
fn characters_without_width_are_left_out() {
    check("e\u{301}\u{200b}x", &["ex"], (0, 2));
}

#[test]
fn characters_may_come_in_pieces() {
    let text_of = "a\u{e9}\u{4f60}\u{1f600}";
    for cut in 0..=text_of.len() {
        let (first, second) = text_of.as_bytes().split_at(cut);
        let mut terminal = after(first);
        terminal.feed(second);
        assert_eq!(text(&terminal)[0], text_of, "{cut}");
    }
    // With half a character behind it.
    let mut terminal = after(b"\xc3");
    terminal.feed(b"\xa9x\xc3");
    terminal.feed(b"\xa9y");
    assert_eq!(text(&terminal)[0], "\u{e9}x\u{e9}y");
}

#[test]
fn what_is_not_utf_8_is_replaced() {
    check(b"a\xffb", &["a\u{fffd}b"], (0, 3));
    check(b"a\xe4\xbdb", &["a\u{fffd}b"], (0, 3));
    check(b"\xc0\x80b", &["\u{fffd}b"], (0, 2));
}

#[test]
fn sequences_move_the_cursor_within_the_grid() {
    for (bytes, at) in [
        ("\x1b[3;5H", (2, 4)),
        ("\x1b[3;5f", (2, 4)),
        ("\x1b[H", (0, 0)),
        ("\x1b[;5H", (0, 4)),
        ("\x1b[0;0H", (0, 0)),
        ("\x1b[99;99H", (3, 9)),
        ("\x1b[65535;65535H", (3, 9)),
        ("\x1b[99999999;1H", (3, 0)),
        ("\x1b[2;2H\x1b[A", (0, 1)),
        ("\x1b[2;2H\x1b[9A", (0, 1)),
        ("\x1b[2;2H\x1b[B\x1b[0B", (3, 1)),
        ("\x1b[2;2H\x1b[9B", (3, 1)),
        ("\x1b[2;2H\x1b[3C", (1, 4)),
        ("\x1b[2;2H\x1b[C", (1, 2)),
        ("\x1b[2;2H\x1b[99C", (1, 9)),
        ("\x1b[2;5H\x1b[3D", (1, 1)),
        ("\x1b[2;5H\x1b[9D", (1, 0)),
        ("\x1b[2;5H\x1b[E", (2, 0)),
        ("\x1b[2;5H\x1b[F", (0, 0)),
        ("\x1b[2;5H\x1b[3G", (1, 2)),
        ("\x1b[2;5H\x1b[4d", (3, 4)),
    ] {
        check(bytes, &[], at);
    }
}

#[test]
fn sequences_erase() {
    let filled = "0123456789".repeat(4);
    let all = ["0123456789"; 4];
    for (bytes, row) in [
        ("\x1b[K", "01234"),
        ("\x1b[0K", "01234"),
        ("\x1b[1K", "      6789"),
        ("\x1b[2K", ""),
        ("\x1b[3K", "0123456789"),
        ("\x1b[X", "01234 6789"),
        ("\x1b[3X", "01234   89"),
        ("\x1b[99X", "01234"),
    ] {
        let rows = [all[0], row, all[2], all[3]];
        check(format!("{filled}\x1b[2;6H{bytes}"), &rows, (1, 5));
    }
    for (bytes, rows) in [
        ("\x1b[J", [all[0], "01234", "", ""]),
        ("\x1b[1J", ["", "      6789", all[2], all[3]]),
        ("\x1b[2J", [""; 4]),
        ("\x1b[9J", all),
    ] {
        check(format!("{filled}\x1b[2;6H{bytes}"), &rows, (1, 5));
    }
}

#[test]
fn the_line_editor_s_way_to_show_a_line_works() {
    // As it is typed, and after the cursor has been moved back.
    check("\r> \x1b[K\r\x1b[2C\r> ls\x1b[K\r\x1b[4C", &["> ls"], (0, 4));
    check(
        "\r> \u{4f60}\u{597d}\x1b[K\r\x1b[6C\r> \u{4f60}\x1b[K\r\x1b[4C",
        &["> \u{4f60}"],
        (0, 4),
    );
    check("\r> abc\x1b[K\r\x1b[3C\r> abc\x1b[K\r\x1b[5C^C\n\r> ", &["> abc^C", ">"], (1, 2));
    check("one\ntwo\x1b[H\x1b[J\r> \x1b[K\r\x1b[2C", &[">"], (0, 2));
}

#[test]
fn sequences_that_are_not_known_change_nothing() {
    check("a\x1b[5n\x1b[?1049h\x1b[>c\x1b[1;2;3;4r\x1b(B\x1b=b", &["ab"], (0, 2));
    check("a\x1b]0;title\x07\x1b]8;;http://x\x1b\\\x1bP1;2|x\x1b\\\x1b_y\x1b\\b", &["ab"], (0, 2));
    let many = "1;".repeat(100);
    check(format!("a\x1b[{many}1Cb\x1b[{many}Jc"), &["abc"], (0, 3));
}

#[test]
fn a_sequence_may_come_in_pieces() {
    let bytes = b"\x1b[2;3Hx\x1b[1;31my\xe4\xbd\xa0";
    for cut in 0..=bytes.len() {
        let mut terminal = after(&bytes[..cut]);
        terminal.feed(&bytes[cut..]);
        assert_eq!(text(&terminal)[1], "  xy\u{4f60}", "{cut}");
    }
}

#[test]
fn the_cursor_can_be_hidden() {
    assert_eq!(cursor(&after("a\x1b[?25l")), None);
    assert_eq!(cursor(&after("a\x1b[?25l\x1b[?25h")), Some((0, 1)));
}

#[test]
fn another_size_keeps_the_text_and_the_cursor() {
    let lines = "1\n2\n3\n4abcdefghi";
    let resized = |bytes: &str, columns, rows| {
        let mut terminal = after(bytes);
        terminal.resize(columns, rows);
        (text(&terminal), cursor(&terminal))
    };
    let rows = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>();
    assert_eq!(resized(lines, 20, 5), (rows(&["1", "2", "3", "4abcdefghi", ""]), Some((3, 9))));
    assert_eq!(resized(lines, 5, 4), (rows(&["1", "2", "3", "4abcd"]), Some((3, 4))));
    // The cursor's row and those before it.
    assert_eq!(resized(lines, 10, 2), (rows(&["3", "4abcdefghi"]), Some((1, 9))));
    // The rows below the cursor go first.
    assert_eq!(resized("1\n2\n3\n4\x1b[2;1H", 10, 3), (rows(&["1", "2", "3"]), Some((1, 0))));
    assert_eq!(resized("0123\u{4f60}", 5, 1), (rows(&["0123"]), Some((0, 4))));
    assert_eq!(resized("0123\u{4f60}", 6, 1), (rows(&["0123\u{4f60}"]), Some((0, 5))));
}

#[test]
fn sizes_are_bounded() {
    for (columns, rows) in [(0, 0), (1, 1), (usize::MAX, 1), (3, usize::MAX)] {
        let expected = (columns.clamp(1, MOST), rows.clamp(1, MOST));
        let mut new = Terminal::new(columns, rows);
        assert_eq!((new.columns(), new.rows()), expected);
        new.feed("a\u{4f60}\n\x1b[5C\x1b[J\tb".as_bytes());
        let mut resized = after("abc\ndef");
        resized.resize(columns, rows);
        assert_eq!((resized.columns(), resized.rows()), expected);
        assert_eq!(resized.row(expected.1), []);
    }
}
