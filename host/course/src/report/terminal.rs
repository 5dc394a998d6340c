//! The report as lines of text.

use std::fmt::Write;

use super::{End, ExerciseReport, Report, Result, State};
use crate::{
    exercise::{Course, Exercise},
    language::Language,
    untrusted,
};

/// The files that are named among those that were not used.
const NAMED: usize = 10;

impl Report {
    /// The report as lines of text: the first check that fails in full, later ones in a line.
    pub fn text(&self, course: &Course, language: Language) -> String {
        let say = |en: &'static str, zh: &'static str| language.of(en, zh);
        let mut text = String::new();
        let mut in_full = true;
        for report in &self.exercises {
            let Ok(exercise) = course.exercise(report.number) else { continue };
            let title = exercise.title.in_language(language);
            // Writing to a string does not fail, here and below.
            let _ = writeln!(
                text,
                "{} {}  {title}  {}/{}",
                say("exercise", "练习"),
                report.number,
                report.reached(),
                report.points
            );
            match &report.state {
                State::Graded { checks } => {
                    for place in &report.untouched {
                        let said = say("not written yet", "尚未完成");
                        let _ = writeln!(text, "  {said}: {place}");
                    }
                    for result in checks {
                        check(&mut text, result, exercise, course, language, &mut in_full);
                    }
                }
                _ => text += &indented(&report.obstacle(exercise, language), 2),
            }
        }
        for path in self.ignored.iter().take(NAMED) {
            let path = untrusted::line(&path.to_string_lossy());
            let _ = writeln!(text, "{}: {path}", say("not used", "未采用"));
        }
        if let Some(more) = self.ignored.len().checked_sub(NAMED).filter(|more| *more > 0) {
            let _ =
                writeln!(text, "{} {more}", say("not used, more files:", "其余未采用的文件数："));
        }
        if let Some(remark) = self.version_remark(language) {
            let _ = writeln!(text, "{remark}");
        }
        let (reached, all) = self.points();
        let _ = writeln!(text, "{}: {reached}/{all}  SEED={}", say("points", "得分"), self.seed);
        text
    }
}

impl ExerciseReport {
    /// The words on what kept the exercise from being judged; nothing if it was judged.
    pub fn obstacle(&self, exercise: &Exercise, language: Language) -> String {
        let say = |en: &'static str, zh: &'static str| language.of(en, zh);
        match &self.state {
            State::Open => format!(
                "{}\n{}: exercises/{}",
                say("not begun", "尚未开始"),
                say("see", "见"),
                exercise.name()
            ),
            State::Needs { exercise } => {
                format!("{} {exercise}", say("needs exercise", "需要先完成练习"))
            }
            State::NotTaken { file, reason } => {
                untrusted::lines(&format!("{}: {reason}", file.display()))
            }
            State::DoesNotCompile { errors } => format!(
                "{}\n{}",
                say("does not compile:", "编译失败："),
                indented(&untrusted::lines(errors), 2).trim_end()
            ),
            State::Graded { .. } => String::new(),
        }
    }
}

fn check(
    text: &mut String,
    result: &Result,
    exercise: &Exercise,
    course: &Course,
    language: Language,
    in_full: &mut bool,
) {
    let say = |en: &'static str, zh: &'static str| language.of(en, zh);
    let title = exercise.check_title(&result.check, language);
    let points = result.points;
    // Writing to a string does not fail.
    let _ = match &result.end {
        End::Passed => writeln!(text, "  ok      {points:>2}  {title}"),
        End::NotGraded { reason } => {
            writeln!(text, "  {}   {points:>2}  {title}: {reason}", say("not graded", "未评分"))
        }
        End::Failed { cause, .. } => {
            let _ = writeln!(text, "  {}  {points:>2}  {title}", say("FAILED", "未通过"));
            if *in_full {
                *in_full = false;
                text.push_str(&indented(&result.evidence(exercise, course, language), 4));
                return;
            }
            writeln!(text, "               {}", course.catalog.text(cause, language).0)
        }
    };
}

impl Result {
    /// The evidence of a check that failed, the likely cause, where to look and how to get a hint; of one that
    /// was not graded, the reason.
    pub fn evidence(&self, exercise: &Exercise, course: &Course, language: Language) -> String {
        let say = |en: &'static str, zh: &'static str| language.of(en, zh);
        let (cause, expected, seen, picture) = match &self.end {
            End::Passed => return String::new(),
            End::NotGraded { reason } => return reason.clone(),
            End::Failed { cause, expected, seen, picture } => (cause, expected, seen, picture),
        };
        let (likely, look) = course.catalog.text(cause, language);
        let picture = picture.as_ref().map(|picture| picture.characters(language));
        format!(
            "{}: {}\n{}: {}\n{}{}: {likely}\n{}: {look}\n{}: make hint EX={}",
            say("expected", "期望"),
            expected.in_language(language),
            say("seen", "实际"),
            seen.in_language(language),
            picture.unwrap_or_default(),
            say("likely cause", "可能的原因"),
            say("look at", "查看"),
            say("next hint", "下一条提示"),
            exercise.number
        )
    }
}

fn indented(text: &str, columns: usize) -> String {
    text.lines().map(|line| format!("{:columns$}{line}\n", "")).collect()
}
