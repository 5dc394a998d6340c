//! Colours.

use embedded_graphics_core::pixelcolor::{Rgb888, RgbColor};
use terminal::Terminal;

const GRAY: Rgb888 = Rgb888::new(229, 229, 229);
const RED: Rgb888 = Rgb888::new(205, 49, 49);
const BRIGHT_RED: Rgb888 = Rgb888::new(241, 76, 76);
const BLUE: Rgb888 = Rgb888::new(36, 114, 200);
const BLACK: Rgb888 = Rgb888::BLACK;

/// Foreground and background of a character that is written after these bytes.
fn colors(bytes: &str) -> (Rgb888, Rgb888) {
    let mut terminal = Terminal::new(4, 1);
    terminal.feed(bytes.as_bytes());
    terminal.feed(b"x");
    let cell = terminal.row(0)[0];
    assert_eq!(cell.char, 'x', "{bytes:?}");
    (cell.foreground, cell.background)
}

#[test]
fn sgr_selects_colors() {
    let rgb = Rgb888::new;
    for (bytes, expected) in [
        ("", (GRAY, BLACK)),
        ("\x1b[31m", (RED, BLACK)),
        ("\x1b[31;44m", (RED, BLUE)),
        ("\x1b[31m\x1b[m", (GRAY, BLACK)),
        ("\x1b[31;44;0m", (GRAY, BLACK)),
        ("\x1b[31;44;39m", (GRAY, BLUE)),
        ("\x1b[31;44;49m", (RED, BLACK)),
        ("\x1b[91;101m", (BRIGHT_RED, BRIGHT_RED)),
        ("\x1b[1;31m", (BRIGHT_RED, BLACK)),
        ("\x1b[1;31;22m", (RED, BLACK)),
        ("\x1b[1m", (Rgb888::WHITE, BLACK)),
        ("\x1b[7;31m", (BLACK, RED)),
        ("\x1b[7;31;27m", (RED, BLACK)),
        ("\x1b[38;5;1m", (RED, BLACK)),
        ("\x1b[38;5;196m", (rgb(255, 0, 0), BLACK)),
        ("\x1b[48;5;59m", (GRAY, rgb(95, 95, 95))),
        ("\x1b[38;5;255m", (rgb(238, 238, 238), BLACK)),
        ("\x1b[38;5;232m", (rgb(8, 8, 8), BLACK)),
        ("\x1b[38;2;1;2;3;44m", (rgb(1, 2, 3), BLUE)),
        ("\x1b[38:2:1:2:3;44m", (rgb(1, 2, 3), BLUE)),
        ("\x1b[38:2::1:2:3;44m", (rgb(1, 2, 3), BLUE)),
        ("\x1b[48:5:1m", (GRAY, RED)),
    ] {
        assert_eq!(colors(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn sgr_of_another_kind_changes_nothing() {
    for bytes in [
        "\x1b[3;4;5;9;55;107777m",
        "\x1b[4:3m",
        "\x1b[38m",
        "\x1b[38;5m\x1b[30;37m",
        "\x1b[38;5;999m",
        "\x1b[38;2;1;2;999m",
        "\x1b[38;9;1m\x1b[22m",
        "\x1b[38:5m",
        "\x1b[38:2:1m",
        "\x1b[>4;1m",
    ] {
        let (foreground, background) = colors(bytes);
        let is_default = [GRAY, BLACK, Rgb888::WHITE].contains(&foreground);
        assert!(is_default && background == BLACK, "{bytes:?}: {foreground:?}");
    }
}

#[test]
fn what_is_erased_gets_the_background() {
    let mut terminal = Terminal::new(4, 2);
    terminal.feed(b"\x1b[7;44mab\x1b[K\n");
    let backgrounds: Vec<_> = terminal.row(0).iter().map(|cell| cell.background).collect();
    assert_eq!(backgrounds, [GRAY, GRAY, BLUE, BLUE]);
    terminal.feed(b"\n");
    assert!(terminal.row(1).iter().all(|cell| cell.background == BLUE));
}
