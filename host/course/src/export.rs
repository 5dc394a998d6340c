//! The student's tree: the files of the solution with stubs in the places of the exercises.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{
    exercise::{Choice, Course, Exercise, FOLDER},
    language::{Language, text},
    place,
    stage::{Files, tracked},
    submit::{VERSION, version},
};

/// The files that begin with what a student must know.
const READMES: [(&str, Language); 2] =
    [("README.md", Language::En), ("README.zh-CN.md", Language::Zh)];
/// Folders of an exercise that stay with the instructor.
const KEPT: [&str; 2] = ["wrong", "right"];
/// A line of a solution shorter than this is no trace of it.
const TRACE_LENGTH: usize = 24;

/// Writes the student's tree to `dir`, as a commit of a git repository there.
///
/// The same tree and the same exercises give the same files and the same commit.
///
/// # Errors
///
/// The folder is not empty and no earlier export, a file cannot be written, or a line of a solution is left.
pub fn export(root: &Path, course: &Course, choice: Option<&Choice>, dir: &Path) -> Result<()> {
    let open = course.chosen(choice)?;
    ensure!(
        !root.join(VERSION).is_file(),
        "this is a student's tree; an export is made from the tree with the solution"
    );
    let changed = git(root, &["status", "--porcelain"])?;
    ensure!(
        changed.is_empty(),
        "an export names the commit that it is made from, and these files are not as they were committed:\n\
         {changed}"
    );
    let mut files = student_files(&tracked(root)?, course, &open)?;
    files.insert(VERSION.into(), format!("{}\n", version(root)).into_bytes());
    let repository = dir.join(".git");
    let is_first = !repository.is_dir();
    if is_first {
        let empty = fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
        ensure!(empty, "{} is not empty and no earlier export; give another folder", dir.display());
        fs::create_dir_all(dir)?;
        git(dir, &["init", "--quiet", "--initial-branch=main"])?;
    }
    for exercise in &course.exercises {
        let was_open = dir.join(FOLDER).join(exercise.name()).is_dir();
        ensure!(
            !was_open || open.iter().any(|open| open.number == exercise.number),
            "exercise {} is open in {}, and would be solved by this export; name it in EXERCISES=, or give \
             another folder",
            exercise.number,
            dir.display()
        );
    }
    for path in git(dir, &["ls-files", "-z"])?.split('\0').filter(|path| !path.is_empty()) {
        if !files.contains_key(Path::new(path)) {
            fs::remove_file(dir.join(path))?;
        }
    }
    for (path, contents) in &files {
        let full = dir.join(path);
        if let Some(parent) = full.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&full, contents).with_context(|| format!("cannot write {}", full.display()))?;
        if root.join(path).is_file() {
            copy_mode(&root.join(path), &full)?;
        }
    }
    // What was built in the folder stays out of the commit.
    git(dir, &["add", "--update"])?;
    for paths in files.keys().collect::<Vec<_>>().chunks(100) {
        let mut add = Command::new("git");
        add.current_dir(dir).args(["add", "--force", "--"]).args(paths);
        ensure!(add.status().context("git cannot be started")?.success(), "git add failed");
    }
    if git(dir, &["diff", "--cached", "--name-only"])?.is_empty() {
        println!("nothing has changed since the last export to {}", dir.display());
        return Ok(());
    }
    let numbers: Vec<String> = open.iter().map(|exercise| exercise.number.to_string()).collect();
    let message = match is_first {
        true => format!("Open exercises {}", numbers.join(", ")),
        false => format!("Follow version {}", version(root)),
    };
    // The commit is the same wherever and whenever it is made.
    let date = git(root, &["log", "-1", "--format=%cI"])?;
    let mut commit = Command::new("git");
    commit.current_dir(dir).args(["-c", "user.name=Driver lab", "-c", "user.email=lab@localhost"]);
    commit.args(["commit", "--quiet", "--message", &message, "--date", date.trim()]);
    commit.env("GIT_COMMITTER_DATE", date.trim());
    let status = commit.status().context("git cannot be started")?;
    ensure!(status.success(), "git commit failed");
    println!("{} files with {} open exercises in {}", files.len(), open.len(), dir.display());
    Ok(())
}

