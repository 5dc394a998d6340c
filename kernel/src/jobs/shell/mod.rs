//! `job=shell`: commands on files, typed on the console.
//!
//! ```text
//!   keys, line, editor   from bytes to lines
//!   parse                from a line to words
//!   commands             the commands there are; look, change and machine have what they do
//!   session              where the user is
//! ```
//!
//! Each command is done by a thread of its own, in the foreground: Ctrl-C stops it at its next checkpoint.

mod change;
mod commands;
mod editor;
mod keys;
mod line;
mod look;
mod machine;
mod parse;
mod session;

use alloc::{
    format,
    string::{String, ToString},
    sync::Arc,
};

use self::{
    commands::{Call, Command},
    editor::Editor,
    line::{LONGEST, Outcome},
    parse::{Parsed, Target},
    session::Session,
};
use super::{Failure, Files, Output, Run, failure};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
    task::{Builder, Work},
    typing,
};

/// The command that ends the shell; Ctrl-D in an empty line does as well.
const END: &str = "poweroff";

pub(super) struct Shell;

impl Run for Shell {
    const NAME: &'static str = "shell";
    const PARAMETERS: &'static [&'static str] = &[];
    type Needs = Files;

    fn parse(_line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self)
    }

    fn run(&self, files: &Files) -> Result<String, Failure> {
        run(files)
    }
}

/// Does what is typed on the console until somebody ends it, and returns what to say then.
///
/// # Errors
///
/// Nothing can be typed, or what was written cannot be put onto the disk.
pub(super) fn run(files: &Files) -> Result<String, Failure> {
    typing::open().map_err(|error| Failure::Other(error.to_string()))?;
    println!("help lists the commands; {END} ends");
    let session = Arc::new(Session::new(files.clone()));
    let mut editor = Editor::default();
    loop {
        match editor.read_line(&format!("{}> ", session.path())) {
            Outcome::EndOfInput => break,
            Outcome::Cancelled => {}
            Outcome::TooLong => println!("a line has at most {LONGEST} bytes; nothing is done"),
            Outcome::Line(line) if line.trim() == END => break,
            Outcome::Line(line) => {
                if let Err(failure) = perform(&session, &line) {
                    // It may be as long as the line; the console takes it in pieces.
                    let _ = Output::console().line(&failure);
                    if failure == Failure::Interrupted {
                        editor.forget();
                    }
                }
            }
        }
    }
    files.sync().map_err(failure::file("/"))?;
    Ok("everything is on the disk".into())
}

/// Does what a line says.
fn perform(session: &Arc<Session>, line: &str) -> Result<(), Failure> {
    let Parsed { words, target } =
        parse::parse(line).map_err(|error| Failure::Other(error.to_string()))?;
    let Some((name, arguments)) = words.split_first() else {
        // `> FILE` alone makes an empty file, as in other shells.
        return target.map_or(Ok(()), |target| open(session, Some(target)).map(|_| ()));
    };
    let command = Command::find(name)?;
    let (session, arguments) = (session.clone(), arguments.to_vec());
    let work = Work::default();
    let _foreground = typing::foreground(&work);
    let thread = Builder::new(name).part_of(&work);
    let run = move || {
        let mut out = open(&session, target)?;
        command.run(Call::new(&session, arguments, &mut out))
    };
    thread.spawn(run)?.join()
}

/// Opens the place for the output.
fn open(session: &Session, target: Option<Target>) -> Result<Output, Failure> {
    let Some(Target { path, append }) = target else {
        return Ok(Output::console());
    };
    let file = session.file_to_write(&path)?;
    let position = if append {
        u64::from(file.stat().size)
    } else {
        file.truncate(0).map_err(failure::file(&path))?;
        0
    };
    Ok(Output::file(&path, file, position))
}
