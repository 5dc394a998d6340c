//! Texts that come from a submission or its name, made harmless for terminals, pages, tables and file names.

use std::collections::BTreeSet;

use lab::text::plain;

/// The longest name of a page, in characters.
const LONGEST: usize = 40;

/// A text of several lines without anything that moves the cursor; characters that turn the direction of writing
/// or are not seen at all are shown by their number.
pub fn lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_hidden(c) {
            true => shown += &format!("<U+{:04X}>", u32::from(c)),
            false => shown.push(c),
        }
    }
    plain(&shown)
}

/// The same in one line.
pub fn line(text: &str) -> String {
    lines(text).replace(['\n', '\t'], " ")
}

/// A cell of a table in one line that no spreadsheet takes for a formula.
pub fn cell(text: &str) -> String {
    let clean = line(text);
    // Some spreadsheets leave spaces out, and take the wide forms of East Asian keyboards.
    let starts = clean.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if starts { format!("'{clean}") } else { clean }
}

/// Names of files for `names`, each different from the others on any file system, without folder or ending.
pub fn file_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    // The page of the class.
    let mut taken = BTreeSet::from(["index".to_owned()]);
    let mut files = Vec::new();
    for name in names {
        let is_plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let stem: String =
            name.chars().take(LONGEST).map(|c| if is_plain(c) { c } else { '_' }).collect();
        let stem = if stem.is_empty() { "_".to_owned() } else { stem };
        let mut file = stem.clone();
        let mut number = 1;
        while !taken.insert(file.to_lowercase()) {
            number += 1;
            file = format!("{stem}-{number}");
        }
        files.push(file);
    }
    files
}

/// The characters that turn the direction of writing, or are not seen at all.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_turns_the_direction() {
        assert_eq!(lines("a\u{1b}[2J\u{7}b\n\tc"), "ab\n\tc");
        assert_eq!(lines("if x /* \u{202e} */"), "if x /* <U+202E> */");
        assert_eq!(line("a\nb\u{85}"), "a b");
    }

    #[test]
    fn no_cell_is_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1", "＝1", "\n@x"] {
            assert!(cell(formula).starts_with('\''), "{formula:?} gives {:?}", cell(formula));
        }
        assert_eq!(cell("Zhou, Wei"), "Zhou, Wei");
        assert_eq!(cell("a=b"), "a=b");
    }

    #[test]
    fn pages_have_names_of_their_own() {
        let names = ["Zhou", "zhou", "../zhou", "index", "周", "a/b", "a_b", "", "a.b"];
        let files = file_names(names.into_iter());
        assert_eq!(
            files,
            ["Zhou", "zhou-2", "___zhou", "index-2", "周", "a_b", "a_b-2", "_", "a_b-3"]
        );
        let long = "x".repeat(1000);
        let files = file_names([&*long, &*long].into_iter());
        assert_eq!(files[0].len(), LONGEST);
        assert_ne!(files[0], files[1]);
    }
}
