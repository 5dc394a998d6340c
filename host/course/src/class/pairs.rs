//! Submissions that are the same or nearly so, shown side by side and not judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use maud::{Markup, html};

use super::students::{Student, submissions};
use crate::{
    exercise::Course,
    language::{Language, text},
    place,
    report::style,
    similar::{Prints, all_hashes, fingerprints, marks, shared, similarity},
    stage::Files,
    submission::Submission,
    untrusted,
};

/// No more pairs than this are shown, the closest ones.
const MOST: usize = 500;

/// All that is alike.
#[derive(Debug, Default)]
pub struct Alike {
    /// The names of those whose files are the same, byte for byte.
    pub identical: Vec<Vec<String>>,
    /// The pairs, the closest first.
    pub pairs: Vec<Pair>,
}

/// Two submissions that share much.
#[derive(Debug)]
pub struct Pair {
    /// The share of the smaller one that is in the other, too.
    pub percent: u32,
    /// Whose they are.
    pub names: [String; 2],
    /// The page on which they stand side by side.
    pub page: String,
}

/// One that is compared.
struct Side {
    name: String,
    /// Of an earlier class, or the solution: not compared with others of that kind.
    old: bool,
    files: BTreeMap<PathBuf, String>,
    prints: BTreeMap<PathBuf, Prints>,
    all: Prints,
}

impl Side {
    fn new(name: String, old: bool, files: BTreeMap<PathBuf, String>) -> Self {
        let prints: BTreeMap<PathBuf, Prints> =
            files.iter().map(|(path, text)| (path.clone(), fingerprints(text))).collect();
        let mut all = Prints::new();
        for (print, places) in prints.values().flatten() {
            all.entry(*print).or_default().extend(places.iter().cloned());
        }
        Self { name, old, files, prints, all }
    }
}

/// Finds the pairs that share at least `percent` and shows them on pages in `folder`; compared are the
/// submissions of the class, those in the folder `earlier`, and the solution.
///
/// # Errors
///
/// A folder cannot be read or written.
pub fn find(
    course: &Course,
    base: &Files,
    students: &[Student],
    earlier: Option<&Path>,
    percent: u32,
    folder: &Path,
    language: Language,
) -> Result<Alike> {
    let given = given(course, base)?;
    let common: BTreeSet<u64> = given.values().flat_map(|text| all_hashes(text)).collect();
    let mut same: BTreeMap<&BTreeMap<PathBuf, String>, Vec<String>> = BTreeMap::new();
    for student in students {
        let Ok(submission) = &student.submission else { continue };
        if submission.files.iter().any(|(path, text)| given.get(path) != Some(text)) {
            same.entry(&submission.files).or_default().push(student.name.clone());
        }
    }
    let mut sides: Vec<Side> = same
        .iter()
        .map(|(files, names)| Side::new(names.join(", "), false, (*files).clone()))
        .collect();
    if let Some(earlier) = earlier {
        for (name, path) in submissions(earlier)? {
            if let Ok(submission) = Submission::read(&path, course, base) {
                let name =
                    text!("{} (earlier)", "{}（往届）", name).in_language(language).to_owned();
                sides.push(Side::new(name, true, submission.files));
            }
        }
    }
    let solution = language.of("the solution", "公开的答案").to_owned();
    sides.push(Side::new(solution, true, solution_files(course, base)));

    let mut close = Vec::new();
    for (number, one) in sides.iter().enumerate() {
        for other in sides.iter().skip(number + 1).filter(|other| !(one.old && other.old)) {
            let share = similarity(&one.all, &other.all, &common);
            if share >= percent {
                close.push((share, one, other));
            }
        }
    }
    close.sort_by(|a, b| {
        b.0.cmp(&a.0).then_with(|| (&a.1.name, &a.2.name).cmp(&(&b.1.name, &b.2.name)))
    });
    close.truncate(MOST);

    // Pages of an earlier run would show other pairs.
    if folder.is_dir() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    let mut pairs = Vec::new();
    for (number, (share, one, other)) in close.into_iter().enumerate() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let page = format!("{}.html", number + 1);
        let path = folder.join(&page);
        fs::write(&path, side_by_side(course, share, [one, other], &common, language))
            .with_context(|| format!("cannot write {}", path.display()))?;
        pairs.push(Pair {
            percent: share,
            names: [one, other].map(|side| side.name.clone()),
            page,
        });
    }
    let identical = same.into_values().filter(|names| names.len() > 1).collect();
    Ok(Alike { identical, pairs })
}

