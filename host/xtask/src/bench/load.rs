//! The loads, and the systems that are put under them.

use std::fmt;

/// Kinds of access.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Mode {
    /// Reading at random places.
    RandomRead,
    /// Writing at random places.
    RandomWrite,
    /// Reading from the start to the end, over and over.
    Read,
    /// Reading a file from its start to its end.
    FileRead,
    /// Reading the blocks of a file, each once, in random order.
    FileRandomRead,
    /// Making files, each durable before the next one.
    FileCreate,
    /// Listing a directory.
    FileList,
    /// Changing every pixel of a screen.
    ScreenFull,
    /// Changing a row of characters on it.
    ScreenLine,
    /// Changing 16 x 16 pixels.
    ScreenRect,
    /// Copying all pixels, of which nothing is shown.
    ScreenCopy,
}

impl Mode {
    /// The name that fio and the kernel's bench job both know it by; that of the job fsbench for files, of the job frames
    /// for screens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RandomRead | Self::FileRandomRead => "randread",
            Self::RandomWrite => "randwrite",
            Self::Read => "read",
            Self::FileRead => "seqread",
            Self::FileCreate => "create",
            Self::FileList => "readdir",
            Self::ScreenFull => "full",
            Self::ScreenLine => "line",
            Self::ScreenRect => "rect",
            Self::ScreenCopy => "copy",
        }
    }

    /// Returns true if it writes.
    pub const fn writes(self) -> bool {
        matches!(self, Self::RandomWrite | Self::FileCreate)
    }

    /// Returns true if it is about files, not about a disk.
    pub const fn is_of_files(self) -> bool {
        matches!(self, Self::FileRead | Self::FileRandomRead | Self::FileCreate | Self::FileList)
    }

    /// Returns true if it is about a screen.
    pub const fn is_of_screen(self) -> bool {
        matches!(self, Self::ScreenFull | Self::ScreenLine | Self::ScreenRect | Self::ScreenCopy)
    }
}

/// The medium behind the disk, or what there is instead of one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Medium {
    /// QEMU's null device: every request succeeds at once, no data moves.
    Null,
    /// The same, but each request takes 200 microseconds: long enough for a guest to fall asleep.
    Slow,
    /// A raw file, past the host's page cache.
    File,
    /// The same with a file system: the Simple File System, or ext4 for Linux.
    Files,
    /// No disk: a screen of 1024 x 768 pixels.
    Screen,
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Null => "null-co",
            Self::Slow => "slow null-co",
            Self::File => "raw file",
            Self::Files => "files",
            Self::Screen => "screen",
        })
    }
}

/// One load.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Load {
    /// The disk it is put on.
    pub medium: Medium,
    /// The kind of access.
    pub mode: Mode,
    /// Bytes of a request.
    pub block: u32,
    /// Requests in flight; the number of threads where it is about files.
    pub depth: u32,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { medium, mode, block, depth } = self;
        if mode.is_of_screen() {
            return f.pad(&format!("{medium}, {}", mode.name()));
        }
        let size = match block {
            0 => String::new(),
            _ if block % KIB == 0 => format!(" {} KiB", block / KIB),
            _ => format!(" {block} bytes"),
        };
        let many = match (mode.is_of_files(), depth) {
            (false, _) => format!("depth {depth}"),
            (true, 1) => "1 thread".to_owned(),
            (true, _) => format!("{depth} threads"),
        };
        f.pad(&format!("{medium}, {}{size}, {many}", mode.name()))
    }
}

/// The way in which the kernel under test learns of completions.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Complete {
    /// As the kernel does by itself: by looking for about as long as the last waits took, then by interrupt.
    Adaptive,
    /// By interrupt.
    Irq,
    /// By polling.
    Poll,
    /// By polling for a while, then by interrupt.
    Hybrid,
    /// In the calls that wait, one after the other, which wait adaptively.
    Blocking,
}

impl Complete {
    /// The parameter of the bench job.
    pub fn parameter(self) -> String {
        match self {
            Self::Blocking => "api=blocking".to_owned(),
            other => format!("complete={}", other.name()),
        }
    }

    /// The name in tables; the value of the parameter `complete`, where that has one for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Irq => "irq",
            Self::Poll => "poll",
            Self::Hybrid => "hybrid",
            Self::Blocking => "blocking",
        }
    }
}

