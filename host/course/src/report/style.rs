//! The frame of all pages: they need nothing but themselves, no script and no network.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::language::Language;

const STYLE: &str = include_str!("style.css");

/// A whole page. Nothing but its own style is loaded or run, whatever stands in it.
pub fn page(title: &str, language: Language, body: &Markup) -> String {
    let code = match language {
        Language::En => "en",
        Language::Zh => "zh-Hans",
    };
    let rules = "default-src 'none'; style-src 'unsafe-inline'";
    html! {
        (DOCTYPE)
        html lang=(code) {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(rules);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    }
    .into_string()
}
