//! `sfs-proof read`: what the independent reader finds in an image.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{
    disk::Image,
    reader::{self, Kind, Reading},
};

/// Prints what is in an image and what is wrong with it, compares it with a table, and returns true if both are as
/// they must be. Problems that a power cut may leave are printed, and are no reason for false.
///
/// # Errors
///
/// A file cannot be read.
pub fn run(path: &Path, table: Option<&Path>) -> Result<bool> {
    let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let image = Image::of_file(&content);
    let reading = reader::read(&image);
    let lines = manifest(&reading, &image);
    let mut good = reading.broken().is_none();
    match table {
        None => println!(
            "#path\ttype\tsize(bytes; dir: entries without . and ..)\tsha256\n{}",
            lines.join("\n")
        ),
        Some(table) => {
            let table = fs::read_to_string(table)
                .with_context(|| format!("cannot read {}", table.display()))?;
            for difference in differences(&lines, &table) {
                println!("{difference}");
                good = false;
            }
        }
    }
    for problem in &reading.problems {
        println!("{problem}");
    }
    println!(
        "read: {} inodes, {} blocks in use of {}, {} problems, {}",
        reading.nodes.len(),
        reading.used(),
        reading.blocks,
        reading.problems.len(),
        if good { "sound" } else { "NOT sound" }
    );
    Ok(good)
}

/// One line for each name in an image, sorted by path.
pub fn manifest(reading: &Reading, image: &Image) -> Vec<String> {
    let mut lines = Vec::new();
    let mut todo = vec![(String::new(), reader::ROOT, Vec::new())];
    while let Some((path, directory, way)) = todo.pop() {
        for (name, number) in reading.names(directory) {
            let Some(node) = reading.nodes.get(&number) else { continue };
            let path = format!("{path}/{name}");
            let content = || reading.content(image, number);
            lines.push(match node.kind {
                Kind::Directory => format!("{path}\tdir\t{}\t-", reading.names(number).len()),
                Kind::File => format!("{path}\tfile\t{}\t{}", node.size, hash(&content())),
                Kind::Symlink => format!("{path}\tsymlink\t{}\t{}", node.size, hash(&content())),
                Kind::Device(kind) => format!("{path}\tdevice {kind}\t{}\t-", node.size),
            });
            if node.kind == Kind::Directory && !way.contains(&number) {
                todo.push((path, number, [&way[..], &[number]].concat()));
            }
        }
    }
    lines.sort();
    lines
}

/// The lines that only one of both has.
pub fn differences(lines: &[String], table: &str) -> Vec<String> {
    let expected: Vec<&str> = table.lines().filter(|line| !line.starts_with('#')).collect();
    let missing = expected.iter().filter(|line| !lines.iter().any(|found| found == *line));
    let more = lines.iter().filter(|line| !expected.contains(&line.as_str()));
    missing
        .map(|line| format!("missing: {line}"))
        .chain(more.map(|line| format!("not expected: {line}")))
        .collect()
}

fn hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
