//! Two readings of one tree.

use std::collections::BTreeMap;

use super::{Kind, Problem, ROOT, Reading};
use crate::image::Image;

/// The files and directories in an image, leaving out how they are stored.
type Tree<'a> = BTreeMap<u32, (Kind, BTreeMap<&'a str, u32>)>;

/// Words on the first difference between the trees of two images that should have the same one, except for
/// the names `new` in the root of the second and all below them, and for what mends a directory that is seen
/// twice: it loses a name in all but one of its parents. `None` if there is no difference.
pub fn differences(
    (before, old): (&Reading, &Image),
    (after, new): (&Reading, &Image),
    added: &[&str],
) -> Option<String> {
    let twice: Vec<u32> = before
        .problems
        .iter()
        .filter_map(|problem| match problem {
            Problem::SeenTwice { directory, .. } => Some(*directory),
            _ => None,
        })
        .collect();
    let (first, second) = (before.tree(&[]), after.tree(added));
    for (number, (kind, names)) in &first {
        let Some((new_kind, new_names)) = second.get(number) else {
            return Some(format!("inode {number} is gone"));
        };
        if kind != new_kind {
            return Some(format!("inode {number} was {kind:?} and is {new_kind:?}"));
        }
        let gone = names.iter().find(|(name, inode)| {
            new_names.get(*name) != Some(inode)
                && !(twice.contains(inode) && !new_names.contains_key(*name))
        });
        if let Some((name, inode)) = gone {
            let now = new_names.get(name);
            return Some(format!("{name:?} in directory {number} was inode {inode}, is {now:?}"));
        }
        if let Some(name) = new_names.keys().find(|name| !names.contains_key(*name)) {
            return Some(format!("{name:?} in directory {number} is new"));
        }
        if *kind != Kind::Directory && !same_content((before, old), (after, new), *number) {
            return Some(format!("inode {number} has another content"));
        }
    }
    second
        .keys()
        .find(|number| !first.contains_key(number))
        .map(|number| format!("inode {number} is new"))
}

/// Compares contents; blocks that both images share need no look.
fn same_content(
    (before, old): (&Reading, &Image),
    (after, new): (&Reading, &Image),
    number: u32,
) -> bool {
    let (Some(one), Some(two)) = (before.nodes.get(&number), after.nodes.get(&number)) else {
        return false;
    };
    if one.size != two.size {
        return false;
    }
    let same = one.data.iter().zip(&two.data).all(|(a, b)| a == b && old.same_block(new, *a));
    same || before.content(old, number) == after.content(new, number)
}

impl Reading {
    /// The tree, without the names `except` in the root and what only they lead to.
    fn tree(&self, except: &[&str]) -> Tree<'_> {
        let mut tree = Tree::new();
        let mut todo = vec![ROOT];
        while let Some(number) = todo.pop() {
            let Some(node) = self.nodes.get(&number) else { continue };
            if tree.contains_key(&number) {
                continue;
            }
            let mut names = self.names(number);
            if number == ROOT {
                names.retain(|name, _| !except.contains(name));
            }
            todo.extend(names.values());
            tree.insert(number, (node.kind, names));
        }
        tree
    }
}
