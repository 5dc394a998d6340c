//! The shell, typed to on the serial console of a real machine.

use std::cell::RefCell;

use anyhow::{Result, ensure};
use lab::{
    outcome::Outcome,
    qemu::{Disk, Vm},
};

use super::{Case, files::disk_with_files, lab::Lab};

pub const CASES: &[Case] = &[
    Case::anywhere("shell-keeps-what-was-written", keeps),
    Case::once_anywhere("shell-takes-a-paste-of-10-kib", paste),
    Case::once_anywhere("shell-ctrl-c-stops-a-long-cat", ctrl_c),
    Case::once_anywhere("shell-edits-lines", edits),
    Case::once_anywhere("shell-explains-mistakes", mistakes),
    Case::once_anywhere("shell-tells-about-the-machine", machine),
    Case::once_anywhere("story-ends-with-a-key", key_ends_story),
];

const CTRL_C: &[u8] = b"\x03";

/// A machine whose shell is typed to.
struct Shell {
    vm: Vm,
    /// The commands so far.
    done: usize,
}

impl Shell {
    fn start(lab: &Lab, disk: Disk) -> Result<Self> {
        let vm = lab.machine().disk(disk).cpus(2).start("job=shell")?;
        let mut shell = Self { vm, done: 0 };
        // The firmware forgets what is typed before it has set the serial port up.
        shell.wait_for_line("help lists the commands; poweroff ends")?;
        Ok(shell)
    }

    fn type_in(&mut self, text: &str) -> Result<()> {
        Ok(self.vm.type_in(text.as_bytes())?)
    }

    /// Waits until this is printed as a line of its own.
    fn wait_for_line(&mut self, line: &str) -> Result<()> {
        let what = format!("{line:?} was printed");
        Ok(self.vm.wait_until(&what, |text| text.lines().any(|printed| printed == line))?)
    }

    /// Types a line and waits until it has been done. Returns the lines that it has printed.
    fn perform(&mut self, line: &str) -> Result<Vec<String>> {
        // What is typed is shown behind the prompt; what is printed stands in a line of its own.
        let mark = |number| format!("done {number}");
        let (last, next) = (mark(self.done), mark(self.done + 1));
        let found = RefCell::new(Vec::new());
        self.type_in(&format!("{line}\necho {next}\n"))?;
        self.vm.wait_until(&format!("{line:?} was done"), |text| {
            let lines: Vec<_> = text.lines().collect();
            let start = lines.iter().rposition(|printed| *printed == last).unwrap_or(0);
            let Some(end) = lines.iter().rposition(|printed| *printed == next) else {
                return false;
            };
            let printed = lines.get(start + 1..end).unwrap_or_default().iter();
            let typed = |printed: &&&str| printed.contains(&format!("> {line}"));
            let own = printed.skip_while(|printed| !typed(printed)).skip(1);
            let own = own.filter(|printed| !printed.contains(&format!("> echo {next}")));
            *found.borrow_mut() = own.map(|printed| (*printed).to_owned()).collect();
            true
        })?;
        self.done += 1;
        Ok(found.into_inner())
    }

    /// The same with the lines that it must print.
    fn expect(&mut self, line: &str, printed: &[&str]) -> Result<()> {
        let found = self.perform(line)?;
        if let Some(at) = (0..found.len().max(printed.len()))
            .find(|at| found.get(*at).map(String::as_str) != printed.get(*at).copied())
        {
            let (found, expected) = (found.get(at), printed.get(at));
            anyhow::bail!("line {at} of {line:?} is {found:?} instead of {expected:?}");
        }
        Ok(())
    }

    /// The same with words that must be in what it prints.
    fn expect_words(&mut self, line: &str, words: &[&str]) -> Result<()> {
        let found = self.perform(line)?.join("\n");
        let missing: Vec<_> = words.iter().filter(|word| !found.contains(**word)).collect();
        ensure!(missing.is_empty(), "{line:?} has printed {found:?} without {missing:?}");
        Ok(())
    }

    fn power_off(mut self) -> Result<Outcome> {
        self.type_in("poweroff\n")?;
        let outcome = self.vm.finish()?;
        outcome.expect_ok("shell")?;
        Ok(outcome)
    }
}