/// The files of the student's tree.
///
/// # Errors
///
/// The marks of a place are missing, or a line of a solution is left somewhere.
pub fn student_files(tree: &Files, course: &Course, open: &[&Exercise]) -> Result<Files> {
    let mut files = Files::new();
    for (path, contents) in tree {
        let folder = path.strip_prefix(FOLDER).ok().map(|rest| rest.components());
        if let Some(mut parts) = folder {
            let name = parts.next().map(|part| part.as_os_str().to_string_lossy().into_owned());
            let part = parts.next().map(|part| part.as_os_str().to_string_lossy().into_owned());
            let of_exercise = course.exercises.iter().find(|e| Some(e.name()) == name);
            let closed = of_exercise.is_some_and(|e| !open.iter().any(|o| o.number == e.number));
            if closed || part.is_some_and(|part| KEPT.contains(&part.as_str())) {
                continue;
            }
        }
        files.insert(path.clone(), contents.clone());
    }
    let mut traces = BTreeMap::new();
    for exercise in &course.exercises {
        let is_open = open.iter().any(|open| open.number == exercise.number);
        for place in &exercise.places {
            let bytes = files.get(&place.file).context("a place in a file that is not there")?;
            let text = String::from_utf8_lossy(bytes).into_owned();
            let new = match is_open {
                true => {
                    collect_traces(place::content(&text, &place.anchor)?, exercise, &mut traces);
                    place::replace(&text, &place.anchor, &exercise.stub(place)?)?
                }
                false => place::without_marks(&text, &place.anchor),
            };
            files.insert(place.file.clone(), new.into_bytes());
        }
    }
    ensure_no_trace(tree, &files, course, open, &traces)?;
    for (readme, language) in READMES {
        if let Some(contents) = files.get_mut(Path::new(readme)) {
            let note = note(open, language);
            let text = String::from_utf8_lossy(contents).into_owned();
            let (title, rest) = text.split_once('\n').unwrap_or((&text, ""));
            *contents = format!("{title}\n\n{note}{rest}").into_bytes();
        }
    }
    Ok(files)
}

/// The first things that a student must know, near the title of the README.
fn note(open: &[&Exercise], language: Language) -> String {
    let first = open.first().map(|exercise| exercise.name()).unwrap_or_default();
    // Without write_block, which is exercise 1, the demo cannot end well.
    let fails = open.iter().any(|exercise| exercise.number == 1);
    match language {
        Language::En => format!(
            "> **This is a student's tree.** Some exercises are open: `make run` names them first{}.\n\
             > Begin with `exercises/{first}/task.en.md` and the page [Exercises](docs/en/src/exercises.md).\n\
             > This page and the book describe the finished lab.\n",
            if fails { ", and ends with `failed` as long as exercise 1 is open" } else { "" }
        ),
        Language::Zh => format!(
            "> **这是学生的代码树。** 有些练习尚未完成：`make run` 会先列出它们{}。\n\
             > 请从 `exercises/{first}/task.zh.md` 和[练习](docs/zh/src/exercises.md)这一章开始。本页和书里描述的是完成后的样子。\n",
            if fails { "；只要练习 1 没有完成，它就以 `failed` 结束" } else { "" }
        ),
    }
}

fn collect_traces(solution: &str, exercise: &Exercise, traces: &mut BTreeMap<String, u32>) {
    for line in solution.lines().map(str::trim) {
        if line.len() >= TRACE_LENGTH && !line.starts_with("//") {
            traces.insert(line.to_owned(), exercise.number);
        }
    }
}

/// Makes sure that no line of a solution stands anywhere in the student's tree, unless other code of the
/// kernel has the same line.
fn ensure_no_trace(
    tree: &Files,
    files: &Files,
    course: &Course,
    open: &[&Exercise],
    traces: &BTreeMap<String, u32>,
) -> Result<()> {
    let source: BTreeSet<&PathBuf> = tree
        .keys()
        .filter(|path| ["crates", "kernel"].iter().any(|folder| path.starts_with(folder)))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    let common: BTreeSet<&str> = source
        .iter()
        .filter_map(|path| std::str::from_utf8(files.get(*path)?).ok())
        .flat_map(|text| text.lines().map(str::trim))
        .collect();
    let folders: Vec<PathBuf> =
        open.iter().map(|exercise| Path::new(FOLDER).join(exercise.name())).collect();
    for (path, contents) in files {
        let Ok(text) = std::str::from_utf8(contents) else { continue };
        if source.contains(path) || folders.iter().any(|f| path.starts_with(f.join("stub"))) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let trace = traces.get(line).filter(|_| !common.contains(line));
            if let Some(exercise) = trace {
                let title = course.exercise(*exercise).map(Exercise::name).unwrap_or_default();
                anyhow::bail!(
                    "{}:{} holds a line of the solution of {title}: {line}",
                    path.display(),
                    number + 1
                );
            }
        }
    }
    Ok(())
}