/// A system that is put under a load.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Subject {
    /// The kernel of this repository.
    Ours(Complete),
    /// The crate virtio-drivers on the same OSTD (`host/peer`).
    Peer(Complete),
    /// Linux with fio.
    Linux,
    /// `qemu-img bench`: the same disk without any guest.
    Host,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(complete) => f.pad(&format!("this kernel ({})", complete.name())),
            Self::Peer(complete) => f.pad(&format!("virtio-drivers ({})", complete.name())),
            Self::Linux => f.pad("Linux"),
            Self::Host => f.pad("host, no guest"),
        }
    }
}

/// The queue depths of the plot.
pub const DEPTHS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];

/// The queue depths at which the peer is measured, on the null disk.
pub const PEER_DEPTHS: [u32; 3] = [1, 16, 32];

const KIB: u32 = 1 << 10;

/// 4 KiB random reads.
pub const fn random_read(medium: Medium, depth: u32) -> Load {
    Load { medium, mode: Mode::RandomRead, block: 4 * KIB, depth }
}

/// Random reads of one sector, one at a time.
pub const fn small_read(medium: Medium) -> Load {
    Load { medium, mode: Mode::RandomRead, block: 512, depth: 1 }
}

/// 4 KiB random writes.
pub const fn random_write(medium: Medium, depth: u32) -> Load {
    Load { medium, mode: Mode::RandomWrite, block: 4 * KIB, depth }
}

/// 128 KiB sequential reads.
pub const fn sequential_read(medium: Medium, depth: u32) -> Load {
    Load { medium, mode: Mode::Read, block: 128 * KIB, depth }
}

/// The loads of the table, on one disk.
pub const fn table(medium: Medium) -> [Load; 4] {
    [
        random_read(medium, 1),
        random_read(medium, 32),
        random_write(medium, 32),
        sequential_read(medium, 8),
    ]
}

/// A file is read from its start to its end.
pub const fn file_read() -> Load {
    Load { medium: Medium::Files, mode: Mode::FileRead, block: 128 * KIB, depth: 1 }
}

/// The blocks of a file are read by several threads.
pub const fn file_random_read() -> Load {
    Load { medium: Medium::Files, mode: Mode::FileRandomRead, block: 4 * KIB, depth: 8 }
}

/// Files of one block are made.
pub const fn file_create() -> Load {
    Load { medium: Medium::Files, mode: Mode::FileCreate, block: 4 * KIB, depth: 1 }
}

/// A directory is listed.
pub const fn file_list() -> Load {
    Load { medium: Medium::Files, mode: Mode::FileList, block: 0, depth: 1 }
}

/// The loads on files that are timed, each with the load on the bare disk below to compare it with.
pub const FILES: [(Load, Option<Load>); 3] = [
    (file_read(), Some(sequential_read(Medium::Files, 8))),
    (file_random_read(), Some(random_read(Medium::Files, 8))),
    (file_create(), None),
];

/// The runs on files of a round; `linux` says if Linux is there.
pub fn plan_of_files(linux: bool, filter: Option<&str>) -> Vec<(Load, Subject)> {
    let mut runs = Vec::new();
    for (load, disk) in FILES {
        runs.extend(disk.map(|disk| (disk, FILES_SUBJECT)));
        runs.push((load, FILES_SUBJECT));
        runs.extend(linux.then_some((load, Subject::Linux)));
    }
    runs.retain(|(load, _)| filter.is_none_or(|filter| load.to_string().contains(filter)));
    runs
}

/// What is changed on a screen.
pub const fn screen(mode: Mode) -> Load {
    Load { medium: Medium::Screen, mode, block: 0, depth: 1 }
}

/// The changes of a screen that are timed.
pub const SCREEN: [Load; 4] = [
    screen(Mode::ScreenFull),
    screen(Mode::ScreenCopy),
    screen(Mode::ScreenLine),
    screen(Mode::ScreenRect),
];

/// The runs on the screen of a round; `linux` says if Linux is there, which is asked for the first and the last.
pub fn plan_of_screen(linux: bool, filter: Option<&str>) -> Vec<(Load, Subject)> {
    let mut runs = Vec::new();
    for load in SCREEN {
        let compared = linux && matches!(load.mode, Mode::ScreenFull | Mode::ScreenRect);
        runs.push((load, FILES_SUBJECT));
        runs.extend(compared.then_some((load, Subject::Linux)));
    }
    runs.retain(|(load, _)| filter.is_none_or(|filter| load.to_string().contains(filter)));
    runs
}

