//! The languages of reports, hints and tasks.

use std::env;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// English.
    En,
    /// Simplified Chinese.
    Zh,
}

impl Language {
    /// The language that `LC_ALL`, `LC_MESSAGES` or `LANG` names; English if none does.
    pub fn of_environment() -> Self {
        let named = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| {
            let value = env::var(name).ok()?;
            (!value.is_empty()).then_some(value)
        });
        if named.is_some_and(|name| name.starts_with("zh")) { Self::Zh } else { Self::En }
    }

    /// The part of file names and tables that stands for it.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }

    /// Chooses the text in this language.
    pub fn of<'a>(self, en: &'a str, zh: &'a str) -> &'a str {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }
}

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
