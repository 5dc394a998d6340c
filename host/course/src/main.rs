//! The course around the kernel: exports the student's tree, gives hints, and grades.
//!
//! ```text
//!   exercise    the folders under exercises/: places, stubs, checks, texts
//!   place       the marked places in the source
//!   export      the student's tree: the solution with the stubs in its places
//!   submission  the files of a student, laid over the grader's tree
//!   stage       a tree that is built, and the kernel that comes out
//!   recorder    the disk that writes down what it is asked for
//!   registers   how a driver sets a device up, from QEMU's trace
//!   check       one boot and its judge; files: trees of files on the disks for it
//!   diagnosis   from what the device saw to the one likely cause
//!   picture     a request as boxes
//!   report      what the student reads, and other programs
//!   class       all submissions of a class; similar: those that are nearly the same
//!   submit      a submission in one file; watch: grades on save
//!   untrusted   texts of submissions, made harmless
//!   selftest    the grader graded
//! ```

mod catalog;
mod check;
mod class;
mod diagnosis;
mod exercise;
mod export;
mod files;
mod grade;
mod hint;
mod language;
mod pace;
mod picture;
mod place;
mod recorder;
mod registers;
mod report;
mod request;
mod sandbox;
mod selftest;
mod similar;
mod stage;
mod submission;
mod submit;
mod trial;
mod untrusted;
mod watch;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use lab::workspace::Workspace;

use self::{
    exercise::{Choice, Course},
    language::Language,
    report::forms::Form,
};

#[derive(Parser)]
#[command(about = "The course around the kernel: the student's tree, hints, and a grader")]
struct Cli {
    /// The language of reports and hints; by default that of the environment's LANG
    #[arg(long, global = true)]
    lang: Option<Language>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the exercises, their places and their checks
    List,
    /// Write the student's tree, with stubs in the places of the exercises
    Export {
        /// The folder; if it holds an earlier export, this one becomes a further commit there
        dir: PathBuf,
        /// The exercises to be open, such as 1-4 or 1,3; the others stay solved
        #[arg(long)]
        exercises: Option<Choice>,
    },
    /// Grade this tree, or the exercise files of another one laid over this tree
    Grade(Grade),
    /// Grade on each save of an exercise's file
    Watch {
        /// The exercises to grade; all if not given
        #[arg(long)]
        exercises: Option<Choice>,
    },
    /// Pack the exercise files for submission
    Submit {
        /// The student, for the name of the file
        #[arg(long)]
        name: Option<String>,
    },
    /// Grade the submissions of a class, each in the given folder, and write tables and pages
    GradeAll(GradeAll),
    /// Show the hints of an exercise up to the next one
    Hint {
        /// The number of the exercise
        exercise: u32,
    },
    /// Put the stub of an exercise back into its places
    Reset {
        /// The number of the exercise
        exercise: u32,
    },
    /// Grade a class of made-up students, attacks among them, and compare with what is due
    Trial(Trial),
    /// Grade variants of the solution that are known to be wrong or right, and see that each is judged so
    Selftest {
        /// Only variants whose name contains this, such as 1-write-block/wrong
        filter: Option<String>,
        /// Take only the stubs together, right variants together, and one wrong variant of sixteen
        #[arg(long)]
        part: bool,
    },
}

#[derive(Args, Default)]
struct Grade {
    /// A packed submission, or a folder with its exercise files laid out as in the tree
    #[arg(long)]
    submission: Option<PathBuf>,
    /// The exercises to grade; all if not given
    #[arg(long)]
    exercises: Option<Choice>,
    /// Repeats a report exactly
    #[arg(long)]
    seed: Option<u64>,
    /// The form of the report
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Build and boot without a sandbox, although the submission is not trusted
    #[arg(long)]
    no_sandbox: bool,
}

#[derive(Args)]
struct GradeAll {
    /// The folder with a folder or a packed submission for each student
    submissions: PathBuf,
    /// The table to write, as CSV; others and a folder of pages stand beside it
    #[arg(long, default_value = "target/grades.csv")]
    out: PathBuf,
    /// The exercises that were exported; all if not given
    #[arg(long)]
    exercises: Option<Choice>,
    /// The same payloads and sectors for all; with the same seed, what was graded before is not graded again
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Pairs of submissions that share so many percent are shown
    #[arg(long, default_value_t = 70)]
    similar: u32,
    /// A folder with the submissions of an earlier class, to compare with
    #[arg(long)]
    earlier: Option<PathBuf>,
    /// A table with a line for each student, such as an export of Canvas or Moodle
    #[arg(long)]
    roster: Option<PathBuf>,
    /// Build and boot without a sandbox, although the submissions are not trusted
    #[arg(long)]
    no_sandbox: bool,
}

impl GradeAll {
    /// The arguments of a run in the sandbox without anything to compare with.
    fn of(submissions: PathBuf, out: PathBuf, seed: u64) -> Self {
        Self {
            submissions,
            out,
            exercises: None,
            seed,
            similar: 70,
            earlier: None,
            roster: None,
            no_sandbox: false,
        }
    }
}

#[derive(Args)]
struct Trial {
    /// The number of submissions
    #[arg(long, default_value_t = 60)]
    count: usize,
    /// Only the part that every test run grades
    #[arg(long)]
    part: bool,
    /// Repeats a trial
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let language = cli.lang.unwrap_or_else(Language::of_environment);
    match perform(cli.command, language) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("course: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what was asked for; returns true unless there are points missing.
fn perform(command: Command, language: Language) -> Result<bool> {
    let workspace = Workspace::locate(1)?;
    let course = Course::load(&workspace.root)?;
    match command {
        Command::List => {
            course.list(language);
            Ok(true)
        }
        Command::Export { dir, exercises } => {
            export::export(&workspace.root, &course, exercises.as_ref(), &dir).map(|()| true)
        }
        Command::Grade(arguments) => grade::run(&workspace, &course, &arguments, language),
        Command::GradeAll(arguments) => class::run(&workspace, &course, &arguments, language),
        Command::Watch { exercises } => {
            let arguments = Grade { exercises, ..Grade::default() };
            watch::run(&workspace, &course, &arguments, language).map(|()| true)
        }
        Command::Submit { name } => {
            submit::submit(&workspace, &course, name.as_deref(), language).map(|()| true)
        }
        Command::Hint { exercise } => {
            hint::next(&workspace, course.exercise(exercise)?, language).map(|()| true)
        }
        Command::Reset { exercise } => {
            export::reset(&workspace.root, course.exercise(exercise)?, language).map(|()| true)
        }
        Command::Trial(arguments) => trial::run(&workspace, &course, &arguments),
        Command::Selftest { filter, part } => {
            selftest::run(&workspace, &course, filter.as_deref(), part)
        }
    }
}
