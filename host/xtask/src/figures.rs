//! The book's page of figures, made from what the runs left in the target folder, so that no figure
//! is copied by hand: `target/{ktest,hostile,soak,files-proof,bench}/report.json`, and the benchmark's tables.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result, ensure};
use lab::workspace::Workspace;
use serde_json::Value;

use crate::bench::cells::{grouped, row, table};

/// Rows of the list of what a device may do.
const ROWS: usize = 30;

/// Writes `docs/en/src/figures.md`.
///
/// # Errors
///
/// A report is missing or is not what this program writes; the error names the command that makes it.
pub fn write(workspace: &Workspace) -> Result<()> {
    let ktest = report(workspace, "ktest", "make ktest")?;
    let hostile = report(workspace, "hostile", "make hostile")?;
    let soak = report(workspace, "soak", "make soak")?;
    let files = report(workspace, "files-proof", "make files-proof")?;
    ensure!(
        report(workspace, "bench", "make bench")?["whole"] == true,
        "the last run of the benchmark was a part: run `make bench`"
    );
    let bench = read(workspace, "bench/report.md", "make bench")?;
    let bench = without_host(&bench, &format!("{}/", workspace.root.display()));

    let mut page = String::from(
        "# Figures\n\n<!-- Written by `make figures`. Do not edit. -->\n\n\
         This page is written by `make figures` from the JSON that the commands below leave under `target/`.\n\n",
    );
    table(&mut page, "The lying and the failing device", &["what", "figure", "command"]);
    for (what, figure, command) in lines(&ktest, &hostile, &soak)? {
        row(&mut page, &[what, &figure, &format!("`{command}`")]);
    }
    page.push('\n');
    table(&mut page, "The file system on a disk in memory", &["what is tried", "counts"]);
    for (name, counts) in files["counts"].as_object().context("no counts of make files-proof")? {
        let counts = counts.as_str().context("the counts of make files-proof are no text")?;
        row(&mut page, &[&format!("`sfs-proof {name}`"), counts]);
    }
    page.push('\n');
    page.push_str(&below(&bench, "`make bench`: "));
    let path = workspace.root.join("docs/en/src/figures.md");
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

type Line = (&'static str, String, &'static str);

fn lines(ktest: &Value, hostile: &Value, soak: &Value) -> Result<Vec<Line>> {
    let in_kernel = rows_in_kernel(ktest)?;
    ensure!(
        hostile["all_modes"] == true,
        "the last run of the hostile device was a part: run `make hostile`"
    );
    let modes = hostile["modes"].as_array().context("no modes in the report of make hostile")?;
    let passed: Vec<_> = modes.iter().filter(|mode| mode["result"] == "pass").collect();
    let outside: BTreeSet<_> = passed.iter().filter_map(|mode| mode["row"].as_u64()).collect();
    let playable: BTreeSet<_> = modes.iter().filter_map(|mode| mode["row"].as_u64()).collect();
    let count = |group: &str, name: &str| -> Result<String> {
        let figure = soak[group][name].as_f64();
        Ok(grouped(
            figure.with_context(|| format!("no {group}.{name} in the report of make soak"))?,
        ))
    };
    Ok(vec![
        ("unit tests that passed in the kernel", verdicts(ktest)?, "make ktest"),
        ("rows that pass in the kernel", format!("{} of {ROWS}", in_kernel.len()), "make ktest"),
        ("the random device", fuzz(ktest)?, "make ktest"),
        (
            "rows that pass with the device outside",
            format!("{} of {} that it can play", outside.len(), playable.len()),
            "make hostile",
        ),
        (
            "modes of the device outside that pass",
            format!("{} of {}", passed.len(), modes.len()),
            "make hostile",
        ),
        ("power cuts", count("power_cuts", "cuts")?, "make soak"),
        ("flushed writes that were lost", count("power_cuts", "lost")?, "make soak"),
        ("... of so many flushed writes", count("power_cuts", "writes_flushed")?, "make soak"),
        ("sectors with what was never written", count("power_cuts", "foreign")?, "make soak"),
        ("... of so many sectors checked", count("power_cuts", "sectors_checked")?, "make soak"),
        ("power cuts while files are worked with", count("file_cuts", "cuts")?, "make soak"),
        ("... after which anything was not as it must be", count("file_cuts", "bad")?, "make soak"),
        ("... of so many steps synced", count("file_cuts", "steps_synced")?, "make soak"),
        ("requests to failing disks", count("failing", "requests")?, "make soak"),
        ("... of which failed, as they should", count("failing", "errors")?, "make soak"),
    ])
}

fn tests(ktest: &Value) -> Result<&Vec<Value>> {
    ktest["tests"].as_array().context("no tests in the report of make ktest")
}

fn verdicts(ktest: &Value) -> Result<String> {
    let tests = tests(ktest)?;
    let passed = tests.iter().filter(|test| test["verdict"] == "ok").count();
    Ok(format!("{passed} of {}", tests.len()))
}

/// The rows all of whose tests passed: `row_07_...` belongs to row 7.
fn rows_in_kernel(ktest: &Value) -> Result<BTreeSet<usize>> {
    let (mut good, mut bad) = (BTreeSet::new(), BTreeSet::new());
    for test in tests(ktest)? {
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
    Ok(&good - &bad)
}

fn fuzz(ktest: &Value) -> Result<String> {
    let line = ktest["fuzz"].as_str().context("the last make ktest says nothing of the fuzzer")?;
    Ok(line.to_owned())
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

fn report(workspace: &Workspace, name: &str, command: &str) -> Result<Value> {
    let text = read(workspace, &format!("{name}/report.json"), command)?;
    serde_json::from_str(&text).with_context(|| {
        format!("target/{name}/report.json is no JSON; `{command}` writes it anew")
    })
}

fn read(workspace: &Workspace, name: &str, command: &str) -> Result<String> {
    let path = workspace.target.join(name);
    fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}; `{command}` writes it", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ktest(verdict: &str) -> Value {
        json!({ "fuzz": "7 device steps", "tests": [
            { "name": "kernel::a::row_07_one", "verdict": "ok" },
            { "name": "kernel::a::row_07_two", "verdict": verdict },
            { "name": "kernel::a::row_08", "verdict": "ok" },
            { "name": "kernel::a::other", "verdict": "ok" },
        ]})
    }

    #[test]
    fn a_row_passes_with_all_its_tests() {
        assert_eq!(rows_in_kernel(&ktest("ok")).unwrap(), BTreeSet::from([7, 8]));
        assert_eq!(rows_in_kernel(&ktest("FAILED")).unwrap(), BTreeSet::from([8]));
    }

    #[test]
    fn what_is_missing_is_named() {
        let hostile = json!({ "all_modes": true, "modes": [{ "row": 1, "result": "pass" }] });
        let error = lines(&ktest("ok"), &hostile, &json!({})).unwrap_err();
        assert!(error.to_string().contains("power_cuts.cuts"), "{error}");
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
