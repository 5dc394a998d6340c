//! From a line to a command: its words, and where its output goes.
//!
//! ```text
//! echo 'one word' "and \"another\"" so\ is\ this > file
//! ```
//!
//! Blanks separate words. Single quotes keep everything, double quotes everything but `\"` and `\\`, and a
//! backslash outside of quotes keeps the character behind it. `> FILE` writes the output to a file instead of
//! the console, and `>> FILE` writes it behind what is in the file.

use alloc::{string::String, vec::Vec};
use core::{error, fmt, iter::Peekable, mem, str::Chars};

/// A line that was understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// The name of the command and its arguments. Empty for an empty line.
    pub(super) words: Vec<String>,
    /// The file that the output goes to.
    pub(super) target: Option<Target>,
}

/// A file that output goes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: String,
    /// Its content is kept.
    pub(super) append: bool,
}

/// The reason for which a line cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ParseError {
    /// A quote is opened and not closed.
    Unterminated(char),
    /// Nothing is behind a backslash.
    NothingEscaped,
    /// No name is behind a `>`.
    NoTarget,
    /// There are two `>`.
    TwoTargets,
    /// Shells that people know have a meaning for this character, and this one has none.
    NotKnown(char),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unterminated(quote) => {
                write!(f, "a quote {quote} is opened and not closed; close it, or write \\{quote}")
            }
            Self::NothingEscaped => {
                f.write_str("nothing is behind the last \\; write \\\\ for a backslash")
            }
            Self::NoTarget => {
                f.write_str("no file is named behind >; write > FILE, or \">\" for the character")
            }
            Self::TwoTargets => {
                f.write_str("the output can go to one file only, and two are named")
            }
            Self::NotKnown(char) => {
                write!(f, "{char} is not known here; write '{char}' for the character")
            }
        }
    }
}

impl error::Error for ParseError {}

/// Takes a line apart.
///
/// # Errors
///
/// [`ParseError`], in words that say what can be typed instead.
pub(super) fn parse(line: &str) -> Result<Parsed, ParseError> {
    let mut parsed = Parsed::default();
    // Whether output goes to the next word, and behind what is in the file.
    let mut append = None;
    let mut chars = line.chars().peekable();
    while let Some(next) = chars.peek().copied() {
        match next {
            blank if blank.is_whitespace() => {
                chars.next();
            }
            '>' if append.is_some() => return Err(ParseError::NoTarget),
            '>' if parsed.target.is_some() => return Err(ParseError::TwoTargets),
            '>' => {
                chars.next();
                append = Some(chars.next_if_eq(&'>').is_some());
            }
            other if has_meaning(other) => return Err(ParseError::NotKnown(other)),
            _ => {
                let word = word(&mut chars)?;
                match mem::take(&mut append) {
                    Some(append) => parsed.target = Some(Target { path: word, append }),
                    None => parsed.words.push(word),
                }
            }
        }
    }
    if append.is_some() { Err(ParseError::NoTarget) } else { Ok(parsed) }
}

/// One of the characters that end a word, since other shells do something with them.
fn has_meaning(char: char) -> bool {
    matches!(char, '|' | '<' | '&' | ';')
}

/// Reads a word and takes its quotes off.
fn word(chars: &mut Peekable<Chars<'_>>) -> Result<String, ParseError> {
    let mut word = String::new();
    let is_part = |char: &char| !char.is_whitespace() && *char != '>' && !has_meaning(*char);
    while let Some(next) = chars.next_if(is_part) {
        match next {
            '\'' | '"' => quoted(chars, next, &mut word)?,
            '\\' => word.push(chars.next().ok_or(ParseError::NothingEscaped)?),
            other => word.push(other),
        }
    }
    Ok(word)
}

/// Reads up to the closing quote.
fn quoted(
    chars: &mut Peekable<Chars<'_>>,
    quote: char,
    word: &mut String,
) -> Result<(), ParseError> {
    loop {
        match chars.next().ok_or(ParseError::Unterminated(quote))? {
            end if end == quote => return Ok(()),
            '\\' if quote == '"' => match chars.next_if(|next| matches!(next, '"' | '\\')) {
                Some(escaped) => word.push(escaped),
                None => word.push('\\'),
            },
            other => word.push(other),
        }
    }
}

#[cfg(ktest)]
mod tests {
    use alloc::{borrow::ToOwned, string::ToString};

    use ostd::prelude::ktest;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        let parsed = parse(line).unwrap();
        assert_eq!(parsed.target, None, "{line}");
        parsed.words
    }

    fn target(line: &str) -> (Vec<String>, String, bool) {
        let parsed = parse(line).unwrap();
        let target = parsed.target.unwrap();
        (parsed.words, target.path, target.append)
    }

    #[ktest]
    fn blanks_separate_words() {
        assert!(words("").is_empty() && words(" \t ").is_empty());
        assert_eq!(words("  ls  /a\t/b "), ["ls", "/a", "/b"]);
        assert_eq!(words("echo \u{4f60}\u{597d} *?#$~!="), ["echo", "\u{4f60}\u{597d}", "*?#$~!="]);
    }

    #[ktest]
    fn quotes_keep_what_they_hold() {
        assert_eq!(words(r#"echo 'a  b' "c  d" e\ \ f"#), ["echo", "a  b", "c  d", "e  f"]);
        assert_eq!(words(r#"a'b c'd"e f"g"#), ["ab cde fg"]);
        assert_eq!(words(r#"'' "" x"#), ["", "", "x"]);
        assert_eq!(words(r#"'a"\b' "it's" "\"\\\n""#), [r#"a"\b"#, "it's", r#""\\n"#]);
        assert_eq!(words(r#"'>' ">>" \> "|" \; '&'"#), [">", ">>", ">", "|", ";", "&"]);
    }

    #[ktest]
    fn output_goes_to_a_file() {
        let words = |text: &str| text.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>();
        assert_eq!(target("echo a > f"), (words("echo a"), "f".into(), false));
        assert_eq!(target("echo a>>f"), (words("echo a"), "f".into(), true));
        assert_eq!(target("echo > 'my file' a b"), (words("echo a b"), "my file".into(), false));
        assert_eq!(target("> f"), (Vec::new(), "f".into(), false));
    }

    #[ktest]
    fn mistakes_are_named() {
        for (line, error) in [
            ("echo 'a", ParseError::Unterminated('\'')),
            ("echo \"a\\\"", ParseError::Unterminated('"')),
            ("echo a\\", ParseError::NothingEscaped),
            ("echo a >", ParseError::NoTarget),
            ("echo a > > f", ParseError::NoTarget),
            ("echo a >>> f", ParseError::NoTarget),
            ("echo > f > g", ParseError::TwoTargets),
            ("ls | cat", ParseError::NotKnown('|')),
            ("ls;cat", ParseError::NotKnown(';')),
            ("cat <f", ParseError::NotKnown('<')),
            ("cat f&", ParseError::NotKnown('&')),
        ] {
            assert_eq!(parse(line), Err(error), "{line}");
        }
        assert!(ParseError::NotKnown('|').to_string().contains("write '|'"));
    }
}
