//! The words on something that cannot work.

use std::{fs::File, io::Read, process::Stdio};

use rustix::fs::FlockOperation;

use crate::work::Work;

#[test]
fn what_is_no_image_is_told() {
    let work = Work::new();
    let cases: [(&[u8], &str); 4] = [
        (b"Hello World from Image!", "it may be the image of something else"),
        (b"\x1f\x8b\x08\0", "gunzip"),
        (b"QFI\xfb\0\0\0\x03", "qemu-img convert"),
        (b"", "was it ever packed"),
    ];
    for (data, expected) in cases {
        let mut data = data.to_vec();
        work.write("x.img", &data);
        let error = work.bad("ls x.img");
        assert!(error.contains("x.img is no image: it has") && error.contains(expected), "{error}");
        data.resize(8192, 0);
        work.write("x.img", &data);
        for command in ["ls", "check", "mkdir", "repair"] {
            let path = if command == "mkdir" { " a" } else { "" };
            let error = work.bad(&format!("{command} x.img{path}"));
            assert!(error.starts_with("sfs: ") && error.contains(expected), "{command}: {error}");
        }
        assert_eq!(work.read("x.img"), data);
    }
    work.write("x.img", "Hello World from Image!".repeat(200));
    let error = work.bad("ls x.img");
    assert!(error.contains("starts with 0x6c6c6548, not with 0x2f8dbe2b"), "{error}");
}

#[test]
fn what_is_not_there_is_named() {
    let work = Work::new();
    work.write("in/file", "x");
    assert!(work.bad("ls x.img").contains("cannot open the image x.img: No such file"));
    assert!(work.bad("ls in").contains("in is a folder and no image"));
    assert!(work.bad("pack none x.img").contains("none"));
    assert!(work.bad("pack in/file x.img").contains("is no folder"));
    assert!(work.bad("pack in x.img --size 10000").contains("12288 would be one"));
    assert!(work.bad("pack in x.img --size 1Q").contains("such as 64M"));
    assert!(work.bad("pack in x.img --size 17T").contains("an image has less than"));
    work.good("pack in x.img --size 1M");
    assert!(work.bad("unpack x.img in").contains("is not empty"));
    assert!(work.bad("put x.img none a").contains("cannot read none"));
    assert!(work.bad("put x.img in a").contains("in is no file"));
    assert_eq!(work.names(), ["in", "x.img"]);
}

#[test]
fn an_image_in_use_is_left_alone() {
    let work = Work::new();
    work.write("in/file", "x");
    work.good("pack in x.img --size 1M");
    let user = File::open(work.path("x.img")).unwrap();
    // What QEMU holds on a disk that it writes to.
    rustix::fs::fcntl_lock(&user, FlockOperation::LockShared).unwrap();
    for line in
        ["put x.img in/file a", "mkdir x.img a", "rm x.img file", "repair x.img", "pack in x.img"]
    {
        assert!(work.bad(line).contains("x.img is in use"), "{line}");
    }
    work.good("ls x.img");
    drop(user);
    work.good("mkdir x.img a");
}

#[test]
fn nothing_is_left_of_a_pack_that_is_ended() {
    let work = Work::new();
    work.write("in/large", vec![0; 40 << 20]);
    let mut child = work.command(["pack", "in", "x.img"]).spawn().unwrap();
    while !work.names().iter().any(|name| name.starts_with(".sfs-"))
        && child.try_wait().unwrap().is_none()
    {}
    let id = rustix::process::Pid::from_child(&child);
    // It fails where the program has ended before, which is not to be had otherwise on a slow machine.
    let _ = rustix::process::kill_process(id, rustix::process::Signal::INT);
    match child.wait().unwrap().code() {
        Some(0) => assert_eq!(work.names(), ["in", "x.img"]),
        code => {
            assert_eq!(code, Some(130));
            assert_eq!(work.names(), ["in"]);
        }
    }
}

#[test]
fn a_reader_may_have_had_enough() {
    let work = Work::new();
    work.write("in/large", vec![7; 4 << 20]);
    work.good("pack in x.img");
    let mut child = work
        .command(["cat", "x.img", "large"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
