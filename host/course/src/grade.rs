//! Grades a submission: builds, boots, judges.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, atomic::AtomicBool},
    thread,
};

use anyhow::{Context, Result, bail};
use lab::{text::plain, workspace::Workspace};

use crate::{
    Grade,
    check::{Check, Stand},
    exercise::{Course, Exercise},
    language::{Language, text},
    pace::Pace,
    report::{ExerciseReport, Report, Result as CheckResult, State, forms::Form},
    sandbox::Sandbox,
    stage::{Built, Files, STAGE, Stage, tracked, tracked_and_new},
    submission::Submission,
    submit::{Packed, version},
};

/// As much is shown of the compiler's errors.
const MOST_LINES: usize = 40;
const LONGEST_LINE: usize = 200;
/// A check that fails for the host's sake is tried so often.
const ATTEMPTS: usize = 3;

/// Grades as the command line asks, and prints the report; returns true for all points.
///
/// # Errors
///
/// The host is to blame, or what was asked for is not there.
pub fn run(
    workspace: &Workspace,
    course: &Course,
    arguments: &Grade,
    language: Language,
) -> Result<bool> {
    let chosen = course.chosen(arguments.exercises.as_ref())?;
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    let sandbox = match arguments.no_sandbox || arguments.submission.is_none() {
        true => Sandbox::Open,
        false => Sandbox::new()?,
    };
    let base = match arguments.submission {
        Some(_) => tracked(&workspace.root)?,
        None => tracked_and_new(&workspace.root)?,
    };
    let folder = arguments.submission.as_deref().unwrap_or(&workspace.root);
    let submission = Submission::read(folder, course, &base)?;
    // A form may go to the standard output.
    let begun = text!(
        "building for the grader; the first time takes some minutes",
        "正在为评分编译；第一次需要几分钟"
    );
    eprintln!("{}", begun.in_language(language));
    let grader = Grader {
        workspace,
        course,
        base: &base,
        sandbox: &sandbox,
        folder: folder_of(workspace, 0),
        seed,
        own: arguments.submission.is_none(),
        machines: machines(),
        pace: &Pace::measure(workspace, &base, &sandbox, 1)?,
    };
    let mut report = grader.grade(&submission, &chosen)?;
    report.packed = Packed::new(&submission, &version(&workspace.root));
    let form = if arguments.json { Form::Json } else { arguments.format };
    report.print(form, folder, course, language)?;
    if grader.own && form == Form::Text && !report.is_complete() {
        let logs = grader.folder.join("logs");
        let logs = logs.strip_prefix(&workspace.root).unwrap_or(&logs).display();
        let said =
            text!("the console of each boot: below {logs}", "每次启动的控制台输出：在 {logs} 下");
        println!("{}", said.in_language(language));
    }
    // Whoever reads a form takes the points from there, and another exit status for a failure of the grader.
    Ok(report.is_complete() || !matches!(form, Form::Text | Form::Json))
}

/// The folder of one who grades, of several.
pub fn folder_of(workspace: &Workspace, number: usize) -> PathBuf {
    workspace.target.join(format!("course/{number}"))
}

/// As many virtual machines as there are processors.
pub fn machines() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Grades submissions one after the other.
pub struct Grader<'a> {
    /// The grader's repository.
    pub workspace: &'a Workspace,
    /// The exercises.
    pub course: &'a Course,
    /// The files of the grader's tree.
    pub base: &'a Files,
    /// The walls.
    pub sandbox: &'a Sandbox,
    /// The folder of the stage and of logs.
    pub folder: PathBuf,
    /// Decides all that is random.
    pub seed: u64,
    /// The tree is the student's own: what is not the exercise's has no solution to be replaced by.
    pub own: bool,
    /// The virtual machines that run at a time.
    pub machines: usize,
    /// The time limits.
    pub pace: &'a Pace<'a>,
}

