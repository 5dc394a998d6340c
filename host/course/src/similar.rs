//! Submissions that are nearly the same, shown side by side and not judged.
//!
//! The fingerprints of a text are chosen by winnowing (Schleimer, Wilkerson and Aiken, 2003): the tokens of the
//! source, with every name and every literal made equal, are hashed in runs, and of each window of hashes the
//! smallest is kept. So neither names nor layout nor the order of functions hide a copy. What stands in the
//! student's tree is common to all and does not count.

use std::collections::BTreeSet;

/// The tokens of one hash: shorter matches are chance.
const RUN: usize = 12;
/// The hashes of which one is kept: a match of `RUN + WINDOW - 1` tokens is always found.
const WINDOW: usize = 6;

/// The fingerprints of a source text.
pub fn fingerprints(text: &str) -> BTreeSet<u64> {
    let tokens = tokens(text);
    let hashes: Vec<u64> = tokens.windows(RUN).map(|run| run.iter().fold(FNV, add)).collect();
    match hashes.len() {
        0 => BTreeSet::new(),
        few if few < WINDOW => hashes.iter().min().copied().into_iter().collect(),
        _ => hashes.windows(WINDOW).filter_map(|window| window.iter().min().copied()).collect(),
    }
}

/// The share of the smaller set that is in the other one, in percent, without what is in `common`.
pub fn similarity(a: &BTreeSet<u64>, b: &BTreeSet<u64>, common: &BTreeSet<u64>) -> u32 {
    let own = |set: &BTreeSet<u64>| set.difference(common).count();
    let shared = a.intersection(b).filter(|print| !common.contains(print)).count();
    match own(a).min(own(b)) {
        // Too little is left to be told apart.
        few if few < 4 => 0,
        smaller => (shared * 100 / smaller) as u32,
    }
}

const FNV: u64 = 0xcbf2_9ce4_8422_2325;

fn add(hash: u64, token: &u64) -> u64 {
    (hash ^ token).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
}

/// The tokens as numbers. Names are all the same, but for keywords; so are numbers, texts and comments are
/// nothing.
fn tokens(text: &str) -> Vec<u64> {
    const KEYWORDS: &[&str] = &[
        "as", "break", "const", "continue", "else", "enum", "fn", "for", "if", "impl", "in", "let",
        "loop", "match", "mut", "pub", "ref", "return", "self", "struct", "use", "where", "while",
        "true", "false",
    ];
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        if c == '/' && chars.peek() == Some(&'/') {
            while chars.next_if(|c| *c != '\n').is_some() {}
            continue;
        }
        if c.is_alphanumeric() || c == '_' {
            let mut word = String::from(c);
            while let Some(next) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                word.push(next);
            }
            let keyword = KEYWORDS.iter().position(|keyword| *keyword == word);
            tokens.push(match keyword {
                Some(place) => 1000 + place as u64,
                None if c.is_numeric() => 1,
                None => 2,
            });
            continue;
        }
        if c == '"' {
            while let Some(next) = chars.next() {
                match next {
                    '\\' => _ = chars.next(),
                    '"' => break,
                    _ => {}
                }
            }
            tokens.push(3);
            continue;
        }
        tokens.push(u64::from(c) + 10_000);
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
        let none = BTreeSet::new();
        assert_eq!(similarity(&fingerprints(ONE), &fingerprints(&copy), &none), 100);
        assert!(similarity(&fingerprints(ONE), &fingerprints(OTHER), &none) < 20);
    }

    #[test]
    fn what_everybody_was_given_does_not_count() {
        let common = fingerprints(ONE);
        assert_eq!(similarity(&common, &common, &common), 0);
    }
}
