//! `job=screen`: the console as text on a screen, and the shell in it with a keyboard.
//!
//! ```text
//!   show     from the copy of what the console prints to pixels
//!   typing   from keys to what a terminal would have sent
//! ```
//!
//! The serial port stays what it is: it shows the same, and can be typed on as well. So the shell
//! knows of neither screen nor keyboard.

mod show;
mod typing;

use alloc::string::{String, ToString};

use super::{Failure, FilesAndScreen, Run, shell};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::{copy, println},
    task::Builder,
};

pub(super) struct Console;

impl Run for Console {
    const NAME: &'static str = "screen";
    const PARAMETERS: &'static [&'static str] = &[];
    type Needs = FilesAndScreen;

    fn parse(_line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self)
    }

    fn run(&self, needs: &FilesAndScreen) -> Result<String, Failure> {
        let shown = show::Shown::new(needs.screen.clone())
            .map_err(|error| Failure::Screen { doing: "showing the console", error })?;
        // Before anybody types on the keyboard: what comes from there goes the same way.
        crate::typing::open().map_err(|error| Failure::Other(error.to_string()))?;
        copy::begin();
        let keys = typing::listen();
        println!("{shown}");
        Builder::new("console").spawn(|| shown.run())?;
        Builder::new("keyboard").spawn(move || typing::run(&keys))?;
        shell::run(&needs.files)
    }
}
