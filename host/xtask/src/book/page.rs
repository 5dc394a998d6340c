//! One page: its shape, and what it refers to.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// The columns that a browser shows of a code block beside the table of contents.
const COLUMNS: usize = 90;
/// The language of code blocks with what a program has printed. `docs/book.css` has their lines broken.
const PRINTED: &str = "console";

#[derive(Debug, Default)]
pub struct Page {
    /// The levels of the headings.
    headings: Vec<u8>,
    /// The ids of the headings, as mdBook makes them.
    pub ids: BTreeSet<String>,
    /// The targets of the links, with their fragments.
    pub links: Vec<String>,
    pub images: Vec<String>,
    blocks: Vec<Block>,
    questions: usize,
    tables: usize,
}

/// A code block.
#[derive(Debug, Default)]
struct Block {
    /// With `{{#include ...}}` as it stands.
    text: String,
    /// The output of a program, as it was printed; the browser breaks its lines.
    printed: bool,
}

impl Page {
    pub fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut heading = None;
        let mut in_block = false;
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { level, .. }) => {
                    page.headings.push(level as u8);
                    heading = Some(String::new());
                }
                Event::End(TagEnd::Heading(_)) => {
                    let id = id(&heading.take().unwrap_or_default());
                    page.add_id(id);
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    in_block = true;
                    let printed = matches!(kind, CodeBlockKind::Fenced(name) if &*name == PRINTED);
                    page.blocks.push(Block { printed, ..Block::default() });
                }
                Event::End(TagEnd::CodeBlock) => in_block = false,
                Event::Start(Tag::Link { dest_url, .. }) => page.links.push(dest_url.to_string()),
                Event::Start(Tag::Image { dest_url, .. }) => page.images.push(dest_url.to_string()),
                Event::Start(Tag::Table(_)) => page.tables += 1,
                Event::Html(html) => page.questions += html.matches("<details>").count(),
                Event::Text(text) | Event::Code(text) => {
                    match (&mut heading, page.blocks.last_mut()) {
                        (Some(heading), _) => heading.push_str(&text),
                        (None, Some(block)) if in_block => block.text.push_str(&text),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        page
    }

    /// Adds the id of a heading; one that is there already gets a number.
    fn add_id(&mut self, id: String) {
        let numbered = (1..).map(|number| format!("{id}-{number}"));
        let free = [id.clone()].into_iter().chain(numbered).find(|id| !self.ids.contains(id));
        self.ids.extend(free);
    }

    /// The paths and anchors of the quotes from the source, in their order.
    fn quotes(&self) -> Vec<&str> {
        self.blocks.iter().flat_map(|block| block.text.lines().filter_map(quote)).collect()
    }

    /// Says in which points the shape of `other`, the same page in another language, differs.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let counted = [
            ("questions", self.questions, other.questions),
            ("code blocks", self.blocks.len(), other.blocks.len()),
            ("tables", self.tables, other.tables),
        ];
        let mut differences: Vec<String> = counted
            .into_iter()
            .filter(|(_, one, another)| one != another)
            .map(|(what, one, another)| format!("{another} {what}, the other language has {one}"))
            .collect();
        let mut compare = |what, equal: bool| {
            if !equal {
                differences.push(format!("other {what} than in the other language"));
            }
        };
        compare("levels of headings", self.headings == other.headings);
        compare("quotes from the source", self.quotes() == other.quotes());
        compare("drawings", self.images == other.images);
        differences
    }

    /// Tells of each quote that does not lead anywhere, and of each code block that is too wide. `folder` is
    /// the page's.
    pub fn check_code(&self, folder: &Path, mut fault: impl FnMut(String)) {
        let blocks = self.blocks.iter().filter(|block| !block.printed);
        for line in blocks.flat_map(|block| block.text.lines()) {
            let shown = match quote(line) {
                None => line.to_owned(),
                Some(place) => match quoted(folder, place) {
                    Ok(text) => text,
                    Err(error) => {
                        fault(format!("{error:#}"));
                        continue;
                    }
                },
            };
            for wide in shown.lines().filter(|line| line.chars().count() > COLUMNS) {
                fault(format!("wider than {COLUMNS} columns: {}", wide.trim()));
            }
        }
    }
}

/// The id that mdBook gives to a heading with this text.
fn id(heading: &str) -> String {
    let id = heading.trim().chars().filter_map(|c| match c {
        c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    });
    id.collect()
}

/// The place that a line quotes, as `path:anchor`.
fn quote(line: &str) -> Option<&str> {
    line.trim().strip_prefix("{{#include ")?.strip_suffix("}}")
}

/// The lines of the source at `path:anchor`.
fn quoted(folder: &Path, place: &str) -> Result<String> {
    let (path, anchor) = place.split_once(':').context("a quote without an anchor")?;
    let text =
        fs::read_to_string(folder.join(path)).with_context(|| format!("cannot read {path}"))?;
    let is = |line: &str, word: &str| line.trim() == format!("// {word}: {anchor}");
    let after = text.lines().skip_while(|line| !is(line, "ANCHOR")).skip(1);
    let lines: Vec<&str> = after.take_while(|line| !is(line, "ANCHOR_END")).collect();
    ensure!(!lines.is_empty(), "{path} has no anchor {anchor}, or nothing stands there");
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_mdbook() {
        let page = Page::parse("# A chain's *way*: `add`, pop\n\n## 第一步 取链\n\n## B\n\n## B\n");
        let ids: Vec<&str> = page.ids.iter().map(String::as_str).collect();
        assert_eq!(ids, ["a-chains-way-add-pop", "b", "b-1", "第一步-取链"]);
    }

    #[test]
    fn what_stands_in_a_code_block_is_no_link() {
        let page = Page::parse("```text\n[a](b.md)\n# c\n```\n");
        assert!(page.links.is_empty() && page.headings.is_empty());
        assert_eq!(page.blocks[0].text, "[a](b.md)\n# c\n");
    }

    #[test]
    fn wide_blocks_are_told_and_wide_prose_is_not() {
        let count = |text: &str| {
            let mut faults = 0;
            Page::parse(text).check_code(Path::new("."), |_| faults += 1);
            faults
        };
        let (fits, wide) = ("x".repeat(COLUMNS), "x".repeat(COLUMNS + 1));
        assert_eq!(count(&format!("```text\n{fits}\n{wide}\n```\n\n{wide}\n")), 1);
        assert_eq!(count(&format!("```console\n{wide}\n```\n")), 0);
    }

    #[test]
    fn quoted_lines_are_looked_at_too() {
        let folder = tempfile::tempdir().unwrap();
        let wide = "x".repeat(COLUMNS + 1);
        let source = format!("{wide}\n// ANCHOR: a\nfits\n    {wide}\n// ANCHOR_END: a\n{wide}\n");
        fs::write(folder.path().join("s.rs"), source).unwrap();
        let mut faults = 0;
        let page = Page::parse("```rust\n{{#include s.rs:a}}\n```\n");
        page.check_code(folder.path(), |_| faults += 1);
        assert_eq!(faults, 1);
    }
}