/// Every command that changes something, and everything there after the next boot.
fn keeps(lab: &Lab) -> Result<()> {
    let path = disk_with_files(lab)?;
    let mut shell = Shell::start(lab, Disk::file(&path))?;
    for line in [
        "mkdir /work /work/inner",
        "cd work",
        "echo one 'two  words' \u{4f60}\u{597d} > note",
        "echo more >> note",
        "cp note inner",
        "cp /rust/bin/prog copy",
        "mv copy inner/moved",
        "ln note second",
        "ln -s inner/note short",
        "mkdir gone",
        "rmdir gone",
        "echo x > inner/away",
        "rm inner/away",
        "mkdir -p",
        "rm -r -- -p",
    ] {
        shell.expect(line, &[])?;
    }
    shell.expect("pwd", &["/work"])?;
    shell.expect("ls", &["inner/", "note", "second", "short@"])?;
    shell.expect("ls inner", &["moved", "note"])?;
    shell.expect("sync", &[])?;
    shell.power_off()?;

    let mut shell = Shell::start(lab, Disk::file(&path))?;
    shell.expect("cat /work/note", &["one two  words \u{4f60}\u{597d}", "more"])?;
    shell.expect("cd /work", &[])?;
    shell.expect("cat short second > both", &[])?;
    shell.expect(
        "tree",
        &[
            ".",
            "    both",
            "    inner/",
            "        moved",
            "        note",
            "    note",
            "    second",
            "    short -> inner/note",
            "1 folder, 6 files",
        ],
    )?;
    shell.expect_words("stat second", &["links     2", "size      27 bytes"])?;
    shell.expect_words("stat both", &["links     1", "size      54 bytes"])?;
    shell.expect("rm -r /work", &[])?;
    shell.expect("pwd", &["?"])?;
    shell.expect("ls /", &["link@", "readme.txt", "rust/", "temp/"])?;
    shell.power_off()?;
    Ok(())
}

/// Nothing of 10 KiB is lost, whether it is many lines or one.
fn paste(lab: &Lab) -> Result<()> {
    let path = disk_with_files(lab)?;
    let mut shell = Shell::start(lab, Disk::file(&path))?;
    let lines: Vec<_> = (0..300).map(|number| format!("line {number} of the paste")).collect();
    let text: String = lines.iter().map(|line| format!("echo {line} >> pasted\n")).collect();
    ensure!(text.len() > 10 << 10, "the paste has {} bytes", text.len());
    shell.type_in(&text)?;
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    shell.expect("cat pasted", &lines)?;

    let long: String =
        (0..).map(|number| format!("{number} ")).take_while(|_| true).take(2400).collect();
    let long = long.trim_end();
    ensure!(long.len() > 10 << 10, "the line has {} bytes", long.len());
    shell.type_in(&format!("echo '{long}' > long\n"))?;
    shell.expect("cat long", &[long])?;
    shell.expect_words("stat long", &[&format!("size      {} bytes", long.len() + 1)])?;
    shell.power_off()?;
    Ok(())
}

/// A command that prints for long is stopped, and the shell goes on.
fn ctrl_c(lab: &Lab) -> Result<()> {
    let path = disk_with_files(lab)?;
    let mut shell = Shell::start(lab, Disk::file(&path))?;
    shell.expect("echo 0123456789012345678901234567890123456789012345678901234567890 > f", &[])?;
    // Each is 8 times as long as the one before: 2 MB at last.
    for (from, to) in [("f", "g"), ("g", "h"), ("h", "i"), ("i", "j"), ("j", "k")] {
        let all = [from; 8].join(" ");
        shell.expect(&format!("cat {all} > {to}"), &[])?;
    }
    shell.type_in("cat k k k k k k k k\necho typed ahead\n")?;
    shell.wait_for_line("0123456789012345678901234567890123456789012345678901234567890")?;
    shell.vm.type_in(CTRL_C)?;
    shell.wait_for_line("interrupted")?;
    let after = shell.perform("echo goes on")?;
    ensure!(after == ["goes on"], "the shell has printed {after:?}");
    // In an empty line, and in one that has been begun, it is a key like others.
    shell.vm.type_in(CTRL_C)?;
    shell.type_in("rm -r /")?;
    shell.vm.type_in(CTRL_C)?;
    shell.expect("ls /temp", &["empty", "emptydir/", "note.txt"])?;
    let outcome = shell.power_off()?;
    // It was on its way to the shell when Ctrl-C came.
    outcome.expect_no_line_with("typed ahead")?;
    Ok(())
}

