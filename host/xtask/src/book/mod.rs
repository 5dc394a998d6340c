//! The books in `docs/`: neither language lags behind the other, and no link is dead.
//!
//! The text of a translation cannot be compared, its shape can: pages, headings, quoted code, drawings,
//! questions, code blocks and tables. mdBook itself leaves dead links and missing anchors without a word.

mod page;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use self::page::Page;

const LANGUAGES: [&str; 2] = ["en", "zh"];
/// The table of contents of a book, which is no page of it.
const SUMMARY: &str = "SUMMARY.md";
/// Generated, and in full in the first language only.
const GENERATED: &str = "figures.md";
/// Pages that mdBook makes by itself.
const OF_MDBOOK: [&str; 2] = ["index", "print"];

/// One language's book.
struct Book {
    folder: PathBuf,
    /// By file name, the table of contents included.
    pages: BTreeMap<String, Page>,
}

/// Compares the two books in `docs`, a folder, and follows their links.
///
/// # Errors
///
/// One line for each thing that is wrong.
pub fn check(docs: &Path) -> Result<()> {
    let mut wrong = Vec::new();
    let [first, second] = LANGUAGES.map(|language| Book::read(&docs.join(language).join("src")));
    let (first, second) = (first?, second?);
    for book in [&first, &second] {
        book.check_contents(&mut wrong);
        for (name, page) in &book.pages {
            book.check_links(name, page, &mut wrong);
            page.check_code(&book.folder, |fault| wrong.push(book.say(name, fault)));
        }
    }
    compare(&first, &second, &mut wrong);
    let landing = docs.join("index.html");
    let text = fs::read_to_string(&landing)
        .with_context(|| format!("cannot read {}", landing.display()))?;
    for target in hrefs(&text) {
        if !landing_target_exists(docs, target) {
            wrong.push(format!("{}: there is no page {target}", landing.display()));
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

impl Book {
    fn read(folder: &Path) -> Result<Self> {
        let list = || format!("cannot list {}", folder.display());
        let mut pages = BTreeMap::new();
        for entry in fs::read_dir(folder).with_context(list)? {
            let path = entry.with_context(list)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.ends_with(".md") {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                pages.insert(name.to_owned(), Page::parse(&text));
            }
        }
        if !pages.contains_key(SUMMARY) {
            bail!("{} has no {SUMMARY}", folder.display());
        }
        Ok(Self { folder: folder.to_owned(), pages })
    }

    /// A fault of a page as a line for people.
    fn say(&self, page: &str, fault: String) -> String {
        format!("{}: {fault}", self.folder.join(page).display())
    }

    /// The pages that the table of contents lists, in its order.
    fn contents(&self) -> &[String] {
        self.pages.get(SUMMARY).map_or(&[], |page| &page.links)
    }

    /// Checks that the table of contents lists every page. (That what it lists exists, its links say.)
    fn check_contents(&self, wrong: &mut Vec<String>) {
        let listed: BTreeSet<&str> = self.contents().iter().map(String::as_str).collect();
        for name in self.pages.keys().filter(|name| *name != SUMMARY) {
            if !listed.contains(name.as_str()) {
                wrong.push(self.say(SUMMARY, format!("{name} is missing")));
            }
        }
    }

    fn check_links(&self, name: &str, page: &Page, wrong: &mut Vec<String>) {
        for link in page.links.iter().filter(|link| !link.contains("://")) {
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { Some(page) } else { self.pages.get(file) };
            let fault = match target {
                None if is_made_by_mdbook(file) => continue,
                None => format!("the link {link} leads to no page"),
                Some(target) if !fragment.is_empty() && !target.ids.contains(fragment) => {
                    format!("the link {link} leads to no heading")
                }
                Some(_) => continue,
            };
            wrong.push(self.say(name, fault));
        }
        for image in &page.images {
            if !self.folder.join(image).is_file() {
                wrong.push(self.say(name, format!("there is no drawing {image}")));
            }
        }
    }
}

/// Returns `true` for the file name of a page that no source stands for.
fn is_made_by_mdbook(file: &str) -> bool {
    file.strip_suffix(".html").is_some_and(|page| OF_MDBOOK.contains(&page))
}

/// Compares the shapes of two books.
fn compare(first: &Book, second: &Book, wrong: &mut Vec<String>) {
    if first.contents() != second.contents() {
        wrong.push(second.say(SUMMARY, "lists other pages than the other language".to_owned()));
    }
    for (one, other) in [(first, second), (second, first)] {
        for name in one.pages.keys().filter(|name| !other.pages.contains_key(*name)) {
            wrong.push(other.say(name, "is there in the other language only".to_owned()));
        }
    }
    for (name, page) in first.pages.iter().filter(|(name, _)| *name != GENERATED) {
        let Some(other) = second.pages.get(name) else { continue };
        for difference in page.differences(other) {
            wrong.push(second.say(name, difference));
        }
    }
}

/// The links of an HTML page.
fn hrefs(html: &str) -> impl Iterator<Item = &str> {
    html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next())
}

/// Returns `true` if `target`, such as `en/driver.html`, will be there once the books are made.
fn landing_target_exists(docs: &Path, target: &str) -> bool {
    let Some((language, page)) = target.split_once('/') else { return false };
    let Some(page) = page.strip_suffix(".html") else { return false };
    let source = docs.join(language).join("src");
    LANGUAGES.contains(&language)
        && (OF_MDBOOK.contains(&page) || source.join(format!("{page}.md")).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two books of one page each, with the given text.
    fn books(en: &str, zh: &str) -> tempfile::TempDir {
        let docs = tempfile::tempdir().unwrap();
        for (language, text) in LANGUAGES.into_iter().zip([en, zh]) {
            let source = docs.path().join(language).join("src");
            fs::create_dir_all(source.join("img")).unwrap();
            fs::write(source.join(SUMMARY), "# S\n\n- [One](one.md)\n").unwrap();
            fs::write(source.join("one.md"), text).unwrap();
            fs::write(source.join("img/a.svg"), "<svg/>").unwrap();
            fs::write(source.join("code.rs"), "// ANCHOR: a\nfn a() {}\n// ANCHOR_END: a\n")
                .unwrap();
        }
        fs::write(docs.path().join("index.html"), "<a href=\"en/one.html\">").unwrap();
        docs
    }

    fn faults(en: &str, zh: &str) -> String {
        check(books(en, zh).path()).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn equal_books_pass() {
        let page = "# A `b` c\n\n## D\n\n[x](#a-b-c) [y](one.md#d) [w](print.html) ![z](img/a.svg)\n\n\
                    ```rust\n{{#include code.rs:a}}\n```\n\n<details>\n<summary>q</summary>\n\n</details>\n";
        assert_eq!(faults(page, &page.replace("[x]", "[另一个]")), "");
    }

    #[test]
    fn each_difference_is_named() {
        let page = "# A\n\n## B\n";
        for (other, word) in [
            ("# A\n\n### B\n", "headings"),
            ("# A\n\n## B\n\n<details>\n</details>\n", "questions"),
            ("# A\n\n## B\n\n```text\nx\n```\n", "code blocks"),
            ("# A\n\n## B\n\n| a |\n|---|\n| b |\n", "tables"),
            ("# A\n\n## B\n\n![](img/a.svg)\n", "drawings"),
            ("# A\n\n## B\n\n```text\n{{#include code.rs:a}}\n```\n", "quotes"),
        ] {
            let found = faults(page, other);
            assert!(found.contains(word), "{word}: {found}");
        }
    }

    #[test]
    fn dead_links_are_found() {
        for (page, word) in [
            ("# A\n\n[x](two.md)\n", "leads to no page"),
            ("# A\n\n[x](one.html)\n", "leads to no page"),
            ("# A\n\n[x](#b)\n", "leads to no heading"),
            ("# A\n\n[x](one.md#b)\n", "leads to no heading"),
            ("# A\n\n![x](img/b.svg)\n", "there is no drawing"),
            ("# A\n\n```text\n{{#include code.rs:b}}\n```\n", "no anchor"),
            ("# A\n\n```text\n{{#include none.rs:a}}\n```\n", "cannot read"),
        ] {
            let found = faults(page, page);
            assert!(found.contains(word), "{word}: {found}");
        }
    }

    #[test]
    fn a_page_must_be_in_both_books_and_in_the_contents() {
        let docs = books("# A\n", "# A\n");
        let extra = docs.path().join("zh/src/two.md");
        fs::write(&extra, "# B\n").unwrap();
        let found = check(docs.path()).unwrap_err().to_string();
        assert!(found.contains("two.md is missing"), "{found}");
        assert!(found.contains("other language only"), "{found}");
        fs::write(docs.path().join("zh/src").join(SUMMARY), "- [1](one.md)\n- [2](two.md)\n")
            .unwrap();
        let found = check(docs.path()).unwrap_err().to_string();
        assert!(found.contains("lists other pages"), "{found}");
    }

    #[test]
    fn the_landing_page_leads_to_pages() {
        let docs = books("# A\n", "# A\n");
        let landing = docs.path().join("index.html");
        fs::write(&landing, "<a href=\"zh/index.html\"><a href=\"en/print.html\">").unwrap();
        check(docs.path()).unwrap();
        for dead in ["en/two.html", "fr/one.html", "one.html", "en/one"] {
            fs::write(&landing, format!("<a href=\"{dead}\">")).unwrap();
            assert!(check(docs.path()).is_err(), "{dead}");
        }
    }
}
