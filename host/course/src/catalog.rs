//! The likely causes that the judges name, and their texts.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::language::{Language, Text};

/// The causes that the judges name. Each has its texts in `exercises/causes.toml`.
pub const CAUSES: &[&str] = &[
    // Of any run.
    "never-set-up",
    "no-request",
    "not-notified",
    "broken-chain",
    "stops",
    "chain-lost",
    // Of one request.
    "type-in",
    "type-wrong",
    "header-missing",
    "header-direction",
    "response-missing",
    "response-direction",
    "response-length",
    "data-missing",
    "data-direction",
    "data-length",
    "data-not-copied",
    "data-stale",
    "data-wrong",
    "sector-in-bytes",
    "sector-off-by-one",
    "sector-wrong",
    "twice",
    "returns-early",
    "response-ignored",
    // Of a request in pieces.
    "too-many-segments",
    "segment-too-long",
    "piece-out-of-place",
    "piece-missing",
    // Of a disk afterwards.
    "elsewhere",
    "nothing-written",
    "too-much-written",
    "read-wrong",
    "serial-wrong",
    // Of setting a device up.
    "features-not-written",
    "features-too-late",
    "features-ok-missing",
    "features-ok-on-legacy",
    "features-ok-not-checked",
    "feature-not-implemented",
    "feature-not-offered",
    "option-ignored",
    "feature-missing",
    "ring-features-missing",
    "version-1-missing",
    "version-1-not-demanded",
    "legacy-refused",
    "good-device-refused",
    "read-only-ignored",
    "read-only-invented",
    // Of interrupts.
    "interrupt-not-acknowledged",
    "interrupt-not-asked",
    "interrupt-too-late",
    "interrupts-left-on",
    "nobody-woken",
    "wake-up-lost",
    "change-ignored",
    // Of a queue.
    "chain-crosses",
    "chain-broken",
    "descriptor-twice",
    "descriptors-lost",
    // Of DMA memory.
    "a-page-for-each",
    "slot-twice",
    "slot-lost",
    "slots-missing",
    "slots-overlap",
    "slots-unaligned",
    "slots-share-a-line",
    "exhaustion-not-told",
    "not-synced-to-device",
    "not-synced-from-device",
    // Of names in directories.
    "nothing-found",
    "dots-not-found",
    "directory-not-read-to-its-end",
    "straddling-entry-missed",
    "entry-behind-the-end",
    "name-compared-in-part",
    "wrong-entry",
    "name-not-found",
    "missing-is-an-error",
    "lookup-stops",
    // Of a cache.
    "evicted-though-there-is-room",
    "evicted-though-used",
    "driven-out-by-a-scan",
    "past-counts-for-ever",
    "changes-lost",
    "cache-stops",
    // Of a commit.
    "fsync-too-early",
    "inode-too-early",
    "freed-too-early",
    "count-too-low",
    "name-lost",
    "half-a-change",
    "too-many-flushes",
    "commit-stops",
    // Of a screen.
    "nothing-shown",
    "area-left-out",
    "transfer-missing",
    "flush-missing",
    "flush-before-transfer",
    "not-copied",
    "offset-forgotten",
    "offset-by-the-area",
    "offset-in-pixels",
    "offset-wrong",
    "offset-behind-the-end",
    "x-and-y-swapped",
    "width-and-height-swapped",
    "outside-the-screen",
    "shown-elsewhere",
    "too-much-shown",
    "part-missing",
    "wrong-pixels",
    "flush-of-another-area",
    "too-many-commands",
    // Of lies.
    "good-answer-refused",
    "stops-at-a-lie",
    "reset-for-one-answer",
    "unknown-id-believed",
    "free-id-believed",
    "index-jump-believed",
    "index-one-ahead-believed",
    "index-back-believed",
    "long-length-believed",
    "no-length-believed",
    "short-length-believed",
    "error-status-believed",
    "unknown-status-believed",
    "missing-status-believed",
    "legacy-length-counts",
];

/// The texts for the causes.
#[derive(Debug)]
pub struct Catalog(BTreeMap<String, CauseText>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CauseText {
    /// The likely cause in a sentence.
    cause: Text,
    /// The place to look at.
    look: Text,
}

impl Catalog {
    /// Reads the texts and makes sure that each cause has one, and each text a cause.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the two do not agree.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("causes.toml");
        let read = || -> Result<Self> {
            let texts: BTreeMap<String, CauseText> = toml::from_str(&fs::read_to_string(&path)?)?;
            for cause in CAUSES {
                ensure!(texts.contains_key(*cause), "the cause {cause} has no text");
            }
            for name in texts.keys() {
                ensure!(CAUSES.contains(&name.as_str()), "no judge names the cause {name}");
            }
            Ok(Self(texts))
        };
        read().with_context(|| format!("{} does not describe the causes", path.display()))
    }

    /// The likely cause in a sentence, and where to look.
    pub fn text(&self, cause: &str, language: Language) -> (&str, &str) {
        self.0.get(cause).map_or(("", ""), |text| {
            (text.cause.in_language(language), text.look.in_language(language))
        })
    }
}