fn edits(lab: &Lab) -> Result<()> {
    let path = disk_with_files(lab)?;
    let mut shell = Shell::start(lab, Disk::file(&path))?;
    // Left, left, backspace; home, delete; up, up; Ctrl-U.
    shell.type_in("echo abXc\x1b[D\x7f\r")?;
    shell.wait_for_line("abc")?;
    shell.type_in("Xecho second\x1b[H\x1b[3~\r")?;
    shell.wait_for_line("second")?;
    shell.type_in("\x1b[A\x1b[A again\r")?;
    shell.wait_for_line("abc again")?;
    shell.type_in("rm -r /\x15echo third\r")?;
    shell.wait_for_line("third")?;
    // Bytes that are no text, and sequences that are none.
    // A word behind a blank of three bytes; a line that is too long.
    shell.type_in("echo fifth \u{3000}\u{597d}\x17\x17sixth\r")?;
    shell.wait_for_line("sixth")?;
    shell.type_in(&format!("rm -r /temp {}\r", "x".repeat(17 << 10)))?;
    shell.wait_for_line("a line has at most 16384 bytes; nothing is done")?;
    shell.expect("ls /temp", &["empty", "emptydir/", "note.txt"])?;
    shell.vm.type_in(b"echo \xff\xc3\x1b[R\x1b[;;;999999999999R\x1b]x\r")?;
    shell.expect("echo fourth", &["fourth"])?;
    shell.type_in("\x04")?;
    shell.vm.finish()?.expect_ok("shell")?;
    Ok(())
}

fn mistakes(lab: &Lab) -> Result<()> {
    let path = disk_with_files(lab)?;
    let mut shell = Shell::start(lab, Disk::file(&path))?;
    for (line, words) in [
        ("juggle", &["no command juggle", "help"][..]),
        ("echo 'a", &["quote", "not closed"]),
        ("ls | cat", &["| is not known"]),
        ("cat", &["cat takes PATH..."]),
        ("cp a", &["cp takes FILE PATH"]),
        ("rm -x f", &["rm takes [-r] PATH..."]),
        ("cat none", &["none: there is no entry of this name"]),
        ("rm temp", &["temp: it is a directory", "rm -r"]),
        ("rmdir temp", &["temp: the directory is not empty"]),
        ("mkdir temp", &["temp: an entry of this name exists already"]),
        ("cd readme.txt", &["readme.txt: it is not a directory"]),
        ("echo x > temp", &["temp: it is a directory"]),
        ("cp readme.txt readme.txt", &["one file"]),
        ("mv temp temp/emptydir", &["into itself"]),
        ("ln temp other", &["temp", "directory"]),
        ("rm -r .", &[".: . and .. are not removed"]),
        ("rm -r temp/..", &["temp/..: . and .. are not removed"]),
    ] {
        shell.expect_words(line, words)?;
    }
    shell.expect("ls", &["link@", "readme.txt", "rust/", "temp/"])?;
    // What a file is shown for is not added for ever.
    shell.expect("echo twice > f", &[])?;
    shell.expect("cat f f >> f", &[])?;
    shell.expect("cat f", &["twice"; 4])?;
    shell.power_off()?;

    let mut shell = Shell::start(lab, Disk::file(&path).read_only())?;
    shell.expect_words("mkdir new", &["read-only"])?;
    shell.expect_words("echo x > readme.txt", &["read-only"])?;
    shell.power_off()?;
    Ok(())
}

fn machine(lab: &Lab) -> Result<()> {
    let path = disk_with_files(lab)?;
    let mut shell = Shell::start(lab, Disk::file(&path))?;
    shell.expect_words("ps", &["  shell", "asking  ps", "idle    idle 0", "idle 1", "ticks"])?;
    shell.expect_words("disks", &["disk 0: serial \"lab\""])?;
    shell.expect_words("df", &["KiB unused"])?;
    shell.expect_words("help", &["poweroff", "hexdump", "ln [-s]"])?;
    shell.expect("echo -n Hello > f", &[])?;
    shell.expect("hexdump f", &["00000000  2d 6e 20 48 65 6c 6c 6f 0a  |-n Hello.|"])?;
    shell.power_off()?;
    Ok(())
}

fn key_ends_story(lab: &Lab) -> Result<()> {
    let path = disk_with_files(lab)?;
    let mut vm = lab.machine().disk(Disk::file(&path)).start("job=fs ticks=1000000000")?;
    vm.wait_until("it has counted", |text| text.lines().any(|line| line == "100 tick"))?;
    vm.type_in(b" ")?;
    vm.finish()?.expect_ok("fs")?;
    let mut vm = lab.machine().disk(Disk::file(&path)).start("job=fs ticks=1000000000")?;
    vm.wait_until("it has counted", |text| text.lines().any(|line| line == "100 tick"))?;
    vm.type_in(CTRL_C)?;
    Ok(vm.finish()?.expect_failed_with("fs", &["interrupted"])?)
}
