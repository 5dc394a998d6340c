//! The languages of reports, hints and tasks.

pub use lab::language::Language;
use serde::{Deserialize, Serialize};

/// A text in all languages.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// In English.
    pub en: String,
    /// In Simplified Chinese.
    pub zh: String,
}

impl Text {
    /// The text in one language.
    pub fn in_language(&self, language: Language) -> &str {
        language.of(&self.en, &self.zh)
    }
}

/// A [`Text`] from one format string for each language, in the order of [`Language`]; both are given the same
/// arguments.
macro_rules! text {
    ($en:literal, $zh:literal $(, $argument:expr)*) => {
        $crate::language::Text { en: format!($en $(, $argument)*), zh: format!($zh $(, $argument)*) }
    };
}
pub(crate) use text;