/// Puts the stubs of an exercise back into its places.
///
/// # Errors
///
/// A file cannot be read or written, or the marks are gone.
pub fn reset(root: &Path, exercise: &Exercise, language: Language) -> Result<()> {
    let files: BTreeSet<&PathBuf> = exercise.places.iter().map(|place| &place.file).collect();
    for file in files {
        let path = root.join(file);
        let text = fs::read_to_string(&path)?;
        let mut new = text.clone();
        for place in exercise.places.iter().filter(|place| place.file == *file) {
            new = place::replace(&new, &place.anchor, &exercise.stub(place)?)?;
        }
        if new == text {
            let words = text!("{} is as it was", "{} 没有变化", file.display());
            println!("{}", words.in_language(language));
            continue;
        }
        // What was written may be worth something yet.
        let kept = root.join("target/course/before-reset").join(file);
        if let Some(parent) = kept.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&kept, &text)?;
        fs::write(&path, new)?;
        let words = text!(
            "{} has the stub of exercise {} again; what was there is in {}",
            "{} 里又是练习 {} 的桩；原来的内容在 {}",
            file.display(),
            exercise.number,
            kept.display()
        );
        println!("{}", words.in_language(language));
    }
    Ok(())
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .current_dir(folder)
        .args(arguments)
        .output()
        .context("git cannot be started")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {} failed: {}", arguments.join(" "), errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn copy_mode(from: &Path, to: &Path) -> Result<()> {
    Ok(fs::set_permissions(to, fs::metadata(from)?.permissions())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commits all of `folder`, as git's user of the tests.
    fn commit(folder: &Path, message: &str) {
        git(folder, &["add", "--all"]).unwrap();
        let who = ["-c", "user.name=Tests", "-c", "user.email=tests@localhost"];
        git(folder, &[&who[..], &["commit", "--quiet", "--message", message]].concat()).unwrap();
    }

    fn log(folder: &Path) -> Vec<String> {
        let log = git(folder, &["log", "--format=%H %s"]).unwrap();
        log.lines().map(str::to_owned).collect()
    }

    #[test]
    fn an_export_is_a_commit_of_its_own_files_alone() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let (tree, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (path, contents) in tracked(&root).unwrap() {
            let full = tree.path().join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, contents).unwrap();
        }
        git(tree.path(), &["init", "--quiet"]).unwrap();
        commit(tree.path(), "a tree");
        let course = Course::load(tree.path()).unwrap();
        let (first, second) = (out.path().join("first"), out.path().join("second"));
        export(tree.path(), &course, None, &first).unwrap();
        export(tree.path(), &course, None, &second).unwrap();
        // The same tree gives the same commit.
        assert_eq!(log(&first), log(&second));
        let readme = fs::read_to_string(first.join("README.md")).unwrap();
        let note = readme.find("student's tree").map(|note| &readme[note..note + 400]).unwrap();
        assert!(note.contains("as long as exercise 1 is open"), "{note}");
        assert!(note.contains("`exercises/1-write-block/task.en.md`"), "{note}");
        assert!(!first.join("exercises/1-write-block/wrong").exists());

        fs::write(first.join("blk.img"), "built here").unwrap();
        fs::write(tree.path().join("CHANGELOG.md"), "news").unwrap();
        let refusal = export(tree.path(), &course, None, &first).unwrap_err();
        assert!(refusal.to_string().contains("CHANGELOG.md"), "{refusal}");
        commit(tree.path(), "news");
        export(tree.path(), &course, None, &first).unwrap();
        assert_eq!(log(&first).len(), 2);
        assert_eq!(git(&first, &["ls-files", "blk.img"]).unwrap(), "");
        // What was open stays open, and a student's tree is no tree to export from.
        let closing = "1-2".parse().unwrap();
        assert!(export(tree.path(), &course, Some(&closing), &first).is_err());
        assert!(export(&first, &course, None, &out.path().join("third")).is_err());
        // With the first exercise solved, nobody is sent to it.
        let files = "9-11".parse().unwrap();
        export(tree.path(), &course, Some(&files), &out.path().join("files")).unwrap();
        let readme = fs::read_to_string(out.path().join("files/README.md")).unwrap();
        assert!(readme.contains("`exercises/9-lookup/task.en.md`"));
        assert!(!readme.contains("exercise 1 is open"));
    }
}
