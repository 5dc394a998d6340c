//! Tests of the rewriting: each operator, what is left alone, and what stays as it is.

use std::path::Path;

use super::{
    compiler::{self, Mutated},
    source::{File, Mutant, Source, number},
};

fn source(text: &str) -> Source {
    number(vec![("crates/wait/src/a.rs".into(), text.to_owned())], |_| true).unwrap()
}

/// The changes found in a source text.
fn changes(text: &str) -> Vec<String> {
    source(text).mutants.iter().map(|mutant| mutant.change.clone()).collect()
}

fn spliced(file: &File, mutants: &[&Mutant]) -> String {
    file.with(mutants).text.replace("::mutant::on", "on")
}

/// The source with the first mutant that this change describes, as number 1.
fn with(text: &str, change: &str) -> String {
    let Source { files, mutants } = source(text);
    let mut mutant = mutants.into_iter().find(|mutant| mutant.change == change).unwrap();
    mutant.number = 1;
    spliced(&files[0], &[&mutant])
}

#[track_caller]
fn assert_change(text: &str, change: &str, expected: &str) {
    assert_eq!(with(text, change), expected);
    syn::parse_file(expected).unwrap();
}

#[test]
fn a_statement_is_left_out() {
    let text = "fn f(s: &S) -> R { s.g(1)?; let _ = h(); s.x += 1; r() }";
    assert_eq!(
        changes(text),
        ["leave out `s.g(1)?;`", "leave out `let _ = h();`", "leave out `s.x += 1;`"]
    );
    assert_change(
        text,
        "leave out `s.g(1)?;`",
        "fn f(s: &S) -> R { if !on(1) { s.g(1)?; } let _ = h(); s.x += 1; r() }",
    );
    assert_change(
        text,
        "leave out `s.x += 1;`",
        "fn f(s: &S) -> R { s.g(1)?; let _ = h(); if !on(1) { s.x += 1; } r() }",
    );
}

#[test]
fn an_expression_that_is_nothing_but_an_effect_is_left_out() {
    let text = "fn f() { for i in 0..9 { match i { 1 => g(), 2 => a = i, _ => b(i).c(), } } }";
    assert_eq!(
        changes(text),
        ["returns `()` at once", "leave out `g()`", "leave out `a = i`", "leave out `b(i).c()`"]
    );
    assert_change(
        text,
        "leave out `g()`",
        "fn f() { for i in 0..9 { match i { 1 => { if !on(1) { g() } }, 2 => a = i, _ => b(i).c(), } } }",
    );
    // Those have values.
    assert!(changes("fn f() -> T { let t = match x() { 1 => g(), _ => h() }; t.i() }").is_empty());
}

#[test]
fn a_condition_becomes_false_and_true() {
    let text = "fn f() -> T { if a.b() { c } else { d } }";
    assert_eq!(changes(text), ["`a.b()` becomes false", "`a.b()` becomes true"]);
    assert_change(
        text,
        "`a.b()` becomes false",
        "fn f() -> T { if !on(1) && (a.b()) { c } else { d } }",
    );
    assert_change(
        text,
        "`a.b()` becomes true",
        "fn f() -> T { if (on(1) || (a.b())) { c } else { d } }",
    );
    // A loop would not end.
    assert_eq!(changes("fn f() -> T { while a.b() {} }"), ["`a.b()` becomes false"]);
    let guard = "fn f() -> T { match a { b if b.c() => d, e => e } }";
    assert_change(
        guard,
        "`b.c()` becomes false",
        "fn f() -> T { match a { b if !on(1) && (b.c()) => d, e => e } }",
    );
}

#[test]
fn what_a_condition_binds_stays_bound() {
    let text = "fn f() -> T { if let Some(a) = b && c(a) { a } else { d } }";
    assert_eq!(changes(text), ["`let Some(a) = b && c(a)` becomes false", "`c(a)` becomes true"]);
    assert_change(
        text,
        "`let Some(a) = b && c(a)` becomes false",
        "fn f() -> T { if !on(1) && let Some(a) = b && c(a) { a } else { d } }",
    );
    assert_change(
        text,
        "`c(a)` becomes true",
        "fn f() -> T { if let Some(a) = b && (on(1) || (c(a))) { a } else { d } }",
    );
}

