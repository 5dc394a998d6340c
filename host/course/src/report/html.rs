//! The report as a page for a student.

use maud::{Markup, html};

use super::{End, ExerciseReport, Report, Result, State, style};
use crate::{
    exercise::{Course, Exercise},
    hint,
    language::Language,
    picture::{Chain, Picture},
    untrusted,
};

/// The page on the submission of the student `name`.
pub fn page(name: &str, report: &Report, course: &Course, language: Language) -> String {
    let say = |en: &'static str, zh: &'static str| language.of(en, zh);
    let name = untrusted::line(name);
    let (reached, all) = report.points();
    // Only the first failure is unfolded: it is to be mended first.
    let mut unfolded = true;
    let body = html! {
        h1 { (name) span.points { (reached) "/" (all) } }
        p.soft { "SEED=" (report.seed) }
        @if let Some(remark) = report.version_remark(language) { p.soft { (remark) } }
        @for exercise_report in &report.exercises {
            @if let Ok(exercise) = course.exercise(exercise_report.number) {
                (section(exercise_report, exercise, course, language, &mut unfolded))
            }
        }
        @if !report.ignored.is_empty() {
            h2 { (say("Files that were not used", "未采用的文件")) }
            ul {
                @for path in &report.ignored {
                    li.code { (untrusted::line(&path.to_string_lossy())) }
                }
            }
        }
    };
    style::page(&name, language, &body)
}

/// The page of a student whose submission could not be graded, with the words on why.
pub fn page_without_report(name: &str, words: &str, language: Language) -> String {
    let name = untrusted::line(name);
    let body = html! {
        h1 { (name) }
        p { (language.of("This submission has not been graded:", "这份提交没有评分：")) }
        pre { (untrusted::lines(words)) }
    };
    style::page(&name, language, &body)
}

fn section(
    report: &ExerciseReport,
    exercise: &Exercise,
    course: &Course,
    language: Language,
    unfolded: &mut bool,
) -> Markup {
    html! {
        h2 {
            (language.of("Exercise", "练习")) " " (report.number) ": "
            (exercise.title.in_language(language))
            span.points { (report.reached()) "/" (report.points) }
        }
        @match &report.state {
            State::Graded { checks } => {
                @for place in &report.untouched {
                    p { (language.of("Not written yet", "尚未完成")) ": " code { (place) } }
                }
                @for result in checks { (check(result, exercise, course, language, unfolded)) }
                @if checks.iter().any(|result| !result.passed()) { (hints(exercise, language)) }
            }
            _ => pre { (report.obstacle(exercise, language)) },
        }
    }
}

fn check(
    result: &Result,
    exercise: &Exercise,
    course: &Course,
    language: Language,
    unfolded: &mut bool,
) -> Markup {
    let say = |en: &'static str, zh: &'static str| language.of(en, zh);
    let title = exercise.check_title(&result.check, language);
    let points = if result.passed() { result.points } else { 0 };
    let head = |class: &'static str, state: &'static str| {
        html! {
            span.points { (points) "/" (result.points) }
            span.state.(class) { (state) } " " (title)
        }
    };
    match &result.end {
        End::Passed => html! { div.check { div.head { (head("good", say("passed", "通过"))) } } },
        End::NotGraded { reason } => html! {
            div.check {
                div.head { (head("other", say("not graded", "未评分"))) }
                pre { (untrusted::lines(reason)) }
            }
        },
        End::Failed { cause, expected, seen, picture } => {
            let (likely, look) = course.catalog.text(cause, language);
            let open = std::mem::replace(unfolded, false);
            html! {
                details.check.bad-edge open[open] {
                    summary { (head("bad", say("failed", "未通过"))) }
                    dl {
                        dt { (say("expected", "期望")) } dd { (expected.in_language(language)) }
                        dt { (say("seen", "实际")) } dd { (seen.in_language(language)) }
                    }
                    @if let Some(picture) = picture { (drawing(picture, language)) }
                    dl {
                        dt { (say("likely cause", "可能的原因")) } dd { b { (likely) } }
                        dt { (say("look at", "查看")) } dd { (look) }
                        dt { (say("next hint", "下一条提示")) }
                        dd { code { "make hint EX=" (exercise.number) } }
                    }
                }
            }
        }
    }
}

/// The first hint, folded: whoever wants to go on alone need not see it.
fn hints(exercise: &Exercise, language: Language) -> Markup {
    let text = exercise.text("hints", language).unwrap_or_default();
    let first = hint::levels(&text).into_iter().next();
    html! {
        @if let Some(first) = first {
            details.check {
                summary { (language.of("the first hint", "第一条提示")) }
                pre { (first.trim_start_matches("## ")) }
            }
        }
    }
}

/// Both requests as boxes; a box that is not as it should be is marked.
fn drawing(picture: &Picture, language: Language) -> Markup {
    let [should, was] = picture.rows(language);
    let differs = |number: usize| should.1.segments.get(number) != was.1.segments.get(number);
    let header_differs = should.1.words(language) != was.1.words(language);
    html! {
        (chain(should.0, should.1, language, false, |_| false))
        (chain(was.0, was.1, language, header_differs, differs))
    }
}

fn chain(
    title: &str,
    chain: &Chain,
    language: Language,
    wrong_header: bool,
    wrong: impl Fn(usize) -> bool,
) -> Markup {
    html! {
        div {
            span.soft { (title) ": " } b.bad[wrong_header] { (chain.words(language)) }
        }
        div.chain {
            @for (number, segment) in chain.segments.iter().enumerate() {
                div.wrong[wrong(number)] {
                    b { (segment.name(language)) } (segment.way(language))
                }
            }
        }
        @if let Some(rest) = chain.rest(language) { p.soft { (rest) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{EVIL, course, report};

    #[test]
    fn a_page_holds_what_a_student_needs() {
        let page = page("Zhou", &report(), &course(), Language::En);
        for text in [
            "type OUT (1)",
            "likely cause",
            "look at",
            "make hint EX=1",
            ">OUT (1), sector 7</b>",
            "the device saw: </span><b class=\"bad\">IN (0), sector 3584</b>",
            "<b>data 512 B</b>device reads",
            "<div class=\"wrong\"><b>response 4 B</b>device writes",
            "this grader's is ba9876543210",
            "SEED=7",
        ] {
            assert!(page.contains(text), "{text} is missing in {page}");
        }
        assert_eq!(page.matches("<details class=\"check bad-edge\" open>").count(), 1);
        assert!(super::page("周", &report(), &course(), Language::Zh).contains("可能的原因"));
    }

    #[test]
    fn nothing_of_a_submission_becomes_a_tag_or_turns_the_direction() {
        let pages = [
            page(EVIL, &report(), &course(), Language::En),
            page_without_report(EVIL, EVIL, Language::Zh),
        ];
        for page in pages {
            assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
            assert!(!page.contains("<script"), "{page}");
            assert!(!page.contains(['\u{1b}', '\u{202e}']), "{page}");
            assert!(page.contains("default-src 'none'"));
        }
    }
}
