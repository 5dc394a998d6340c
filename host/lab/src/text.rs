//! Small things about captured text.

/// `text` without terminal escape sequences (`ESC [ ... letter`) and without any character that moves the cursor
/// or turns the direction of writing, but for the ends of lines and tabulators.
pub fn plain(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.peek() == Some(&'[') => {
                // Parameters and intermediates lie below '@'; the first character from there on
                // ends the sequence.
                chars.next();
                chars.by_ref().find(|c| ('@'..='~').contains(c));
            }
            '\n' | '\t' => clean.push(c),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            _ if c.is_control() => {}
            _ => clean.push(c),
        }
    }
    clean
}

/// The last `count` lines of `text`, each indented, for a message about a failure.
pub fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let start = lines.len().saturating_sub(count);
    lines[start..].iter().map(|line| format!("\n    | {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_carriage_returns_vanish() {
        assert_eq!(plain("a \u{1b}[32mok\u{1b}[0m\r\n\u{1b}[1;31mb\u{1b}[m"), "a ok\nb");
    }

    #[test]
    fn an_unfinished_sequence_swallows_the_rest_only() {
        assert_eq!(plain("left\u{1b}[12"), "left");
        assert_eq!(plain("left\u{1b}"), "left");
    }

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(plain("a\u{8}\u{9b}2J\u{7f}b\u{202e}c\td\n"), "a2Jbc\td\n");
    }

    #[test]
    fn the_tail_is_the_end() {
        assert_eq!(tail("a\n\nb\nc\n", 2), "\n    | b\n    | c");
        assert_eq!(tail("a", 5), "\n    | a");
    }
}