#[test]
fn operators_are_replaced() {
    for (from, to) in [
        ("a == b", "(match (&(a ), &( b)) { (l, r) => if on(1) { *l != *r } else { *l == *r } })"),
        ("a < b", "(match (&(a ), &( b)) { (l, r) => if on(1) { *l <= *r } else { *l < *r } })"),
        ("a >= b", "(match (&(a ), &( b)) { (l, r) => if on(1) { *l > *r } else { *l >= *r } })"),
        ("a + b", "(match (a ,  b) { (l, r) => if on(1) { l - r } else { l + r } })"),
        ("a / b", "(match (a ,  b) { (l, r) => if on(1) { l * r } else { l / r } })"),
        ("a | b", "(match (a ,  b) { (l, r) => if on(1) { l & r } else { l | r } })"),
        ("a << b", "(match (a ,  b) { (l, r) => if on(1) { l >> r } else { l << r } })"),
        ("a && b", "(if (a ) != on(1) { ( b) } else { on(1) })"),
        ("a || b", "(if (a ) == on(1) { ( b) } else { !on(1) })"),
        ("!a", "(match (a) { v => if on(1) { v } else { !v } })"),
        (
            "a.wrapping_add(b)",
            "(match (a, b) { (l, r) => if on(1) { l.wrapping_sub(r) } else { l.wrapping_add(r) } })",
        ),
        ("a.max(b)", "(match (a, b) { (l, r) => if on(1) { l.min(r) } else { l.max(r) } })"),
    ] {
        let text = format!("fn f() -> T {{ {from} }}");
        let found = changes(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_change(&text, &found[0], &format!("fn f() -> T {{ {to} }}"));
    }
}

/// `&&` and `||` in the forms that the test before has seen.
#[test]
fn logic_is_that_of_the_one_or_the_other() {
    let of = |bits: u32| (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
    for (a, b, on) in (0..8).map(of) {
        let and = if a != on { b } else { on };
        let or = if a == on { b } else { !on };
        assert_eq!((and, or), if on { (a || b, a && b) } else { (a && b, a || b) });
    }
}

#[test]
fn a_function_returns_a_plain_value() {
    for (output, values) in [
        ("", vec!["()"]),
        ("-> bool", vec!["false", "true"]),
        ("-> u16", vec!["0", "1"]),
        ("-> Result<(), Error>", vec!["Ok(())"]),
        ("-> Result<usize, Error>", vec!["Ok(0)", "Ok(1)"]),
        ("-> Option<T>", vec!["None"]),
        ("-> Vec<u8>", vec![]),
    ] {
        let text = format!("fn f() {output} {{ let a = b; c![a] }}");
        let expected: Vec<_> =
            values.iter().map(|value| format!("returns `{value}` at once")).collect();
        assert_eq!(changes(&text), expected);
    }
    assert_change(
        "fn f() -> bool { a.b }",
        "returns `true` at once",
        "fn f() -> bool { if on(1) { return true; } a.b }",
    );
    // That would be the same, or the same as to leave the only statement out.
    assert!(changes("fn f() -> Option<T> { None }").is_empty());
    assert!(changes("fn f() {}").is_empty());
    assert_eq!(changes("fn f() { g() }"), ["leave out `g()`"]);
}

#[test]
fn some_things_are_left_alone() {
    for text in [
        "const fn f() -> bool { a == b }",
        "const A: usize = 1 + 2; static B: [u8; 3 + 4] = [0; 3 + 4];",
        "enum E { A = 1 << 3 }",
        "fn f() -> [u8; 3 + 4] { const { assert!(1 + 2 < 4) }; [0; 5 - 1] }",
        "impl fmt::Display for T { fn fmt(&self, f: &mut F) -> fmt::Result { self.g(); a.b(f) } }",
        "impl core::error::Error for T { fn source(&self) -> Option<&E> { a.b() } }",
        "fn name(f: &mut fmt::Formatter<'_>) -> fmt::Result { g(); h(f) }",
        "fn f() -> T { log::warn!(\"{}\", a + b); matches!(a, B if !c) }",
        "macro_rules! m { () => { fn f() { a = 1 + 2; } } }",
        "#[cfg(ktest)] mod tests { fn f() { g(); } }",
        "#[cfg(test)] fn f() { g(); h(); }",
        "fn f() -> T { if a == b && log { log::info!(\"a\"); } t }",
        "fn f() -> T { match a { b if c() => { log::info!(\"a\"); } } t }",
    ] {
        assert_eq!(changes(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn changes_may_lie_in_each_other() {
    let text = "fn f() -> bool {\n    g(a + b);\n    // why\n    if a == 1\n        && b\n            .min(2) < c { return !d; }\n    e\n}\n";
    let Source { files, mutants } = source(text);
    let all: Vec<_> = mutants.iter().collect();
    let result = spliced(&files[0], &all);
    syn::parse_file(&result).unwrap();
    // So what the compiler and the tests say of a line is true of the original.
    assert_eq!(result.lines().count(), text.lines().count());
    assert!(result.lines().nth(2).unwrap().contains("// why"));
    assert!(result.contains(
        "if !on(3) { g((match (a ,  b) { (l, r) => if on(4) { l - r } else { l + r } })); }"
    ));
    assert!(spliced(&files[0], &[]) == text);
}

#[test]
fn numbers_and_names_tell_mutants_apart() {
    let text = "impl A for B<'_> { fn f() -> T { g(); g(); } }\ntrait C { fn h() { i(); j() } }\nfn k() { l(); }";
    let names = |source: &Source| -> Vec<_> {
        let of = |mutant: &Mutant| format!("{} {mutant}", mutant.number);
        source.mutants.iter().map(of).collect()
    };
    let expected = [
        "1 crates/wait/src/a.rs:1: B::f: leave out `g();`",
        "2 crates/wait/src/a.rs:1: B::f: leave out `g();` #2",
        "3 crates/wait/src/a.rs:2: C::h: returns `()` at once",
        "4 crates/wait/src/a.rs:2: C::h: leave out `i();`",
        "5 crates/wait/src/a.rs:2: C::h: leave out `j()`",
        "6 crates/wait/src/a.rs:3: k: leave out `l();`",
    ];
    assert_eq!(names(&source(text)), expected);
    assert_eq!(names(&source(text)), expected);
    // Neither does it matter to the others that one is left out.
    let Source { files, mutants } = source(text);
    let without: Vec<_> = mutants.iter().filter(|mutant| mutant.number != 2).collect();
    assert!(spliced(&files[0], &without).ends_with("fn k() { if !on(6) { l(); } }"));
}

#[test]
fn a_mutant_is_found_by_a_part_of_its_file_or_function() {
    let mutants = source("impl A { fn f() { g(); } }").mutants;
    for (filter, found) in [("", true), ("wait", true), ("A::f", true), ("g", false)] {
        assert_eq!(mutants[0].matches(filter), found, "{filter}");
    }
}

#[test]
fn the_tests_of_the_own_crate_come_first() {
    let judges = |file: &str| {
        let texts = vec![(file.into(), "fn f() { g(); }".to_owned())];
        number(texts, |_| true).unwrap().mutants[0].judges()
    };
    assert_eq!(judges("crates/dma/src/lib.rs"), ["dma", "virtio"]);
    assert_eq!(judges("crates/virtio/src/queue/mod.rs"), ["virtio"]);
}

#[test]
fn unit_tests_can_be_left_out() {
    let text = "#[ktest]\nfn a() { b(); }\n#[ktest]\n#[should_panic]\nfn c() { d(); }\n";
    let Source { files, mutants } = source(text);
    assert!(mutants.is_empty());
    let gate = "if ::mutant::leaves_out(concat!(module_path!(), \"::a\")) { return; }";
    assert_eq!(spliced(&files[0], &[]), text.replace("fn a() { b", &format!("fn a() {{ {gate} b")));
}

/// An error as cargo prints it, about these words of a text.
fn error(message: &str, text: &str, words: &str) -> compiler::Error {
    let start = text.find(words).unwrap();
    let line = text[..start].matches('\n').count() + 1;
    let span = serde_json::json!({
        "file_name": "crates/wait/src/a.rs", "is_primary": true,
        "byte_start": start, "byte_end": start + words.len(), "line_start": line,
    });
    let message = serde_json::json!({
        "reason": "compiler-message",
        "message": { "level": "error", "message": message, "rendered": message, "spans": [span] },
    });
    compiler::errors(&format!("Checking wait\n{message}\n")).pop().unwrap()
}

#[test]
fn the_mutant_behind_an_error_is_found() {
    let text = "fn f(mut s: S) -> usize {\n    g(s);\n    s = a + b;\n    h(c + d)\n}\n";
    let Source { files, mutants } = source(text);
    let mutants: Vec<_> = mutants.iter().collect();
    let result = files[0].with(&mutants);
    let text = result.text.clone();
    let mutated = Mutated::from([(Path::new("crates/wait/src/a.rs").to_owned(), result)]);
    let blamed = |message: &str, words: &str| {
        let number = compiler::blame(&error(message, &text, words), &mutated, &mutants);
        number.map(|number| &*mutants[number as usize - 1].change)
    };
    // What was inserted.
    assert_eq!(blamed("no such", "return 1"), Some("returns `1` at once"));
    let all_of_it = text.lines().nth(3).unwrap().trim_start();
    let change = Some("`+` becomes `-` in `c + d`");
    assert_eq!(blamed("cannot subtract", "{ l - r } else { l + r } }))\n"), change);
    assert_eq!(blamed("mismatched", &all_of_it[2..]), change);
    // What is missing where it is used.
    assert_eq!(blamed("use of moved value: `s`", "g(s)"), Some("leave out `s = a + b;`"));
    // What is around.
    assert_eq!(blamed("no such value", "g(s)"), Some("leave out `g(s);`"));
    assert_eq!(blamed("no such value", "mut s: S"), None);
}
