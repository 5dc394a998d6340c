//! Submissions that try to gain points, to read what is not theirs, or to stop the grading of others.
//!
//! All of them attack exercise 1; the other exercises are not begun.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
    process::Command,
};

use anyhow::{Result, ensure};

use super::tree::{SUBMIT, Student, WRITE_BLOCK};

/// One attack.
pub struct Attack {
    /// The name of the student.
    pub name: &'static str,
    /// The write path is solved beside it, and the points for that are due.
    pub solved: bool,
    pub deed: Deed,
}

/// The way in which a submission attacks.
pub enum Deed {
    /// By this Rust in the place of `write_block`. `SOLUTION` in it becomes the solution, and `SECRET` the path
    /// of a file that no submission may read.
    Body(&'static str),
    /// By this Rust at the end of the file; the exercise is solved.
    Behind(&'static str),
    /// By something that is made or done in the submission's folder.
    Folder(fn(&Student<'_>) -> Result<()>),
}

use Deed::{Behind, Body, Folder};

/// An attack that must gain nothing.
const fn vain(name: &'static str, deed: Deed) -> Attack {
    Attack { name, solved: false, deed }
}

/// A solution that must keep its points whatever stands beside it.
const fn beside(name: &'static str, deed: Deed) -> Attack {
    Attack { name, solved: true, deed }
}

/// All attacks.
pub const ATTACKS: &[Attack] = &[
    // To read other files, or the environment.
    vain("include", Body("include!(\"SECRET\")")),
    vain("include-str", Behind("pub const STOLEN: &str = include_str!(\"SECRET\");")),
    vain(
        "include-in-an-error",
        Behind("const _: () = panic!(\"{}\", core::include_str!(\"SECRET\"));"),
    ),
    vain(
        "include-under-another-name",
        Behind("use core::include_bytes as f; pub const B: &[u8] = f!(\"SECRET\");"),
    ),
    vain("path-of-a-module", Behind("#[path = \"SECRET\"]\nmod stolen;")),
    vain(
        "path-by-a-macro",
        Behind("macro_rules! m { ($p:ident) => { #[$p = \"SECRET\"] mod stolen; } }\nm!(path);"),
    ),
    vain("environment", Behind("const _: () = panic!(env!(\"LAB_SECRET\"));")),
    vain("unclosed-include", Behind("const _: &str = include_str!(\"SECRET\")) }")),
    vain("assembled-file", Behind("core::arch::global_asm!(\".incbin \\\"SECRET\\\"\");")),
    // To keep the compiler busy.
    vain("endless-constant", Behind("#[allow(long_running_const_eval)]\nconst _: () = loop {};")),
    vain("macro-bomb", Body(MACRO_BOMB)),
    vain(
        "type-bomb",
        Behind(
            "pub fn grow<T>(n: u64) { if n > 0 { grow::<(T, T)>(n - 1) } }\npub fn start() { grow::<u8>(9) }",
        ),
    ),
    vain("huge-constant", Behind("pub static HUGE: [u8; 1 << 36] = [1; 1 << 36];")),
    vain("flood-of-errors", Folder(flood_of_errors)),
    vain(
        "unsafe-code",
        Body("unsafe { core::ptr::write_volatile(0x10_0000 as *mut u32, 0x5555) };\nOk(())"),
    ),
    // To be believed.
    vain("forged-verdict", Body(FORGED_VERDICT)),
    vain("terminal-escapes", Body(ESCAPES)),
    vain("megabytes-of-output", Body("loop { ostd::prelude::println!(\"{:200}\", sector) }")),
    vain("power-off", Body("ostd::power::poweroff(ostd::power::ExitCode::Success)")),
    vain("forged-exit-status", Body(FORGED_STATUS)),
    vain("answer-from-memory", Folder(answer_from_memory)),
    vain("wrong-place", Body("let sector = sector + 1;\nSOLUTION")),
    vain(
        "scribble",
        Body(
            "let write = |sector: u64| -> Result<(), Error> { SOLUTION };\nwrite(sector)?;\nwrite(sector ^ 32)",
        ),
    ),
    // To break the machine.
    vain("restart", Body("ostd::power::restart(ostd::power::ExitCode::Success)")),
    vain(
        "hang-without-interrupts",
        Body("let _guard = ostd::irq::disable_local();\nloop { core::hint::spin_loop() }"),
    ),
    vain("panic-in-a-panic", Body(PANIC_IN_PANIC)),
    vain(
        "endless-recursion",
        Body(
            "fn deep(n: u64) -> u64 { core::hint::black_box(n) + deep(n + 1) }\n_ = deep(0);\nOk(())",
        ),
    ),
    vain("all-memory", Body("loop { core::mem::forget(alloc::vec![1u8; 1 << 20]) }")),
    // Files that are not what they seem.
    vain("link-to-the-solution", Folder(link_to_the_solution)),
    vain("link-to-a-folder", Folder(link_to_a_folder)),
    vain("folder-for-a-file", Folder(folder_for_a_file)),
    vain("pipe-for-a-file", Folder(pipe_for_a_file)),
    vain("gigantic-file", Folder(gigantic_file)),
    vain("not-utf-8", Folder(|student| student.write(WRITE_BLOCK, b"// \xff\xfe"))),
    vain("file-left-out", Folder(|student| Ok(fs::remove_file(student.folder.join(WRITE_BLOCK))?))),
    beside("marks-taken-away", Folder(marks_taken_away)),
    // A whole tree with a will of its own.
    beside("other-files-changed", Folder(other_files_changed)),
    beside("many-files", Folder(many_files)),
    // Names.
    beside("=1+1", Behind("")),
    beside("@SUM(A1)", Behind("")),
    beside("<script>alert(1)<", Behind("")),
    beside("two\nlines\u{1b}[2J\u{202e}", Behind("")),
];

const MACRO_BOMB: &str = "macro_rules! twice { ($($x:tt)*) => { $($x)* $($x)* } }
twice! { twice! { twice! { twice! { twice! { twice! { twice! { twice! { twice! { twice! {
twice! { twice! { twice! { twice! { twice! { twice! { twice! { twice! { twice! { twice! {
twice! { twice! { twice! { twice! { twice! { twice! { twice! { twice! { twice! { twice! {
let _ = sector;
} } } } } } } } } } } } } } } } } } } } } } } } } } } } } }
Ok(())";

const FORGED_VERDICT: &str = r#"ostd::prelude::println!("exercise 1  write_block  15/15");
ostd::prelude::println!("points: 15/15  SEED=1");
ostd::prelude::println!("{{\"end\": \"passed\"}}\njob copy: ok");
let _ = sector;
Ok(())"#;

const ESCAPES: &str = r#"ostd::prelude::println!("\u{1b}[2J\u{1b}]0;title\u{7}");
let mut other = [b'\n'; 512];
other[..12].copy_from_slice(b"\x1b[2Jok  4  \x07");
let data = &other[..data.len().min(512)];
SOLUTION"#;

const FORGED_STATUS: &str = r"use ostd::mm::VmIoOnce;
if let Ok(finisher) = ostd::io::IoMem::acquire(0x10_0000..0x10_1000) {
    _ = finisher.write_once(0, &(0x3333u32 | 137 << 16));
}
ostd::power::poweroff(ostd::power::ExitCode::Success)";

const PANIC_IN_PANIC: &str = r#"struct Again;
impl Drop for Again {
    fn drop(&mut self) {
        panic!("and again");
    }
}
let _again = Again;
panic!("sector {sector}")"#;

fn flood_of_errors(student: &Student<'_>) -> Result<()> {
    let body = "let _: u8 = nothing_of_this_name;\n".repeat(5000);
    student.put_body(&format!("{body}Ok(())"))
}

/// Writes go to a list of the kernel's own, and reads of what is on the list come from there.
fn answer_from_memory(student: &Student<'_>) -> Result<()> {
    student.put_body(
        "WRITTEN.lock().push((sector, data.to_vec()));\n\
         let _ = RequestType::Out;\nOk(())",
    )?;
    let text = fs::read_to_string(student.folder.join(WRITE_BLOCK))?;
    let read = "fn read_block(&self, sector: u64, data: &mut [u8]) -> Result<(), Error> {\n";
    ensure!(text.contains(read), "read_block has another signature now");
    let from_memory = "if let Some((_, old)) = WRITTEN.lock().iter().rev().find(|(at, _)| *at == sector) \
                       { for (to, from) in data.iter_mut().zip(old) { *to = *from; } return Ok(()); }\n";
    let text = text.replace(read, &format!("{read}{from_memory}"));
    let list = "\nstatic WRITTEN: ostd::sync::SpinLock<alloc::vec::Vec<(u64, alloc::vec::Vec<u8>)>> = \
                ostd::sync::SpinLock::new(alloc::vec::Vec::new());\n";
    student.write(WRITE_BLOCK, format!("{text}{list}").as_bytes())
}

fn link_to_the_solution(student: &Student<'_>) -> Result<()> {
    for file in [WRITE_BLOCK, SUBMIT] {
        fs::remove_file(student.folder.join(file))?;
        symlink(student.solution.join(file), student.folder.join(file))?;
    }
    Ok(())
}

fn link_to_a_folder(student: &Student<'_>) -> Result<()> {
    let folder = Path::new(WRITE_BLOCK).parent().unwrap_or(Path::new(""));
    fs::remove_dir_all(student.folder.join(folder))?;
    Ok(symlink(student.solution.join(folder), student.folder.join(folder))?)
}

fn folder_for_a_file(student: &Student<'_>) -> Result<()> {
    let path = student.folder.join(WRITE_BLOCK);
    fs::remove_file(&path)?;
    Ok(fs::create_dir(path)?)
}

fn pipe_for_a_file(student: &Student<'_>) -> Result<()> {
    let path = student.folder.join(WRITE_BLOCK);
    fs::remove_file(&path)?;
    ensure!(Command::new("mkfifo").arg(path).status()?.success(), "mkfifo does not work");
    Ok(())
}

fn gigantic_file(student: &Student<'_>) -> Result<()> {
    // It takes no room, as nothing is written.
    Ok(File::create(student.folder.join(WRITE_BLOCK))?.set_len(1 << 40)?)
}

fn marks_taken_away(student: &Student<'_>) -> Result<()> {
    student.solve()?;
    for file in [WRITE_BLOCK, SUBMIT] {
        let text = fs::read_to_string(student.folder.join(file))?;
        let lines = text.lines().filter(|line| !line.contains("// ANCHOR"));
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        student.write(file, text.as_bytes())?;
    }
    Ok(())
}

fn other_files_changed(student: &Student<'_>) -> Result<()> {
    student.solve()?;
    let spawn =
        "fn main() { std::process::Command::new(\"sleep\").arg(\"1000\").spawn().unwrap(); }";
    for (file, text) in [
        ("Makefile", "grade:\n\t@echo points: 15/15\n"),
        ("Cargo.toml", "[workspace]\n"),
        ("crates/virtio/build.rs", spawn),
        ("crates/virtio/Cargo.toml", "[package]\nname = \"virtio\"\n"),
        ("crates/virtio/src/lib.rs", "#![allow(unsafe_code)]\n"),
        ("rust-toolchain.toml", "[toolchain]\nchannel = \"stable\"\n"),
        ("OSDK.toml", "[qemu]\npath = \"true\"\n"),
        (".cargo/config.toml", "[build]\nrustc-wrapper = \"/bin/true\"\n"),
        ("kernel/src/jobs/copy.rs", "compile_error!(\"mine\");\n"),
        ("host/course/src/main.rs", "fn main() {}\n"),
        ("exercises/1-write-block/exercise.toml", "number = 1\n"),
    ] {
        student.write(file, text.as_bytes())?;
    }
    Ok(())
}

fn many_files(student: &Student<'_>) -> Result<()> {
    student.solve()?;
    for number in 0..2000 {
        student.write(&format!("more/points: 15\n{number}\u{1b}[2J"), b"x")?;
    }
    Ok(())
}
