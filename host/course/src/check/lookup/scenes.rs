//! Trees of files for lookups, and what is asked of them.

use std::{collections::BTreeSet, iter};

use plan::lookups::MOST_CONTENT;

use crate::files::{BLOCK, Body, ENTRY, Tree};

/// A tree, and the questions.
pub struct Setting {
    /// The tree.
    pub tree: Tree,
    /// In the order in which they are asked.
    pub questions: Vec<Question>,
}

/// A path to be looked up.
pub struct Question {
    /// The path.
    pub path: String,
    /// The node that it leads to, by its place among them; nothing if there is no such name.
    pub wanted: Option<usize>,
    /// Its difficulty.
    pub why: Why,
}

/// The difficulty of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing.
    Plain,
    /// The entry lies in two blocks.
    Straddles,
    /// The entry lies behind the first block.
    Far,
    /// The entry has been removed, and still stands behind the end of the directory.
    Removed,
    /// The last name is "." or "..", or one before it.
    Dots,
}

impl Question {
    /// The path, short enough for a line.
    pub fn shown(&self) -> String {
        shortened(&self.path)
    }
}

/// A name or path, short enough for a line.
pub fn shortened(name: &str) -> String {
    let length = name.chars().count();
    if length <= 48 {
        return name.into();
    }
    let begin: String = name.chars().take(24).collect();
    let end: String = name.chars().skip(length - 12).collect();
    format!("{begin}…{end} ({} bytes)", name.len())
}

impl Setting {
    fn new(tree: Tree) -> Self {
        Self { tree, questions: Vec::new() }
    }

    fn ask(&mut self, path: String, wanted: Option<usize>, why: Why) {
        self.questions.push(Question { path, wanted, why });
    }

    /// The name of a node.
    pub fn name_of(&self, node: usize) -> Option<&str> {
        if node == 0 {
            return Some("/");
        }
        self.tree.0.iter().find_map(|body| match body {
            Body::Directory { names, .. } => {
                names.iter().find(|(_, child)| *child == node).map(|(name, _)| name.as_str())
            }
            Body::File(_) => None,
        })
    }
}

/// A name of so many small letters.
fn letters(length: usize, random: &mut fastrand::Rng) -> String {
    iter::repeat_with(|| random.lowercase()).take(length).collect()
}

