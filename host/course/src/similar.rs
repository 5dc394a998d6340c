//! Submissions that are nearly the same, shown side by side and not judged.
//!
//! The fingerprints of a text are chosen by winnowing (Schleimer, Wilkerson and Aiken, 2003): the tokens of the
//! source, with every name and every literal made equal, are hashed in runs, and of each window of hashes the
//! smallest is kept. So neither names nor layout nor the order of functions hide a copy. What stands in the
//! student's tree is common to all and does not count.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use ra_ap_rustc_lexer::{FrontmatterAllowed, TokenKind, tokenize};

/// The tokens of one hash: shorter matches are chance.
const RUN: usize = 12;
/// The hashes of which one is kept: a match of `RUN + WINDOW - 1` tokens is always found.
const WINDOW: usize = 6;

/// The fingerprints of a source text, each with the bytes of the text at all places where it was taken.
pub type Prints = BTreeMap<u64, Vec<Range<usize>>>;

/// The fingerprints of a source text.
pub fn fingerprints(text: &str) -> Prints {
    let hashes = hashes(text);
    let mut chosen = BTreeSet::new();
    for start in 0..hashes.len().saturating_sub(WINDOW - 1).max(1) {
        let window = hashes.iter().enumerate().skip(start).take(WINDOW);
        // Of equal ones the last, so that the next windows choose it again.
        let smallest = window.min_by_key(|(number, (hash, _))| (*hash, usize::MAX - number));
        chosen.extend(smallest.map(|(number, _)| number));
    }
    let mut prints = Prints::new();
    for (hash, range) in chosen.into_iter().filter_map(|number| hashes.get(number)) {
        prints.entry(*hash).or_default().push(range.clone());
    }
    prints
}

/// All hashes of a source text, for what was given to everybody: in a changed neighbourhood, others of them are
/// chosen as fingerprints.
pub fn all_hashes(text: &str) -> BTreeSet<u64> {
    hashes(text).into_iter().map(|(hash, _)| hash).collect()
}

/// The share of the smaller set that is in the other one, in percent, without what is in `common`.
pub fn similarity(a: &Prints, b: &Prints, common: &BTreeSet<u64>) -> u32 {
    let own = |set: &Prints| set.keys().filter(|print| !common.contains(print)).count();
    let shared = shared(a, b, common).len();
    match own(a).min(own(b)) {
        // Too little is left to be told apart.
        few if few < 4 => 0,
        smaller => (shared * 100 / smaller) as u32,
    }
}

/// The fingerprints that are in both, and not in `common`.
pub fn shared(a: &Prints, b: &Prints, common: &BTreeSet<u64>) -> BTreeSet<u64> {
    let in_both = a.keys().filter(|print| b.contains_key(print) && !common.contains(print));
    in_both.copied().collect()
}

/// The bytes at which the fingerprints of `shared` stand, in order, those that touch as one.
pub fn marks(prints: &Prints, shared: &BTreeSet<u64>) -> Vec<Range<usize>> {
    let places = shared.iter().filter_map(|print| prints.get(print)).flatten();
    let mut ranges: Vec<Range<usize>> = places.cloned().collect();
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// The hash of each run of tokens, with the bytes of the text that the run covers.
fn hashes(text: &str) -> Vec<(u64, Range<usize>)> {
    let tokens = tokens(text);
    let runs = tokens.windows(RUN).filter_map(|run| {
        let (first, last) = (run.first()?, run.last()?);
        let hash = run.iter().fold(FNV, |hash, (token, _)| add(hash, *token));
        Some((hash, first.1.start..last.1.end))
    });
    runs.collect()
}

const FNV: u64 = 0xcbf2_9ce4_8422_2325;

fn add(hash: u64, token: u64) -> u64 {
    (hash ^ token).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
}

/// The tokens as numbers. Names are all the same, but for keywords; so are literals; comments are nothing.
fn tokens(text: &str) -> Vec<(u64, Range<usize>)> {
    const KEYWORDS: &[&str] = &[
        "as", "break", "const", "continue", "else", "enum", "fn", "for", "if", "impl", "in", "let",
        "loop", "match", "mut", "pub", "ref", "return", "self", "struct", "use", "where", "while",
        "true", "false",
    ];
    let mut tokens = Vec::new();
    let mut at = 0;
    for token in tokenize(text, FrontmatterAllowed::No) {
        let range = at..at + token.len as usize;
        at = range.end;
        let source = text.get(range.clone()).unwrap_or_default();
        let number = match token.kind {
            TokenKind::Whitespace
            | TokenKind::LineComment { .. }
            | TokenKind::BlockComment { .. } => continue,
            TokenKind::Ident => match KEYWORDS.iter().position(|keyword| *keyword == source) {
                Some(place) => 1000 + place as u64,
                None => 2,
            },
            TokenKind::RawIdent | TokenKind::InvalidIdent => 2,
            TokenKind::Literal { .. } => 1,
            TokenKind::Lifetime { .. } | TokenKind::RawLifetime => 3,
            _ => source.bytes().fold(10_000, |sum, b| add(sum, b.into())),
        };
        tokens.push((number, range));
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "
        fn write(&self, sector: u64, data: &[u8]) -> Result<(), Error> {
            let mut spare = self.device.take()?;
            let chain = spare.chain()?;
            chain.memory_mut().data.fill(data)?;
            chain.memory().prepare(RequestType::Out, sector);
            spare.send()?.wait()?.check(|memory, written| memory.check_status(written, 1))
        }";

    const OTHER: &str = "
        fn sum(numbers: &[u32]) -> u32 {
            let mut total = 0;
            for number in numbers { if *number > 3 { total += number * 2; } else { total -= 1; } }
            while total > 100 { total /= 2; }
            match total { 0 => 7, 1..5 => total, _ => total + 9 }
        }";

    #[test]
    fn names_layout_and_comments_hide_nothing() {
        let copy = ONE
            .replace("spare", "request")
            .replace("chain", "c")
            .replace("    ", "  // mine\n ")
            .replace("sector", "where_to");
        let copy = copy.replace("take()", "take( /* \" */ )").replace("1)", "0x_1_u32)");
        let none = BTreeSet::new();
        assert_eq!(similarity(&fingerprints(ONE), &fingerprints(&copy), &none), 100);
        assert!(similarity(&fingerprints(ONE), &fingerprints(OTHER), &none) < 20);
    }

    #[test]
    fn what_everybody_was_given_does_not_count() {
        let common = all_hashes(ONE);
        let prints = fingerprints(ONE);
        assert_eq!(similarity(&prints, &prints, &common), 0);
        // Nor does it in another neighbourhood.
        let (one, other) = (format!("fn a() {{}} {ONE} {OTHER}"), format!("use b; {ONE}"));
        assert_eq!(shared(&fingerprints(&one), &fingerprints(&other), &common), BTreeSet::new());
    }

    #[test]
    fn a_copied_part_is_marked_where_it_stands() {
        let two = format!("{OTHER} {}", ONE.replace("spare", "request"));
        let (one, other) = (fingerprints(ONE), fingerprints(&two));
        let shared = shared(&one, &other, &BTreeSet::new());
        let marks = marks(&other, &shared);
        let [mark] = &marks[..] else { panic!("{marks:?}") };
        let text = &two[mark.clone()];
        assert!(text.contains("request.send()") && !text.contains("total"), "{text}");
        // All but the tokens of a window at either end.
        assert!(text.contains("let mut request") && text.contains("check_status"), "{text}");
    }
}
