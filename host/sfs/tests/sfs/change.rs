//! Looking into an image and changing it.

use std::os::unix::fs::symlink;

use crate::work::Work;

/// A small image.
fn image() -> Work {
    let work = Work::new();
    work.write("in/temp/note.txt", "old");
    work.write("in/rust", "r");
    symlink("temp/note.txt", work.path("in/link")).unwrap();
    work.good("pack in x.img --size 1M");
    work
}

#[test]
fn what_is_put_is_read() {
    let work = image();
    let large: Vec<u8> = (0..100_000_u32).map(|i| (i % 253) as u8).collect();
    work.write("large.bin", &large);
    work.write("note.txt", "new");
    // Under a name, into a folder, in the place of a file.
    work.good("put x.img large.bin /temp/other");
    work.good("put x.img large.bin /");
    work.good("put x.img note.txt temp");
    assert_eq!(work.run(["cat", "x.img", "/temp/other"]).out, large);
    assert_eq!(work.run(["cat", "x.img", "/large.bin"]).out, large);
    assert_eq!(work.good("cat x.img /link"), "new");
    work.good("check x.img");
    // What was replaced takes up no room: this fits only once.
    for _ in 0..5 {
        work.write("half", vec![1; 300_000]);
        work.good("put x.img half half");
    }
    work.good("check x.img");
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let work = image();
    let before = work.good("tree x.img");
    work.write("note.txt", vec![0; 2 << 20]);
    let error = work.bad("put x.img note.txt temp/note.txt");
    assert!(error.contains("it does not fit: 514 blocks are needed"), "{error}");
    assert_eq!(work.good("tree x.img"), before);
    assert_eq!(work.good("cat x.img temp/note.txt"), "old");
    // One block less than for inode and contents with the folder's new name.
    for size in (0..1 << 20).step_by(4096).rev() {
        work.write("note.txt", vec![0; size]);
        let ended = work.run(["put", "x.img", "note.txt", "temp/note.txt"]);
        let check = work.good("check x.img");
        assert!(check.contains("nothing is wrong"), "{check}");
        if ended.good {
            assert_eq!(work.run(["cat", "x.img", "temp/note.txt"]).out.len(), size);
            return;
        }
        assert_eq!(work.good("cat x.img temp/note.txt"), "old", "{}", ended.errors);
    }
    panic!("nothing was small enough");
}

#[test]
fn folders_are_made_and_removed() {
    let work = image();
    work.good("mkdir x.img /temp/sub");
    assert!(work.bad("mkdir x.img /temp/sub").contains("exists already"));
    assert!(work.bad("mkdir x.img /none/sub").contains("there is no entry"));
    work.good("put x.img in/rust /temp/sub");
    assert!(work.bad("rm x.img /temp/sub").contains("not empty"));
    work.good("rm x.img temp/sub/rust");
    work.good("rm x.img temp/sub");
    // The link, not what it leads to.
    work.good("rm x.img link");
    assert!(work.bad("rm x.img link").contains("there is no entry"));
    assert_eq!(work.good("cat x.img temp/note.txt"), "old");
    assert!(work.good("check x.img").contains("1 folder, 2 files, 0 others, in "));
}

#[test]
fn what_is_in_an_image_is_shown() {
    let work = image();
    assert_eq!(
        work.good("ls x.img"),
        "symlink        1         13 link -> temp/note.txt\n\
         file           1          1 rust\n\
         folder         2        780 temp\n"
    );
    assert_eq!(work.good("ls x.img temp"), "file           1          3 note.txt\n");
    assert_eq!(work.good("ls x.img /rust"), "file           1          1 /rust\n");
    assert_eq!(
        work.good("tree x.img"),
        "/\n├── link -> temp/note.txt\n├── rust\n└── temp/\n    └── note.txt\n\
         1 folder, 2 files (4 B), 1 symlink\n"
    );
    assert!(work.bad("cat x.img temp").contains("temp"));
    assert!(work.bad("ls x.img none").contains("none in the image: there is no entry"));
}
