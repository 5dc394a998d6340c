//! Errors of a screen that come again with each look at it, told once.

use display::Error;

/// The error that was told last, until there is none.
pub(super) struct Complaints {
    subject: &'static str,
    last: Option<Error>,
}

impl Complaints {
    /// Nothing was told yet of `subject`.
    pub fn about(subject: &'static str) -> Self {
        Self { subject, last: None }
    }

    /// Takes in the next result, and logs an error that is not the one before again. Returns `true` if it was logged.
    pub fn hear(&mut self, result: Result<(), Error>) -> bool {
        let is_news = result.is_err() && self.last != result.err();
        self.last = result.err();
        if let Some(error) = self.last.filter(|_| is_news) {
            log::warn!("the screen does not show the {}: {error}", self.subject);
        }
        is_news
    }
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    #[ktest]
    fn an_error_is_told_again_only_after_another_result() {
        let mut complaints = Complaints::about("picture");
        let results = [
            (Ok(()), false),
            (Err(Error::NoMemory), true),
            (Err(Error::NoMemory), false),
            (Err(Error::NoCursor), true),
            (Err(Error::NoMemory), true),
            (Ok(()), false),
            (Err(Error::NoMemory), true),
        ];
        for (number, (result, is_told)) in results.into_iter().enumerate() {
            assert_eq!(complaints.hear(result), is_told, "{number}");
        }
    }
}