/// The exercise files as every student was given them.
fn given(course: &Course, base: &Files) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = solution_files(course, base);
    for exercise in &course.exercises {
        for place in &exercise.places {
            if let Some(text) = files.get_mut(&place.file) {
                *text = place::replace(text, &place.anchor, &exercise.stub(place)?)?;
            }
        }
    }
    Ok(files)
}

fn solution_files(course: &Course, base: &Files) -> BTreeMap<PathBuf, String> {
    let paths = course.exercises.iter().flat_map(|exercise| &exercise.files);
    let text = |path: &PathBuf| {
        base.get(path).map(|bytes| (path.clone(), String::from_utf8_lossy(bytes).into_owned()))
    };
    paths.filter_map(text).collect()
}

fn side_by_side(
    course: &Course,
    percent: u32,
    sides: [&Side; 2],
    common: &BTreeSet<u64>,
    language: Language,
) -> String {
    let names = sides.map(|side| untrusted::line(&side.name));
    let shared = shared(&sides[0].all, &sides[1].all, common);
    let title = format!("{} | {}", names[0], names[1]);
    let paths: BTreeSet<&PathBuf> = sides.iter().flat_map(|side| side.files.keys()).collect();
    let words = text!(
        "Of what the smaller one has beyond the given code, {} % is in the other one, too. Names, literals, layout \
         and comments do not count. Shown are the places of the exercises that have something in common, and \
         whatever is shared elsewhere; what is shared is marked. This page judges nothing: there may be good reasons for it.",
        "较短的一份在给定代码之外写的内容，有 {} % 也出现在另一份里。名字、字面量、排版和注释不计。这里列出有相同内容的练习位置，\
         以及别处相同的部分；相同之处有标记。本页不下任何结论：相同可能有正当的原因。",
        percent
    );
    let body = html! {
        p { a href="../index.html" { (language.of("the class", "全班")) } }
        h1 { (title) span.points { (percent) " %" } }
        p { (words.in_language(language)) }
        @for path in paths {
            @let listings = sides.map(|side| listing(course, side, path, &shared));
            @if listings.iter().any(Option::is_some) {
                h2.code { (path.display()) }
                div.sides {
                    @for (name, listing) in names.iter().zip(&listings) {
                        div {
                            h3 { (name) }
                            @if let Some(listing) = listing { pre { (listing) } }
                        }
                    }
                }
            }
        }
    };
    style::page(&title, language, &body)
}

/// The lines of a file that are worth looking at; none if there are none.
fn listing(course: &Course, side: &Side, path: &Path, shared: &BTreeSet<u64>) -> Option<Markup> {
    let text = side.files.get(path)?;
    let marks = marks(side.prints.get(path)?, shared);
    let places = course.exercises.iter().flat_map(|exercise| &exercise.places);
    let places: Vec<Range<usize>> = places
        .filter(|place| place.file == path)
        .filter_map(|place| place::find(text, &place.anchor).ok())
        // One that nobody has touched has nothing in common but what was given.
        .filter(|place| marks.iter().any(|mark| mark.start < place.end && place.start < mark.end))
        .collect();
    let mut lines = Vec::new();
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let range = at..at + line.len();
        at = range.end;
        let touches = |other: &Range<usize>| other.start < range.end && range.start < other.end;
        if places.iter().chain(&marks).any(touches) {
            lines.push((number + 1, pieces(text, &range, &marks)));
        }
    }
    let last = lines.len().checked_sub(1)?;
    Some(html! {
        @for (place, (number, pieces)) in lines.iter().enumerate() {
            span.n { (number) }
            @for (piece, is_marked) in pieces {
                @if *is_marked { mark { (piece) } } @else { (piece) }
            }
            "\n"
            @if place < last && lines[place + 1].0 > number + 1 { span.n { "⋮" } "\n" }
        }
    })
}

