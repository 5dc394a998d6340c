//! The book's page of figures, made from what the runs left in the target folder, so that no figure
//! is copied by hand: `target/{ktest,hostile,soak,files-proof,bench}/report*.json`, and the benchmark's tables.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use lab::{arch::Arch, board::Board, workspace::Workspace};
use serde_json::Value;

use crate::bench::cells::{grouped, row, table};

/// Rows of the list of what a device may do.
const ROWS: usize = 30;

/// The cell of a figure that nobody has found.
const NOT_RUN: &str = "not run";

/// Writes `docs/en/src/figures.md`. Of the boards beside the lab's own it shows what there is.
///
/// # Errors
///
/// A report is missing or is not what this program writes; the error names the command that makes it.
pub fn write(workspace: &Workspace) -> Result<()> {
    let ktest = report(&workspace.report("ktest", Board::LAB), "make ktest")?;
    let files = report(&workspace.report("files-proof", Board::LAB), "make files-proof")?;
    let mut page = String::from(
        "# Figures\n\n<!-- Written by `make figures`. Do not edit. -->\n\n\
         This page is written by `make figures` from the JSON that the commands below leave under `target/`. The \
         commands of the second table take `BUS=pci` and `ARCH=x86_64` for the other columns.\n\n",
    );
    let archs = Arch::ALL.map(Arch::name);
    let heads = ["what", archs[0], archs[1], "command"];
    table(&mut page, "The lying device in the kernel's own tests", &heads);
    for (what, figures) in in_kernel(&ktest)? {
        row(&mut page, &[what, &figures[0], &figures[1], "`make ktest`"]);
    }
    page.push('\n');
    let boards = Board::ALL.map(|board| board.to_string());
    let [lab, lab_pci, pc] = boards.each_ref().map(String::as_str);
    let heads = ["what", lab, lab_pci, pc, "command"];
    table(&mut page, "The lying and the failing device", &heads);
    let mut columns = Vec::new();
    for board in Board::ALL {
        columns.push(from_outside(workspace, board)?);
    }
    for (number, (what, command)) in FROM_OUTSIDE.iter().enumerate() {
        let mut cells = vec![what.to_string()];
        cells.extend(columns.iter().map(|column| column[number].clone()));
        cells.push(format!("`{command}`"));
        row(&mut page, &cells);
    }
    page.push('\n');
    table(&mut page, "The file system on a disk in memory", &["what is tried", "counts"]);
    for (name, counts) in files["counts"].as_object().context("no counts of make files-proof")? {
        let counts = counts.as_str().context("the counts of make files-proof are no text")?;
        row(&mut page, &[&format!("`sfs-proof {name}`"), counts]);
    }
    for board in Board::ALL {
        page.push('\n');
        page.push_str(&benchmark(workspace, board)?);
    }
    let path = workspace.root.join("docs/en/src/figures.md");
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

/// The lines about what the kernel's own tests have found, with a figure for each architecture.
fn in_kernel(ktest: &Value) -> Result<[(&'static str, [String; 2]); 3]> {
    let tests = ktest["tests"].as_array().context("no tests in the report of make ktest")?;
    let on = Arch::ALL.map(|arch| {
        let ours = tests.iter().filter(|test| test["arch"] == arch.name());
        ours.collect::<Vec<&Value>>()
    });
    ensure!(on.iter().all(|tests| !tests.is_empty()), "not all machines: run `make ktest`");
    let rows = |tests: &[&Value]| format!("{} of {ROWS}", rows_in_kernel(tests).len());
    // The last run tells of the first machine only.
    let fuzz = ktest["fuzz"].as_str().context("make ktest says nothing of the fuzzer")?;
    Ok([
        ("unit tests that passed in the kernel", on.each_ref().map(|tests| verdicts(tests))),
        ("rows that pass in the kernel", on.each_ref().map(|tests| rows(tests))),
        ("the random device", [fuzz.to_owned(), "-".to_owned()]),
    ])
}

/// The lines about what was found from outside, and the commands that find it.
const FROM_OUTSIDE: [(&str, &str); 14] = [
    ("rows that pass with the device outside", "make hostile"),
    ("... of so many that it can play", "make hostile"),
    ("modes of the device outside that pass", "make hostile"),
    ("power cuts", "make soak"),
    ("flushed writes that were lost", "make soak"),
    ("... of so many flushed writes", "make soak"),
    ("sectors with what was never written", "make soak"),
    ("... of so many sectors checked", "make soak"),
    ("power cuts while files are worked with", "make soak"),
    ("... after which anything was not as it must be", "make soak"),
    ("... of so many steps synced", "make soak"),
    ("requests to failing disks", "make soak"),
    ("... of which failed, as they should", "make soak"),
    ("... of so many sectors checked", "make soak"),
];

/// The figures of these lines on a board.
fn from_outside(workspace: &Workspace, board: Board) -> Result<Vec<String>> {
    let mut figures = match found(workspace, board, "hostile")? {
        Some(hostile) => of_hostile(&hostile, &command("hostile", board))?,
        None => vec![NOT_RUN.to_owned(); 3],
    };
    match found(workspace, board, "soak")? {
        Some(soak) => figures.extend(of_soak(&soak, &command("soak", board))?),
        None => figures.resize(FROM_OUTSIDE.len(), NOT_RUN.to_owned()),
    }
    Ok(figures)
}

fn of_hostile(hostile: &Value, command: &str) -> Result<Vec<String>> {
    ensure!(hostile["all_modes"] == true, "this is the report of a part: run `{command}`");
    let modes = hostile["modes"].as_array();
    let modes = modes.with_context(|| format!("no modes in the report of {command}"))?;
    let passed: Vec<_> = modes.iter().filter(|mode| mode["result"] == "pass").collect();
    let outside: BTreeSet<_> = passed.iter().filter_map(|mode| mode["row"].as_u64()).collect();
    let playable: BTreeSet<_> = modes.iter().filter_map(|mode| mode["row"].as_u64()).collect();
    Ok(vec![
        outside.len().to_string(),
        playable.len().to_string(),
        format!("{} of {}", passed.len(), modes.len()),
    ])
}

fn of_soak(soak: &Value, command: &str) -> Result<Vec<String>> {
    let mut figures = Vec::new();
    for (group, names) in [
        ("power_cuts", &["cuts", "lost", "writes_flushed", "foreign", "sectors_checked"][..]),
        ("file_cuts", &["cuts", "bad", "steps_synced"]),
        ("failing", &["requests", "errors", "sectors_checked"]),
    ] {
        for name in names {
            let figure = soak[group][name].as_f64();
            let figure =
                figure.with_context(|| format!("no {group}.{name} in the report of {command}"))?;
            figures.push(grouped(figure));
        }
    }
    Ok(figures)
}

/// The benchmark on a board, or that it was not run.
fn benchmark(workspace: &Workspace, board: Board) -> Result<String> {
    let command = command("bench", board);
    let Some(json) = found(workspace, board, "bench")? else {
        return Ok(format!("## `{command}`\n\n{NOT_RUN}\n"));
    };
    ensure!(json["whole"] == true, "the last run of the benchmark was a part: run `{command}`");
    let path = workspace.report("bench", board).with_extension("md");
    let bench = without_host(&read(&path, &command)?, &format!("{}/", workspace.root.display()));
    Ok(below(&bench, &format!("`{command}`: ")))
}

/// The report of a suite on a board; `None` if it was not run and the board is not the lab's own.
fn found(workspace: &Workspace, board: Board, suite: &str) -> Result<Option<Value>> {
    let path = workspace.report(suite, board);
    if board != Board::LAB && !path.exists() {
        return Ok(None);
    }
    report(&path, &command(suite, board)).map(Some)
}

fn command(suite: &str, board: Board) -> String {
    format!("make {suite}{}", board.make_arguments())
}

fn verdicts(tests: &[&Value]) -> String {
    let passed = tests.iter().filter(|test| test["verdict"] == "ok").count();
    format!("{passed} of {}", tests.len())
}

/// The rows all of whose tests passed: `row_07_...` belongs to row 7.
fn rows_in_kernel(tests: &[&Value]) -> BTreeSet<usize> {
    let (mut good, mut bad) = (BTreeSet::new(), BTreeSet::new());
    for test in tests {
        let name = test["name"].as_str().unwrap_or_default();
        let name = name.rsplit("::").next().unwrap_or_default();
        let number = name.strip_prefix("row_").and_then(|rest| rest.split('_').next());
        let Some(number) = number.and_then(|number| number.parse().ok()) else { continue };
        if test["verdict"] == "ok" {
            good.insert(number)
        } else {
            bad.insert(number)
        };
    }
    &good - &bad
}

/// The benchmark's report without what only says whose machine it was: the host, and the repository's place.
fn without_host(report: &str, root: &str) -> String {
    let lines = report.lines().filter(|line| !line.starts_with("- Host: "));
    lines.map(|line| line.replace(root, "") + "\n").collect()
}

/// A report as a part of another page: its headings go one level down.
fn below(report: &str, prefix: &str) -> String {
    let mut text = String::new();
    for line in report.lines() {
        match line.strip_prefix("# ") {
            Some(title) => text.push_str(&format!("## {prefix}{title}")),
            None if line.starts_with('#') => text.push_str(&format!("#{line}")),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

fn report(path: &Path, command: &str) -> Result<Value> {
    let text = read(path, command)?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is no JSON; `{command}` writes it anew", path.display()))
}

fn read(path: &Path, command: &str) -> Result<String> {
    fs::read_to_string(path)
        .with_context(|| format!("cannot read {}; `{command}` writes it", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn tests(arch: &str, verdict: &str) -> Vec<Value> {
        [("row_07_one", "ok"), ("row_07_two", verdict), ("row_08", "ok"), ("other", "ok")]
            .map(|(name, verdict)| {
                json!({ "name": format!("kernel::a::{name}"), "arch": arch, "verdict": verdict })
            })
            .to_vec()
    }

    #[test]
    fn a_row_passes_with_all_its_tests() {
        let rows = |verdict| rows_in_kernel(&tests("riscv64", verdict).iter().collect::<Vec<_>>());
        assert_eq!(rows("ok"), BTreeSet::from([7, 8]));
        assert_eq!(rows("FAILED"), BTreeSet::from([8]));
    }

    #[test]
    fn the_kernel_s_own_tests_are_told_by_machine() {
        let both = [tests("riscv64", "ok"), tests("x86_64", "FAILED")].concat();
        let found = in_kernel(&json!({ "fuzz": "7 device steps", "tests": both })).unwrap();
        let figures = found.map(|line| line.1);
        assert_eq!(figures[0], ["4 of 4", "3 of 4"]);
        assert_eq!(figures[1], ["2 of 30", "1 of 30"]);
        assert_eq!(figures[2], ["7 device steps", "-"]);
        let one = json!({ "fuzz": "7 device steps", "tests": tests("riscv64", "ok") });
        assert!(in_kernel(&one).unwrap_err().to_string().contains("run `make ktest`"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = of_soak(&json!({}), "make soak BUS=pci").unwrap_err().to_string();
        assert_eq!(error, "no power_cuts.cuts in the report of make soak BUS=pci");
        let part = json!({ "all_modes": false, "modes": [] });
        let error = of_hostile(&part, "make hostile").unwrap_err().to_string();
        assert!(error.contains("run `make hostile`"), "{error}");
    }

    #[test]
    fn every_line_has_its_figure() {
        let modes = [(1, "pass"), (2, "pass"), (2, "fail")];
        let modes = modes.map(|(row, result)| json!({ "row": row, "result": result }));
        let hostile = json!({ "all_modes": true, "modes": modes });
        let mut figures = of_hostile(&hostile, "").unwrap();
        assert_eq!(figures, ["2", "2", "2 of 3"]);
        let count = |names: &[&str]| -> Value {
            names.iter().map(|name| (name.to_string(), json!(7))).collect::<Map<_, _>>().into()
        };
        let soak = json!({
            "power_cuts": count(&["cuts", "lost", "writes_flushed", "foreign", "sectors_checked"]),
            "file_cuts": count(&["cuts", "bad", "steps_synced"]),
            "failing": count(&["requests", "errors", "sectors_checked"]),
        });
        figures.extend(of_soak(&soak, "").unwrap());
        assert_eq!(figures.len(), FROM_OUTSIDE.len());
    }

    #[test]
    fn the_host_stays_out() {
        let report = "- Host: mine\n- `-f raw /here/target/disk`\n";
        assert_eq!(without_host(report, "/here/"), "- `-f raw target/disk`\n");
    }

    #[test]
    fn headings_go_down() {
        assert_eq!(below("# A\n\n## B\ntext", "x: "), "## x: A\n\n### B\ntext\n");
    }
}
