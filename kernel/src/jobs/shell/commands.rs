//! The commands there are.

use alloc::{format, string::String, vec::Vec};

use super::{
    super::{Failure, Output, text::Name},
    END, Session, change, look, machine,
};

/// A command.
pub(super) struct Command {
    pub(super) name: &'static str,
    /// Its words behind the name.
    pub(super) usage: &'static str,
    /// Its work, in a few words.
    pub(super) about: &'static str,
    /// The letter of the option that it knows, behind a `-`.
    option: Option<char>,
    does: fn(&mut Call<'_>) -> Result<(), Failure>,
}

/// All commands, as `help` lists them.
pub(super) const COMMANDS: &[Command] = &[
    Command::new("ls", "[PATH...]", "list a directory", look::ls),
    Command::new("cd", "[PATH]", "go to a directory, or to /", look::cd),
    Command::new("pwd", "", "tell where that is", look::pwd),
    Command::new("cat", "PATH...", "show files", look::cat),
    Command::new("hexdump", "PATH", "show a file as numbers and text", look::hexdump),
    Command::new("stat", "PATH...", "tell what is known about it", look::stat),
    Command::new("tree", "[PATH]", "show everything below a directory", look::tree),
    Command::new("df", "", "tell how much space is left", look::df),
    Command::new(
        "echo",
        "[WORD...]",
        "say the words, or write them: echo a b > FILE, >> FILE",
        look::echo,
    ),
    Command::new("mkdir", "PATH...", "make directories", change::mkdir),
    Command::new("rmdir", "PATH...", "remove empty directories", change::rmdir),
    Command::new(
        "rm",
        "[-r] PATH...",
        "remove files; with -r directories and all in them",
        change::rm,
    )
    .with_option('r'),
    Command::new("cp", "FILE PATH", "copy a file", change::cp),
    Command::new("mv", "PATH PATH", "rename or move", change::mv),
    Command::new(
        "ln",
        "[-s] PATH PATH",
        "give a file a second name; with -s make a symlink",
        change::ln,
    )
    .with_option('s'),
    Command::new("sync", "", "put everything onto the disk that was written", machine::sync),
    Command::new("ps", "", "list the threads", machine::ps),
    Command::new("disks", "", "list the disks", machine::disks),
    Command::new("help", "", "list the commands", machine::help),
    Command::new(END, "", "put everything onto the disk and switch off", |call| call.usage()),
];

impl Command {
    const fn new(
        name: &'static str,
        usage: &'static str,
        about: &'static str,
        does: fn(&mut Call<'_>) -> Result<(), Failure>,
    ) -> Self {
        Self { name, usage, about, option: None, does }
    }

    const fn with_option(mut self, letter: char) -> Self {
        self.option = Some(letter);
        self
    }

    /// The command of this name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(super) fn find(name: &str) -> Result<&'static Self, Failure> {
        let found = COMMANDS.iter().find(|command| command.name == name);
        found.ok_or_else(|| {
            let name = Name(name);
            Failure::Other(format!("there is no command {name}; help lists those there are"))
        })
    }

    /// Does it.
    pub(super) fn run(&'static self, mut call: Call<'_>) -> Result<(), Failure> {
        call.command = Some(self);
        if let Some(letter) = self.option {
            call.take_options(letter)?;
        }
        (self.does)(&mut call)
    }
}

/// The surroundings of a command.
pub(super) struct Call<'a> {
    pub(super) session: &'a Session,
    pub(super) arguments: Vec<String>,
    /// The command's option was given.
    pub(super) option: bool,
    pub(super) out: &'a mut Output,
    command: Option<&'static Command>,
}

impl<'a> Call<'a> {
    pub(super) fn new(session: &'a Session, arguments: Vec<String>, out: &'a mut Output) -> Self {
        Self { session, arguments, option: false, out, command: None }
    }

    /// Takes the options off the arguments; `--` ends them.
    fn take_options(&mut self, letter: char) -> Result<(), Failure> {
        while let Some(first) = self.arguments.first()
            && let Some(letters) = first.strip_prefix('-').filter(|letters| !letters.is_empty())
        {
            let is_end = letters == "-";
            if !is_end && letters.chars().any(|other| other != letter) {
                return self.usage();
            }
            self.option |= !is_end;
            self.arguments.remove(0);
            if is_end {
                break;
            }
        }
        Ok(())
    }

    /// Does something with each argument, of which there is at least one.
    pub(super) fn each(
        &mut self,
        mut work: impl FnMut(&mut Self, &str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let arguments = core::mem::take(&mut self.arguments);
        if arguments.is_empty() {
            return self.usage();
        }
        arguments.iter().try_for_each(|argument| work(self, argument))
    }

    /// Two arguments, no more and no less.
    pub(super) fn pair(&self) -> Result<(&str, &str), Failure> {
        match self.arguments.as_slice() {
            [from, to] => Ok((from, to)),
            _ => self.usage(),
        }
    }

    /// One argument or none.
    pub(super) fn at_most_one(&self) -> Result<Option<&str>, Failure> {
        match self.arguments.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => self.usage(),
        }
    }

    /// No argument.
    pub(super) fn none(&self) -> Result<(), Failure> {
        if self.arguments.is_empty() { Ok(()) } else { self.usage() }
    }

    /// The failure that says what the command takes.
    pub(super) fn usage<T>(&self) -> Result<T, Failure> {
        let (name, usage) = self.command.map_or(("", ""), |command| (command.name, command.usage));
        let nothing = if usage.is_empty() { "nothing" } else { usage };
        Err(Failure::Other(format!("{name} takes {nothing}; help lists the commands")))
    }
}
