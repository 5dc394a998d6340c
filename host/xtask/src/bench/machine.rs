//! The virtual machine, the same for whatever runs in it.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use lab::{
    board::Board,
    process,
    qemu::{self, Gpu, Guest, Stack, escaped},
    workspace::Workspace,
};

use super::{images::Images, load::Medium, version};

/// The bytes of every disk here.
pub const DISK_BYTES: u64 = 512 << 20;

/// The memory of the machine in MiB, where the board needs no more.
const MEMORY_MIB: u32 = 512;

/// The disks and QEMU's arguments for them.
pub struct Machine {
    board: Board,
    file: PathBuf,
    aio: &'static str,
    /// True if `qemu-img` is there to tell the host's limit.
    pub has_qemu_img: bool,
    /// True if the file system lets the raw file be used past the page cache.
    has_direct_io: bool,
    /// The disks with files, or the reason why files are left out.
    pub images: Result<Images>,
    /// Everything that QEMU and the guests print.
    pub log: PathBuf,
    patience: u32,
}

impl Machine {
    /// Makes the disk file where it is missing, and finds the best way of asynchronous I/O that
    /// QEMU has for it. Below the target folder all of it. Says what cannot be measured here.
    pub fn prepare(workspace: &Workspace, board: Board) -> Result<Self> {
        let log = workspace.log("bench", &board.name("bench"));
        process::new_log(&log)?;
        let file = workspace.target.join("bench/disk.raw");
        make_file(&file)?;
        let has_qemu_img = version("qemu-img").is_ok();
        let patience = workspace.patience;
        let images = Images::prepare(workspace, &workspace.target.join("bench"), DISK_BYTES, &log);
        if let Err(reason) = &images {
            eprintln!("bench: files are left out: {reason:#}");
        }
        let mut machine = Self {
            board,
            file,
            aio: "threads",
            has_qemu_img,
            has_direct_io: true,
            images,
            log,
            patience,
        };
        if has_qemu_img {
            machine.find_aio();
        } else {
            eprintln!(
                "bench: the host's own limit is left out: there is no qemu-img (Debian, Ubuntu: \
                 package qemu-utils)"
            );
        }
        Ok(machine)
    }

    /// Takes the faster way of asynchronous I/O if QEMU has it.
    fn find_aio(&mut self) {
        for aio in ["native", "threads"] {
            self.aio = aio;
            match self.probe() {
                Ok(()) => return,
                Err(error) if aio == "threads" => {
                    eprintln!("bench: the raw file is left out, direct I/O fails: {error:#}");
                    self.has_direct_io = false;
                }
                Err(_) => {}
            }
        }
    }

    /// The disks that work here.
    pub fn media(&self) -> &'static [Medium] {
        if self.has_direct_io { &[Medium::Null, Medium::File] } else { &[Medium::Null] }
    }

    /// Returns true if files can be measured.
    pub fn has_files(&self) -> bool {
        self.has_direct_io && self.images.is_ok()
    }

    /// Fails if QEMU cannot use the file in this way.
    fn probe(&self) -> Result<()> {
        let mut bench = Command::new("qemu-img");
        bench.args(["bench", "-c", "16", "-d", "4"]).args(self.image(Medium::File));
        Ok(process::run(bench, self.limit(30), &self.log)?.expect_success()?)
    }

    /// A time limit, stretched as the user asked.
    pub fn limit(&self, seconds: u64) -> Duration {
        Duration::from_secs(seconds) * self.patience
    }

    /// QEMU with a disk or a screen, the same for all guests; but of the disks with files Linux has its own.
    pub fn qemu(&self, medium: Medium) -> qemu::Machine {
        match (medium, &self.images) {
            (Medium::Null | Medium::Slow, _) => self.with_disk(Stack::bottom(&null(medium))),
            (Medium::Screen, _) => self.with(Gpu::new(1024, 768).options()),
            (Medium::Files, Ok(images)) => self.with_file(&images.sfs),
            (Medium::File | Medium::Files, _) => self.with_file(&self.file),
        }
    }

    /// QEMU with a raw file as its disk.
    pub fn with_file(&self, file: &Path) -> qemu::Machine {
        let (file, aio) = (escaped(file), self.aio);
        let file = format!("driver=file,filename={file},cache.direct=on,aio={aio}");
        self.with_disk(Stack::bottom(&file).under("driver=raw,cache.direct=on"))
    }

    fn with_disk(&self, disk: Stack) -> qemu::Machine {
        self.with(disk.device(""))
    }

    fn with(&self, device: Vec<String>) -> qemu::Machine {
        self.board
            .machine(false)
            .memory_mib(MEMORY_MIB.max(self.board.arch().memory_mib()))
            .option("-smp", "1")
            .options(device)
    }

    /// Runs `guest` to its end; returns what it printed.
    pub fn boot(&self, guest: &Guest<'_>, qemu: &qemu::Machine, seconds: u64) -> Result<String> {
        // Booting Linux takes a few seconds, on a busy machine half a minute.
        let limit = self.limit(90 + seconds);
        let outcome = qemu.run(guest, limit, &self.log)?;
        outcome.expect_success()?;
        Ok(outcome.console().to_owned())
    }

    /// The arguments with which `qemu-img` opens a disk.
    pub fn image(&self, medium: Medium) -> Vec<String> {
        match medium {
            Medium::Null | Medium::Slow => vec!["--image-opts".to_owned(), null(medium)],
            Medium::File | Medium::Files => {
                let file = self.file.to_string_lossy().into_owned();
                ["-f", "raw", "-t", "none", "-i", self.aio, &file].map(str::to_owned).into()
            }
            // It is no disk.
            Medium::Screen => Vec::new(),
        }
    }
}

/// QEMU's null device, of which no data comes.
fn null(medium: Medium) -> String {
    let latency = if medium == Medium::Slow { ",latency-ns=200000" } else { "" };
    format!("driver=null-co,size={DISK_BYTES}{latency}")
}

/// Fills the disk file, unless it is there: reading a hole would not reach the host's disk.
fn make_file(path: &Path) -> Result<()> {
    if path.metadata().is_ok_and(|metadata| metadata.len() == DISK_BYTES) {
        return Ok(());
    }
    eprintln!("bench: writing the disk file, {} MiB", DISK_BYTES >> 20);
    let write = || -> std::io::Result<()> {
        // It gets its name when it is complete.
        let part = path.with_extension("part");
        let mut file = File::create(&part)?;
        let mut random = fastrand::Rng::with_seed(1);
        let mut block = vec![0; 1 << 20];
        for _ in 0..DISK_BYTES >> 20 {
            random.fill(&mut block);
            file.write_all(&block)?;
        }
        file.sync_all()?;
        std::fs::rename(part, path)
    };
    write().with_context(|| {
        format!("cannot write {} ({} MiB are needed there)", path.display(), DISK_BYTES >> 20)
    })
}
