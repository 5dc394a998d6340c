//! Small things about captured text.

/// `text` without terminal escape sequences (`ESC [ ... letter`), carriage returns and zero bytes.
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
            '\u{1b}' | '\r' | '\0' => {}
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
    fn the_tail_is_the_end() {
        assert_eq!(tail("a\n\nb\nc\n", 2), "\n    | b\n    | c");
        assert_eq!(tail("a", 5), "\n    | a");
    }
}
