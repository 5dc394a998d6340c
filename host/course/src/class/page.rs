//! The page of the class: how many failed which check, and how; and the way to each report.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::Class;
use crate::{
    exercise::Exercise,
    language::{Language, text},
    report::{Outcome, Report, style},
    untrusted,
};

/// The page of the class.
pub fn page(class: &Class<'_>, language: Language) -> String {
    let say = |en: &'static str, zh: &'static str| language.of(en, zh);
    let missing = class.missing();
    let count = class.students.len();
    let summary = text!("{} submissions, {} missing", "{} 份提交，{} 人未交", count, missing.len());
    let body = html! {
        h1 { (say("The class", "全班")) }
        p.soft {
            (summary.in_language(language)) " · SEED=" (class.seed) " · "
            (say("tree", "代码树")) " " (class.version) " · "
            a href="#students" { (say("to the students", "转到学生列表")) }
        }
        h2 { (say("Checks", "检查")) }
        @for exercise in &class.course.exercises { (exercise_table(class, exercise, language)) }
        h2 #students { (say("Students", "学生")) }
        (students(class, language))
        @if !missing.is_empty() {
            h2 { (say("Missing: in the roster, without a submission", "未交：在名单上，没有提交")) }
            ul { @for name in missing { li { (untrusted::line(name)) } } }
        }
        (alike(class, language))
    };
    style::page(say("The class", "全班"), language, &body)
}

fn reports<'a>(class: &'a Class<'_>) -> impl Iterator<Item = &'a Report> {
    class.students.iter().filter_map(|student| student.report.as_ref().ok())
}

/// A line for each check: how many passed it, and how the others did not.
fn exercise_table(class: &Class<'_>, exercise: &Exercise, language: Language) -> Markup {
    let say = |en: &'static str, zh: &'static str| language.of(en, zh);
    let results: Vec<_> =
        reports(class).filter_map(|report| report.exercise(exercise.number)).collect();
    let whole = results.iter().filter(|result| result.reached() == result.points).count();
    html! {
        h3 {
            (say("Exercise", "练习")) " " (exercise.number) ": "
            (exercise.title.in_language(language))
            span.points { (whole) "/" (results.len()) " " (say("complete", "全对")) }
        }
        div.table { table.stack.checks {
            thead { tr {
                th { (say("check", "检查")) }
                th.number { (say("passed", "通过")) }
                th.number { (say("not passed", "未通过")) }
                th { (say("how", "原因")) }
            } }
            tbody { @for check in &exercise.checks {
                @let counts = counts(results.iter().map(|result| result.outcome(&check.name)));
                @let passed = counts.get(&Outcome::Passed).copied().unwrap_or(0);
                tr {
                    td data-label=(say("check", "检查")) { (check.title.in_language(language)) }
                    td.number data-label=(say("passed", "通过")) { (passed) }
                    td.number data-label=(say("not passed", "未通过")) { (results.len() - passed) }
                    td data-label=(say("how", "原因")) { div {
                        @for (outcome, number) in by_number(&counts) {
                            div {
                                span.bar style=(width(number, results.len())) {}
                                (number) " × " (outcome.words(class.course, language))
                            }
                        }
                    } }
                }
            } }
        } }
    }
}

/// The length of a bar for `number` of `all`.
fn width(number: usize, all: usize) -> String {
    let tenths = number * 60 / all.max(1);
    format!("width:{}.{}em", tenths / 10, tenths % 10)
}

fn counts<'a>(outcomes: impl Iterator<Item = Outcome<'a>>) -> BTreeMap<Outcome<'a>, usize> {
    let mut counts = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry(outcome).or_default() += 1;
    }
    counts
}

/// The ways not to pass, the most frequent first.
fn by_number<'a>(counts: &BTreeMap<Outcome<'a>, usize>) -> Vec<(Outcome<'a>, usize)> {
    let failed = counts.iter().filter(|(outcome, _)| **outcome != Outcome::Passed);
    let mut failed: Vec<_> = failed.map(|(outcome, number)| (*outcome, *number)).collect();
    failed.sort_by_key(|(outcome, number)| (usize::MAX - number, *outcome));
    failed
}