/// The content of a file.
fn content(random: &mut fastrand::Rng) -> Vec<u8> {
    let length = random.usize(1..=MOST_CONTENT);
    iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// A directory between two files in the root: the tree, its place and its path.
fn in_root(random: &mut fastrand::Rng) -> (Tree, usize, String) {
    let mut tree = Tree::new();
    let name = letters(6, random);
    tree.file(0, &letters(5, random), content(random));
    let directory = tree.directory(0, &name);
    tree.file(0, &letters(7, random), content(random));
    (tree, directory, format!("/{name}"))
}

/// One small directory, whose names are parts of each other.
pub fn names(random: &mut fastrand::Rng) -> Setting {
    let base = letters(random.usize(11..16), random);
    let long = letters(255, random);
    let but_last = |name: &str, last: char| format!("{}{last}", &name[..name.len() - 1]);
    let digit = char::from(random.u8(b'0'..=b'8'));
    let mut present = vec![
        base.clone(),
        format!("{base}{digit}"),
        base[..base.len() - 1].to_owned(),
        base[..8].to_owned(),
        base[..1].to_owned(),
        but_last(&base, digit),
        base.to_uppercase(),
        format!("{base}é中"),
        long.clone(),
        but_last(&long, digit),
        long[..254].to_owned(),
    ];
    let absent = [
        format!("{base}9"),
        format!("{base}{digit}{digit}"),
        base[..base.len() - 2].to_owned(),
        base[..2].to_owned(),
        base[1..].to_owned(),
        but_last(&base, '9'),
        format!("{base}é"),
        format!("{base} "),
        but_last(&long, '9'),
        long[..253].to_owned(),
        letters(10, random),
    ];
    let removed = [6, 11].map(|length| format!("_{}", letters(length, random)));
    random.shuffle(&mut present);

    let (mut tree, parent, directory) = in_root(random);
    let nodes: Vec<usize> =
        present.iter().map(|name| tree.file(parent, name, content(random))).collect();
    removed.iter().for_each(|name| tree.removed(parent, name, nodes[0]));
    let mut setting = Setting::new(tree);
    let path = |name: &str| format!("{directory}/{name}");
    for (name, node) in present.iter().zip(nodes) {
        setting.ask(path(name), Some(node), Why::Plain);
    }
    absent.iter().for_each(|name| setting.ask(path(name), None, Why::Plain));
    removed.iter().for_each(|name| setting.ask(path(name), None, Why::Removed));
    random.shuffle(&mut setting.questions);
    setting
}

/// A directory of many blocks, which lie apart.
pub fn many(random: &mut fastrand::Rng) -> Setting {
    // Two entries fit behind its end.
    let count = iter::repeat_with(|| random.usize(230..330))
        .find(|count| (count + 2) * ENTRY % BLOCK < BLOCK - 2 * ENTRY)
        .unwrap_or(240);
    let mut known = BTreeSet::new();
    let mut fresh = |random: &mut fastrand::Rng| {
        loop {
            let name = letters(random.usize(5..40), random);
            if known.insert(name.clone()) {
                return name;
            }
        }
    };
    let (tree, parent, directory) = in_root(random);
    let mut setting = Setting::new(tree);
    let path = |name: &str| format!("{directory}/{name}");
    for slot in 2..count + 2 {
        let name = fresh(random);
        let node = setting.tree.file(parent, &name, content(random));
        let (start, end) = (slot * ENTRY, (slot + 1) * ENTRY);
        let why = match (start / BLOCK, (end - 1) / BLOCK) {
            (0, 0) => Why::Plain,
            (first, last) if first < last => Why::Straddles,
            _ => Why::Far,
        };
        let is_edge = slot == 2 || slot == count + 1 || end % BLOCK < 2 * ENTRY;
        if why == Why::Straddles || is_edge || random.u8(..8) == 0 {
            setting.ask(path(&name), Some(node), why);
        }
    }
    for _ in 0..10 {
        let name = fresh(random);
        setting.ask(path(&name), None, Why::Plain);
    }
    for _ in 0..2 {
        let name = fresh(random);
        setting.tree.removed(parent, &name, parent + 2);
        setting.ask(path(&name), None, Why::Removed);
    }
    random.shuffle(&mut setting.questions);
    setting
}

/// Directories within each other, with the same names in each.
pub fn way(random: &mut fastrand::Rng) -> Setting {
    const DEPTH: usize = 5;
    let (below, beside, file) = (letters(6, random), letters(8, random), letters(7, random));
    let mut setting = Setting::new(Tree::new());
    let (mut parent, mut way) = (0, String::new());
    let mut levels = vec![(0, String::new())];
    for _ in 0..DEPTH {
        // The order of the entries differs from level to level.
        let first = random.bool();
        let mut side = None;
        if first {
            side = Some(setting.tree.directory(parent, &beside));
        }
        let node = setting.tree.file(parent, &file, content(random));
        setting.ask(format!("{way}/{file}"), Some(node), Why::Plain);
        let down = setting.tree.directory(parent, &below);
        let side = side.unwrap_or_else(|| setting.tree.directory(parent, &beside));
        setting.ask(format!("{way}/{beside}"), Some(side), Why::Plain);
        setting.ask(format!("{way}/{beside}/{file}"), None, Why::Plain);
        setting.ask(format!("{way}/{beside}/{below}"), None, Why::Plain);
        // The directory itself, and those around it, by their dots.
        setting.ask(format!("{way}/."), Some(parent), Why::Dots);
        setting.ask(format!("{way}/{beside}/.."), Some(parent), Why::Dots);
        setting.ask(format!("{way}/./{beside}/../{file}"), Some(node), Why::Dots);
        if let Some((above, _)) = levels.len().checked_sub(2).and_then(|at| levels.get(at)) {
            setting.ask(format!("{way}/.."), Some(*above), Why::Dots);
        }
        way = format!("{way}/{below}");
        parent = down;
        levels.push((parent, way.clone()));
    }
    setting.ask("/..".into(), Some(0), Why::Dots);
    setting.ask(format!("{way}/{file}"), None, Why::Plain);
    random.shuffle(&mut setting.questions);
    setting
}
