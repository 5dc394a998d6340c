//! The list of what lies on the road, for people to read.

use std::{fmt::Write as _, fs};

use anyhow::{Context, Result};
use lab::workspace::Workspace;

use super::Road;

/// The list stands between these lines of a page.
const BEGIN: &str = "<!-- road:begin -->";
const END: &str = "<!-- road:end -->";

/// A page of the book that may have the list.
struct Page {
    path: &'static str,
    /// The columns: function, file, lines.
    head: [&'static str; 3],
    sum: fn(&Road) -> String,
}

const PAGES: [Page; 2] = [
    Page {
        path: "docs/en/src/request.md",
        head: ["function", "file", "lines"],
        sum: |road| {
            let (functions, files, types, lines) = sums(road);
            format!(
                "{functions} functions in {files} files, {lines} lines; they name {types} types."
            )
        },
    },
    Page {
        path: "docs/zh/src/request.md",
        head: ["函数", "文件", "行数"],
        sum: |road| {
            let (functions, files, types, lines) = sums(road);
            format!(
                "{files} 个文件中的 {functions} 个函数，共 {lines} 行；它们用到 {types} 个类型。"
            )
        },
    },
];

fn sums(road: &Road) -> (usize, usize, usize, usize) {
    (road.functions.len(), road.files.len(), road.types.len(), road.lines())
}

/// The list for a terminal.
pub fn text(road: &Road) -> String {
    let mut text = String::from("functions, in the order in which they first run:\n");
    let width = road.functions.iter().map(|it| it.name.len()).max().unwrap_or(0);
    for (function, number) in road.functions.iter().zip(1..) {
        let (name, file) = (&function.name, function.file.display());
        let (line, lines) = (function.line, function.lines());
        let _ = writeln!(text, "{number:4}  {name:width$}  {lines:3} lines  {file}:{line}");
    }
    text += "files:\n";
    for file in &road.files {
        let inside = road.functions.iter().filter(|function| function.file == *file);
        let _ = writeln!(text, "{:4}  {}", inside.count(), file.display());
    }
    text += "types:\n";
    for of in &road.types {
        let _ = writeln!(text, "      {:width$}  {}", of.name, of.file.display());
    }
    let (functions, files, types, lines) = sums(road);
    let _ = writeln!(text, "{functions} functions, {files} files, {types} types, {lines} lines");
    text
}

/// Writes the list to each page of the book that has a place for it.
pub fn write(workspace: &Workspace, road: &Road) -> Result<()> {
    for page in &PAGES {
        let path = workspace.root.join(page.path);
        let before =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        match replaced(&before, &page.table(road)) {
            Some(after) => fs::write(&path, after)
                .with_context(|| format!("cannot write {}", path.display()))?,
            None => println!("  {} has no lines {BEGIN} and {END}: left as it is", page.path),
        }
    }
    Ok(())
}

impl Page {
    fn table(&self, road: &Road) -> String {
        let [function, file, lines] = self.head;
        let mut table = format!("| | {function} | {file} | {lines} |\n|---|---|---|---|\n");
        for (function, number) in road.functions.iter().zip(1..) {
            let (name, file) = (&function.name, function.file.display());
            let _ = writeln!(table, "| {number} | `{name}` | `{file}` | {} |", function.lines());
        }
        let _ = writeln!(table, "\n{}", (self.sum)(road));
        table
    }
}

/// The page with `table` between its marks; `None` if it has none.
fn replaced(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_goes_between_the_marks() {
        let page = format!("# A\n\n{BEGIN}\nold\n{END}\n\nB\n");
        let after = replaced(&page, "| new |\n").unwrap();
        assert_eq!(after, format!("# A\n\n{BEGIN}\n\n| new |\n\n{END}\n\nB\n"));
        assert_eq!(replaced(&after, "| new |\n").unwrap(), after);
    }

    #[test]
    fn a_page_without_both_marks_is_left_alone() {
        assert_eq!(replaced("# A\n", "x"), None);
        assert_eq!(replaced(&format!("{BEGIN}\n"), "x"), None);
        assert_eq!(replaced(&format!("{END}\n{BEGIN}\n"), "x"), None);
    }
}