fn students(class: &Class<'_>, language: Language) -> Markup {
    let say = |en: &'static str, zh: &'static str| language.of(en, zh);
    html! {
        div.table { table.stack {
            thead { tr {
                th { (say("student", "学生")) }
                th.number { (say("points", "得分")) }
                @for exercise in &class.course.exercises { th.number { (exercise.number) } }
                th { (say("remarks", "备注")) }
            } }
            tbody { @for student in &class.students { tr {
                @let report = student.report.as_ref().ok();
                td data-label=(say("student", "学生")) {
                    a href=(format!("{}.html", student.page)) { (untrusted::line(&student.name)) }
                }
                td.number data-label=(say("points", "得分")) {
                    @if let Some((reached, all)) = report.map(Report::points) {
                        (reached) "/" (all)
                    }
                }
                @for exercise in &class.course.exercises {
                    td.number data-label=(exercise.number) {
                        @if let Some(own) = report.and_then(|r| r.exercise(exercise.number)) {
                            (own.reached())
                        }
                    }
                }
                td data-label=(say("remarks", "备注")) { div {
                    @if let Err(words) = &student.report {
                        div.bad { (say("not graded", "未评分")) ": " (untrusted::line(words)) }
                    }
                    @if class.is_unknown(&student.name) {
                        div.other { (say("not in the roster", "不在名单上")) }
                    }
                    @if report.is_some_and(|report| !report.ignored.is_empty()) {
                        div.other { (say("with files that were not used", "有未采用的文件")) }
                    }
                    @if report.and_then(|report| report.packed.as_ref())
                        .is_some_and(|packed| packed.version != packed.grader) {
                        div.other { (say("packed with another tree", "用另一个版本的代码树打包")) }
                    }
                } }
            } } }
        } }
    }
}

fn alike(class: &Class<'_>, language: Language) -> Markup {
    let say = |en: &'static str, zh: &'static str| language.of(en, zh);
    let alike = &class.alike;
    html! {
        @if !alike.identical.is_empty() {
            h2 { (say("Identical submissions", "完全相同的提交")) }
            ul { @for names in &alike.identical { li { (untrusted::line(&names.join(", "))) } } }
        }
        @if !alike.pairs.is_empty() {
            h2 { (say("Pairs that share much", "大部分相同的提交")) }
            p.soft { (say(
                "Compared are fingerprints of tokens, without names and layout and without what everybody was \
                 given. This is for you to look at; the command judges nothing.",
                "比较的是词法单元的指纹，名字和排版不计，发给每个人的内容也不计。请自行查看；命令不下结论。"
            )) }
            ul { @for pair in &alike.pairs { li {
                a href=(format!("pairs/{}", pair.page)) {
                    (pair.percent) " %: " (untrusted::line(&pair.names.join(" | ")))
                }
            } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        class::{pairs::Pair, roster::tests::CANVAS, tests::class},
        report::tests::{EVIL, course},
    };

    #[test]
    fn the_page_says_how_many_failed_and_how_and_who_is_missing() {
        let course = course();
        let mut class = class(&course, Some(CANVAS));
        class.alike.pairs.push(Pair {
            percent: 91,
            names: ["zhou".into(), EVIL.into()],
            page: "1.html".into(),
        });
        for language in [Language::En, Language::Zh] {
            let page = page(&class, language);
            let cause = course.catalog.text("type-in", language).0;
            assert!(page.contains(&format!("2 × {cause}")), "{page}");
            assert!(page.contains("href=\"zhou.html\"") && page.contains("href=\"_cmd.html\""));
            assert!(page.contains("<li>max</li>"));
            assert!(page.contains("href=\"pairs/1.html\""));
            assert!(!page.contains("<script") && !page.contains(['\u{1b}', '\u{202e}']));
        }
    }
}