/// A line in pieces that are marked or not.
fn pieces(text: &str, line: &Range<usize>, marks: &[Range<usize>]) -> Vec<(String, bool)> {
    let mut pieces = Vec::new();
    let mut at = line.start;
    let mut add = |range: Range<usize>, is_marked| {
        let piece = text.get(range).unwrap_or_default().trim_end_matches(['\n', '\r']);
        if !piece.is_empty() {
            pieces.push((untrusted::lines(piece), is_marked));
        }
    };
    for mark in marks.iter().filter(|mark| mark.start < line.end && line.start < mark.end) {
        let (start, end) = (mark.start.max(at), mark.end.min(line.end));
        add(at..start, false);
        add(start..end, true);
        at = end;
    }
    add(at..line.end, false);
    pieces
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;
    use crate::report::tests::{EVIL, course};

    const OWN: &str = "
        fn of_my_own(&self, table: &[(u64, u64)]) -> Option<u64> {
            let mut best = None;
            for (key, value) in table.iter().copied().filter(|(key, _)| key % 7 == 3) {
                if best.is_none_or(|best| value > best) { best = Some(value + key * 2) }
            }
            while let Some(more) = best.and_then(|best| best.checked_mul(3)) { best = Some(more) }
            match best { Some(0) => None, Some(x) if x < 9 => Some(x << 3), other => other }
        }";

    /// A student whose file is the given one with `more` at its end.
    fn student(name: &str, given: &BTreeMap<PathBuf, String>, more: &str) -> Student {
        let mut files = given.clone();
        files.values_mut().next().unwrap().push_str(more);
        let submission = Submission { files, ..Submission::default() };
        Student { name: name.into(), submission: Ok(submission), key: name.into() }
    }

    #[test]
    fn those_who_share_much_stand_side_by_side_and_nobody_else() {
        let course = course();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let paths = course.exercises.iter().flat_map(|exercise| &exercise.files);
        let base: Files =
            paths.map(|path| (path.clone(), fs::read(root.join(path)).unwrap())).collect();
        let given = given(&course, &base).unwrap();
        let renamed = OWN.replace("best", "top").replace("    ", "\n/* mine */ ");
        let other = OWN.replace("for", "loop").replace("|", "+").replace("let", "const");
        let students = [
            student("a", &given, OWN),
            student(EVIL, &given, &format!("{renamed} // {EVIL}")),
            student("c", &given, &other),
            student("nothing", &given, ""),
            student("also-nothing", &given, ""),
            student("a-again", &given, OWN),
        ];
        let folder = tempfile::tempdir().unwrap();
        let pages = folder.path().join("pairs");
        fs::create_dir(&pages).unwrap();
        fs::write(pages.join("9.html"), "of an earlier run").unwrap();
        let alike = find(&course, &base, &students, None, 70, &pages, Language::En).unwrap();
        assert_eq!(alike.identical, [["a", "a-again"]]);
        let [pair] = &alike.pairs[..] else { panic!("{:?}", alike.pairs) };
        assert_eq!(pair.names.iter().filter(|name| *name == "a, a-again").count(), 1);
        assert!(pair.names.iter().any(|name| name == EVIL));
        assert!(!pages.join("9.html").exists());
        let page = fs::read_to_string(pages.join(&pair.page)).unwrap();
        assert!(page.matches("<mark>").count() > 10, "{page}");
        // The places of other files are as they were given.
        assert_eq!(page.matches("<h2").count(), 1, "{page}");
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
        assert!(!page.contains(['\u{1b}', '\u{202e}']), "{page}");
    }

    #[test]
    fn a_line_is_cut_at_its_marks() {
        let text = "one\n two three\u{202e}\nfour";
        let cut = |line: Range<usize>, marks: &[Range<usize>]| pieces(text, &line, marks);
        let own = |text: &str, is_marked| (text.to_owned(), is_marked);
        let two = 4..18;
        assert_eq!(cut(two.clone(), &[]), [own(" two three<U+202E>", false)]);
        assert_eq!(
            cut(two.clone(), &[0..8, 9..10]),
            [own(" two", true), own(" ", false), own("t", true), own("hree<U+202E>", false)]
        );
        assert_eq!(cut(two, slice::from_ref(&(0..99))), [own(" two three<U+202E>", true)]);
    }
}