impl Grader<'_> {
    /// Grades the chosen exercises of a submission.
    ///
    /// All together first; what does not pass then is judged again with everything else solved.
    ///
    /// # Errors
    ///
    /// The host is to blame.
    pub fn grade(&self, submission: &Submission, chosen: &[&Exercise]) -> Result<Report> {
        let mut states: BTreeMap<u32, State> = BTreeMap::new();
        let open: Vec<u32> = self
            .course
            .exercises
            .iter()
            .filter(|exercise| submission.is_open(exercise))
            .map(|exercise| exercise.number)
            .collect();
        let mut begun = Vec::new();
        for exercise in chosen {
            let needed = exercise.needs.iter().find(|number| open.contains(number));
            let refused =
                exercise.files.iter().find_map(|file| submission.refused.get_key_value(file));
            let state = match (refused, needed) {
                (Some((file, refusal)), _) => {
                    State::NotTaken { file: file.clone(), reason: refusal.to_string() }
                }
                _ if open.contains(&exercise.number) => State::Open,
                (None, Some(number)) if self.own => State::Needs { exercise: *number },
                _ => {
                    begun.push(*exercise);
                    continue;
                }
            };
            states.insert(exercise.number, state);
        }
        if self.own || begun.len() > 1 {
            self.judge_together(submission, &begun, open, &mut states)?;
        }
        begun.retain(|exercise| !states.contains_key(&exercise.number));
        for exercise in begun {
            let state = self.grade_alone(submission, exercise)?;
            states.insert(exercise.number, state);
        }
        let exercises = chosen
            .iter()
            .filter_map(|exercise| {
                let state = states.remove(&exercise.number)?;
                let points = exercise.points();
                let untouched = match &state {
                    State::Graded { .. } => submission.untouched(exercise),
                    _ => Vec::new(),
                };
                Some(ExerciseReport { number: exercise.number, points, untouched, state })
            })
            .collect();
        let ignored = submission.ignored.clone();
        Ok(Report { seed: self.seed, exercises, ignored, packed: None })
    }

    /// Judges exercises in as few builds as possible, with those of the numbers `solved` solved. In a student's own
    /// tree all get a state; elsewhere those that pass.
    fn judge_together(
        &self,
        submission: &Submission,
        begun: &[&Exercise],
        mut solved: Vec<u32>,
        states: &mut BTreeMap<u32, State>,
    ) -> Result<()> {
        let mut together = begun.to_vec();
        while !together.is_empty() {
            let mut overlay = submission.files.clone();
            if !self.own {
                // Exercises that were not begun do not stand in the way of the others.
                self.solve(&mut overlay, &solved);
            }
            let Ok(kernel) = self.build(&overlay, "all")? else { return Ok(()) };
            let mut failed: Vec<u32> = Vec::new();
            let mut later = Vec::new();
            for exercise in together {
                if self.own {
                    let checks = self.judge(exercise, &kernel)?;
                    states.insert(exercise.number, State::Graded { checks });
                } else if exercise.needs.iter().any(|number| failed.contains(number)) {
                    // It would fail with what it stands on, and is judged with that solved.
                    later.push(exercise);
                } else {
                    let checks = self.judge_to_first_failure(exercise, &kernel)?;
                    if checks.iter().all(CheckResult::passed) {
                        states.insert(exercise.number, State::Graded { checks });
                    } else {
                        failed.push(exercise.number);
                    }
                }
            }
            solved.extend(failed);
            together = later;
        }
        Ok(())
    }

    /// Grades one exercise with all others solved.
    fn grade_alone(&self, submission: &Submission, exercise: &Exercise) -> Result<State> {
        let overlay = match self.own {
            true => submission.files.clone(),
            false => submission.alone(exercise, self.course, self.base),
        };
        match self.build(&overlay, &exercise.name())? {
            Ok(kernel) => Ok(State::Graded { checks: self.judge(exercise, &kernel)? }),
            Err(output) => {
                // A student knows the files by their place in the tree.
                let stage = format!("{}/", self.folder.join(STAGE).display());
                let errors = compiler_errors(&output.replace(&stage, ""));
                Ok(State::DoesNotCompile { errors })
            }
        }
    }

    /// Puts what the grader's tree has into the places of exercises.
    fn solve(&self, overlay: &mut BTreeMap<PathBuf, String>, exercises: &[u32]) {
        for exercise in &self.course.exercises {
            if !exercises.contains(&exercise.number) {
                continue;
            }
            for place in &exercise.places {
                let solved = self.base.get(&place.file).map(|bytes| String::from_utf8_lossy(bytes));
                let (Some(text), Some(solved)) = (overlay.get_mut(&place.file), solved) else {
                    continue;
                };
                let content = crate::place::content(&solved, &place.anchor);
                let replaced =
                    content.and_then(|content| crate::place::replace(text, &place.anchor, content));
                if let Ok(replaced) = replaced {
                    *text = replaced;
                }
            }
        }
    }

    /// Builds the kernel and copies it to where later builds leave it alone.
    pub fn build(
        &self,
        overlay: &BTreeMap<PathBuf, String>,
        name: &str,
    ) -> Result<Result<PathBuf, String>> {
        let stage = Stage::new(self.base, self.folder.join(STAGE), self.sandbox)?;
        let log = self.folder.join(format!("logs/build-{name}.log"));
        let mut built = Built::TooLate;
        for _ in 0..ATTEMPTS {
            let limit = self.pace.build_limit();
            built = stage.build(overlay, limit, &log)?;
            if !matches!(built, Built::TooLate) {
                break;
            }
            // The limit is longer when the host has become slower.
            if self.pace.ensure_kept(self.pace.boot_limit()).is_ok() {
                let seconds = limit.as_secs();
                return Ok(Err(format!("error: the compiler had not ended after {seconds} s")));
            }
        }
        let built = match built {
            Built::Kernel(built) => built,
            Built::Errors(output) => return Ok(Err(output)),
            Built::TooLate => bail!("the host is too slow to compile the submission"),
        };
        let kernel = self.folder.join("kernel.elf");
        std::fs::copy(&built, &kernel)
            .with_context(|| format!("cannot copy the kernel {}", built.display()))?;
        Ok(Ok(kernel))
    }

    /// Carries out the checks of an exercise, as many at a time as there are processors.
    fn judge(&self, exercise: &Exercise, kernel: &Path) -> Result<Vec<CheckResult>> {
        self.judge_while(exercise, kernel, |_| true)
    }

    /// The same, but none is begun any more after one has failed.
    pub fn judge_to_first_failure(
        &self,
        exercise: &Exercise,
        kernel: &Path,
    ) -> Result<Vec<CheckResult>> {
        self.judge_while(exercise, kernel, |results| results.values().all(CheckResult::passed))
    }

    fn judge_while(
        &self,
        exercise: &Exercise,
        kernel: &Path,
        goes_on: impl Fn(&BTreeMap<usize, CheckResult>) -> bool + Sync,
    ) -> Result<Vec<CheckResult>> {
        let logs = self.folder.join("logs").join(exercise.name());
        let stand = Stand {
            workspace: self.workspace,
            kernel,
            seed: self.seed,
            pace: self.pace,
            sandbox: self.sandbox,
            logs: &logs,
            hung: AtomicBool::new(false),
        };
        let next = Mutex::new(exercise.checks.iter().enumerate());
        let results = Mutex::new(BTreeMap::new());
        thread::scope(|scope| {
            for _ in 0..self.machines.min(exercise.checks.len()) {
                scope.spawn(|| {
                    loop {
                        if !results.lock().is_ok_and(|results| goes_on(&results)) {
                            return;
                        }
                        let Some((number, check)) = take(&next) else { return };
                        let result = judge_one(check, &stand);
                        if let Ok(mut results) = results.lock() {
                            results.insert(number, result);
                        }
                    }
                });
            }
        });
        let results = results.into_inner().unwrap_or_default();
        Ok(results.into_values().collect())
    }
}

fn take<'c>(next: &Mutex<impl Iterator<Item = (usize, &'c Check)>>) -> Option<(usize, &'c Check)> {
    next.lock().ok()?.next()
}

/// Carries a check out; the host's failures are tried again.
fn judge_one(check: &Check, stand: &Stand<'_>) -> CheckResult {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        match check.judge(stand) {
            Ok(finding) => return CheckResult::new(check, finding),
            Err(error) => last = format!("{error:#}"),
        }
    }
    CheckResult::not_graded(check, last)
}

/// The compiler's errors, without the rest of its output.
fn compiler_errors(output: &str) -> String {
    let output = plain(output);
    let mut errors: Vec<String> = Vec::new();
    let mut inside = false;
    for line in output.lines() {
        if line.starts_with("error") {
            inside = true;
        } else if line.starts_with("warning") || line.trim_start().starts_with("Compiling") {
            inside = false;
        }
        if inside {
            errors.push(line.chars().take(LONGEST_LINE).collect());
        }
        if errors.len() >= MOST_LINES {
            break;
        }
    }
    errors.join("\n")
}
