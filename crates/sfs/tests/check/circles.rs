//! Directories that lie below themselves.

use sfs::Fault;

use super::{
    common::{Memory, assert_clean, check, content, mount, names},
    damage::*,
};

/// Lets an entry name another directory, of which it makes a circle.
fn close(memory: &Memory, directory: u32, name: &str, named: u32) {
    memory.put(entry(memory, directory, name), &named.to_le_bytes());
    memory.put(place(directory, LINKS), &3_u16.to_le_bytes());
}

#[test]
fn a_circle_of_directories_is_broken() {
    // The root has d and b; d has e; and e has d once more, as x.
    let memory = with_files(&["d/e/x", "d/file", "b/file"]);
    let [d, e] = ["d", "d/e"].map(|path| number_of(&memory, path));
    close(&memory, e, "x", d);
    // The count allows for a second name, as after a cut.
    memory.put(place(d, LINKS), &4_u16.to_le_bytes());
    let report = check(&memory);
    let circle = |fault: &Fault| matches!(fault, Fault::Circle { reached: true });
    let found: Vec<u32> = report
        .problems
        .iter()
        .filter(|problem| circle(&problem.fault))
        .map(|problem| problem.at)
        .collect();
    assert!([d, e].map(|directory| vec![directory]).contains(&found), "{:#?}", report.problems);
    assert!(report.is_broken());

    // Whichever directory ".." names: what the root reaches stays so.
    let parent = number(&memory, d, DIRECT);
    memory.put(place(parent, ENTRY), &e.to_le_bytes());
    repair(&memory);
    assert_files(&memory, &["d/file", "b/file"]);
    repair(&memory);
    assert_clean(&memory);
    assert_eq!(names(&mount(&memory).root()), ["b", "d"]);
}

#[test]
fn a_circle_of_directories_that_nothing_reaches_is_broken() {
    let memory = with_files(&["file", "q/v/x", "q/v/file"]);
    let [q, v] = ["q", "q/v"].map(|path| number_of(&memory, path));
    // The root loses its last entry, which names q, and v names q.
    assert_eq!(entry(&memory, ROOT, "q") % BLOCK, 3 * ENTRY);
    set_number(&memory, ROOT, SIZE, 3 * ENTRY as u32);
    memory.put(place(ROOT, LINKS), &2_u16.to_le_bytes());
    let only_leaked = check(&memory);
    assert!(!only_leaked.is_broken(), "{:#?}", only_leaked.problems);
    close(&memory, v, "x", q);
    memory.put(place(number(&memory, q, DIRECT), ENTRY), &v.to_le_bytes());
    // As after moves that a cut has confused: ".." of v names the root.
    let data = number(&memory, v, DIRECT);
    for parent in [ROOT, q] {
        memory.put(place(data, ENTRY), &parent.to_le_bytes());
        let damaged = memory.copy();
        let report = check(&damaged);
        let circle = |fault: &Fault| matches!(fault, Fault::Circle { reached: false });
        let found = report.problems.iter().filter(|problem| circle(&problem.fault)).count();
        assert_eq!(found, 1, "{:#?}", report.problems);
        assert!(report.is_broken());
        // It gets a name, and loses nothing.
        for _ in 0..2 {
            repair(&damaged);
        }
        let system = mount(&damaged);
        let found = names(&system.root());
        assert!(found.len() == 2 && found[1].starts_with("lost-"), "{found:?}");
        let below = ["", "v", "q"].map(|name| format!("/{}/{name}/file", found[1]));
        let lost = below.iter().find_map(|path| system.resolve(&system.root(), path).ok());
        assert_eq!(content(&lost.unwrap()), b"q/v/file");
        drop(system);
        repair(&damaged);
        assert_clean(&damaged);
    }
}
