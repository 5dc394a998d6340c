//! The file to which everything that is started and printed goes.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
    process::Command,
};

use super::ProcessError;

/// Makes an empty log file at `path`, with the folders above it.
///
/// # Errors
///
/// There cannot be such a file.
pub fn new_log(path: &Path) -> Result<(), ProcessError> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| File::create(path)).map_err(|source| unwritable(path, source)).map(drop)
}

/// Adds a text to the end of a log.
///
/// # Errors
///
/// The file cannot be written.
pub fn append(path: &Path, text: &str) -> Result<(), ProcessError> {
    let open = OpenOptions::new().append(true).create(true).open(path);
    open.and_then(|mut log| log.write_all(text.as_bytes()))
        .map_err(|source| unwritable(path, source))
}

/// Notes `command` in the log. Returns the file for what the program will write, and another for
/// reading it, from where it begins.
pub(super) fn begin(path: &Path, command: &Command) -> Result<(File, File), ProcessError> {
    let begin = || {
        // Appending keeps the writes of a program that shares the file from overwriting each other.
        let mut writer = OpenOptions::new().append(true).create(true).open(path)?;
        writer.write_all(format!("\n$ {}\n", describe(command)).as_bytes())?;
        let mut reader = File::open(path)?;
        reader.seek(SeekFrom::End(0))?;
        Ok((writer, reader))
    };
    begin().map_err(|source| unwritable(path, source))
}

fn unwritable(path: &Path, source: std::io::Error) -> ProcessError {
    ProcessError::Log { path: path.to_owned(), source }
}

/// The command as one could type it.
pub fn describe(command: &Command) -> String {
    let mut line = String::new();
    for word in std::iter::once(command.get_program()).chain(command.get_args()) {
        let word = word.to_string_lossy();
        let needs_quotes = word.is_empty()
            || word.contains(|c: char| c.is_whitespace() || "\"'\\$&;|<>*?".contains(c));
        let _ = if needs_quotes {
            write!(line, " '{}'", word.replace('\'', r"'\''"))
        } else {
            write!(line, " {word}")
        };
    }
    line.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_log_is_empty_and_its_folders_are_made() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a/b/case.log");
        append(&log, "x").unwrap_err();
        new_log(&log).unwrap();
        append(&log, "one").unwrap();
        append(&log, "two").unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "onetwo");
        new_log(&log).unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "");
        let error = new_log(&log.join("below-a-file")).unwrap_err();
        assert!(error.to_string().contains("below-a-file"), "{error}");
    }

    #[test]
    fn commands_are_quoted_for_the_shell() {
        let mut command = Command::new("qemu");
        command.args(["-append", "a b", "", "it's", "x=y"]);
        assert_eq!(describe(&command), "qemu -append 'a b' '' 'it'\\''s' x=y");
    }
}
