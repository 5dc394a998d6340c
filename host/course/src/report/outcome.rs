//! The end of a check in a word that many students may share.

use super::{End, ExerciseReport, State};
use crate::{
    exercise::Course,
    language::{Language, text},
};

/// The end of a check as many students may share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome<'a> {
    /// It is passed.
    Passed,
    /// For this likely cause it is not.
    Failed(&'a str),
    /// Nothing was written.
    Open,
    /// This exercise is missing.
    Needs(u32),
    /// A file could not be used.
    NotTaken,
    /// There was no kernel.
    DoesNotCompile,
    /// The host is to blame.
    NotGraded,
}

impl Outcome<'_> {
    /// The outcome in words.
    pub fn words(&self, course: &Course, language: Language) -> String {
        let say = |en: &'static str, zh: &'static str| language.of(en, zh).to_owned();
        match *self {
            Self::Passed => say("passed", "通过"),
            Self::Failed(cause) => match course.catalog.text(cause, language).0 {
                "" => cause.to_owned(),
                words => words.to_owned(),
            },
            Self::Open => say("not begun", "尚未开始"),
            Self::Needs(number) => text!("needs exercise {}", "需要先完成练习 {}", number)
                .in_language(language)
                .to_owned(),
            Self::NotTaken => say("a file cannot be used", "有文件不能采用"),
            Self::DoesNotCompile => say("does not compile", "编译失败"),
            Self::NotGraded => say("not graded", "未评分"),
        }
    }
}

impl ExerciseReport {
    /// The end of the check with this name.
    pub fn outcome(&self, check: &str) -> Outcome<'_> {
        match &self.state {
            State::Open => Outcome::Open,
            State::Needs { exercise } => Outcome::Needs(*exercise),
            State::NotTaken { .. } => Outcome::NotTaken,
            State::DoesNotCompile { .. } => Outcome::DoesNotCompile,
            State::Graded { checks } => {
                match checks.iter().find(|result| result.check == check).map(|result| &result.end) {
                    Some(End::Passed) => Outcome::Passed,
                    Some(End::Failed { cause, .. }) => Outcome::Failed(cause),
                    Some(End::NotGraded { .. }) | None => Outcome::NotGraded,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn outcomes_tell_why_a_check_is_not_passed() {
        let report = report();
        let first = &report.exercises[0];
        assert_eq!(first.outcome("one-sector"), Outcome::Passed);
        assert_eq!(first.outcome("demo"), Outcome::Failed("type-in"));
        assert_eq!(first.outcome("slow-disk"), Outcome::NotGraded);
        assert_eq!(report.exercises[1].outcome("any"), Outcome::DoesNotCompile);
        assert_eq!(report.exercises[3].outcome("any"), Outcome::Open);
    }
}