/// The kernel under test, where it is about files or a screen: it waits as it does by itself.
pub const FILES_SUBJECT: Subject = Subject::Ours(Complete::Adaptive);

/// One run after the other for a round: the subjects alternate load by load, so that a slow minute
/// of the host hits all of them. `others` are measured besides the kernel under test.
pub fn plan(media: &[Medium], others: &[Subject], filter: Option<&str>) -> Vec<(Load, Subject)> {
    let mut loads: Vec<Load> = media.iter().flat_map(|medium| table(*medium)).collect();
    for load in DEPTHS.map(|depth| random_read(Medium::Null, depth)) {
        if !loads.contains(&load) {
            loads.push(load);
        }
    }
    loads.retain(|load| filter.is_none_or(|filter| load.to_string().contains(filter)));
    let mut runs = Vec::new();
    for load in loads {
        let plotted = load == random_read(Medium::Null, load.depth);
        runs.push((load, Subject::Ours(Complete::Adaptive)));
        runs.push((load, Subject::Ours(Complete::Irq)));
        if load.depth == 1 {
            runs.push((load, Subject::Ours(Complete::Poll)));
        }
        if load.depth == 1 || plotted {
            runs.push((load, Subject::Ours(Complete::Hybrid)));
        }
        let peers = plotted && PEER_DEPTHS.contains(&load.depth);
        let others = others.iter().filter(|other| peers || !matches!(other, Subject::Peer(_)));
        runs.extend(others.map(|other| (load, *other)));
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_has_every_load_once_and_alternates() {
        let peer = Subject::Peer(Complete::Irq);
        let others = [peer, Subject::Linux, Subject::Host];
        let runs = plan(&[Medium::Null, Medium::File], &others, None);
        let unique: std::collections::BTreeSet<_> = runs.iter().collect();
        assert_eq!(unique.len(), runs.len());
        assert_eq!(runs.iter().filter(|run| run.1 == Subject::Linux).count(), 4 + 4 + 5);
        let peers = runs.iter().filter(|run| run.1 == peer).map(|run| run.0);
        assert!(peers.eq([1, 32, 16].map(|depth| random_read(Medium::Null, depth))));
        assert!(
            DEPTHS.iter().all(|depth| {
                runs.contains(&(random_read(Medium::Null, *depth), Subject::Host))
            })
        );
    }

    #[test]
    fn files_are_measured_beside_the_disk_below_and_linux() {
        let runs = plan_of_files(true, None);
        assert_eq!(runs.len(), 2 + 3 + 3);
        let names: Vec<_> = FILES.iter().map(|(load, _)| load.to_string()).collect();
        assert_eq!(
            names,
            [
                "files, seqread 128 KiB, 1 thread",
                "files, randread 4 KiB, 8 threads",
                "files, create 4 KiB, 1 thread"
            ]
        );
        assert_eq!(file_list().to_string(), "files, readdir, 1 thread");
        assert_eq!(plan_of_files(false, Some("create")), [(file_create(), FILES_SUBJECT)]);
    }

    #[test]
    fn the_screen_is_measured_beside_linux() {
        let runs = plan_of_screen(true, None);
        let of_linux = runs.iter().filter(|run| run.1 == Subject::Linux);
        let names: Vec<_> = of_linux.map(|(load, _)| load.to_string()).collect();
        assert_eq!(
            (runs.len(), &names[..]),
            (6, &["screen, full".into(), "screen, rect".into()][..])
        );
        let line = [(screen(Mode::ScreenLine), FILES_SUBJECT)];
        assert_eq!(plan_of_screen(true, Some("screen, line")), line);
        assert!(!plan_of_screen(false, None).iter().any(|run| run.1 == Subject::Linux));
    }

    #[test]
    fn a_filter_keeps_what_it_names() {
        let runs = plan(&[Medium::Null], &[Subject::Host], Some("depth 32"));
        assert_eq!(runs.len(), 3 + 4);
        assert_eq!(runs[0].0.to_string(), "null-co, randread 4 KiB, depth 32");
    }
}
