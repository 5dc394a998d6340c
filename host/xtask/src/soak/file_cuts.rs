//! Power cuts while four threads of the kernel work with files, and then the file system must be in order, and hold
//! everything that was synced.
//!
//! There are two sorts of disk. One is a process of ours beside QEMU, which keeps what is written in a cache: of every
//! sector that was not flushed it has any of the contents that it has had since, whatever the order of the writes.
//! The other is a qcow2 image, as for the power cuts without files.

use std::{fs, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use hostile::{
    device::{Device, cache::Cache, config::Config},
    session::Session,
};
use lab::{
    board::Board,
    image::SECTOR,
    place::Place,
    process,
    qemu::{Guest, Machine, Vm, escaped},
};
use plan::churn::Load;

use super::{LIMIT_SECONDS, cuts::Disk, qcow2};
use crate::churn::{self, Account, Findings};

/// The blocks of the file system: 16 MiB, of which the files need a third at most.
const BLOCKS: u32 = 4096;
/// As many steps as the kernel can count: the cut comes long before.
const ENDLESS: u32 = u32::MAX;

/// A sort of disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Medium {
    /// A process of ours, with a cache.
    Cached,
    /// A qcow2 image of QEMU's.
    Qcow2,
}

/// One cut.
pub struct Cut {
    /// The judgement; the error says what should not be.
    pub verdict: Result<Findings>,
    /// Steps that were safe.
    pub safe: u64,
    /// Sectors that have lost their last write, on the disk that knows.
    pub undone: u64,
}

/// The findings of all cuts together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Power cuts.
    pub cuts: u64,
    /// Steps that were safe.
    pub safe: u64,
    /// Names that were found.
    pub names: u64,
    /// Bytes of files that were compared.
    pub bytes: u64,
    /// Sectors that had lost their last write, on the disks that know.
    pub undone: u64,
    /// Cuts after which not all was as it must be.
    pub bad: u64,
}

impl Totals {
    /// Adds one cut.
    pub fn add(&mut self, cut: &Cut) {
        self.cuts += 1;
        self.safe += cut.safe;
        self.undone += cut.undone;
        match &cut.verdict {
            Ok(findings) => {
                self.names += findings.names;
                self.bytes += findings.bytes;
            }
            Err(_) => self.bad += 1,
        }
    }
}

/// One machine that loses its power. All that can be chosen is drawn from the seed; the exact moment of the cut, and how
/// the threads get on beside each other, depends on the clock.
#[derive(Debug)]
struct Setting {
    load: Load,
    board: Board,
    /// With version 1 of virtio-mmio, on a board that has it.
    legacy: bool,
    cpus: u32,
    /// The unit in which a qcow2 image grows, in bytes.
    cluster: u32,
    /// The cut comes after so many syncs ...
    syncs: usize,
    /// ... and so many microseconds more.
    delay: u64,
}

impl Setting {
    fn draw(board: Board, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut one_of = |choices: [u32; 3]| choices[random.usize(..choices.len())];
        let (keep, sync_every) = (one_of([4, 12, 40]), one_of([4, 15, 60]));
        let (cpus, cluster) = (one_of([1, 2, 4]), one_of([512, 4096, 65536]));
        Self {
            load: Load { seed, threads: 4, keep, sync_every, one_dir: random.u32(0..3) == 0 },
            board,
            legacy: random.bool(),
            cpus,
            cluster,
            syncs: random.usize(0..=40),
            delay: random.u64(0..20_000),
        }
    }

    /// Boots the kernel, waits, and kills QEMU. Returns what was printed.
    fn cut_power(&self, place: &Place, machine: Machine) -> Result<String> {
        let machine = machine.option("-smp", self.cpus.to_string());
        let mut vm = Vm::boot(
            &machine,
            &Guest::new(&place.kernel, &churn::command_line(&self.load, ENDLESS)),
            place.limit(LIMIT_SECONDS),
            &place.log,
            place.file("qmp"),
        )?;
        vm.wait_for_disk()?;
        vm.wait_until("enough was synced", |text| {
            Account::read(&self.load, text).is_ok_and(|account| account.lines >= self.syncs)
        })?;
        thread::sleep(Duration::from_micros(self.delay));
        Ok(vm.cut_power()?)
    }

    /// Returns what was printed, what is on the disk, and the number of sectors that have lost their last write.
    fn on_cached(&self, place: &Place, disk: Disk) -> Result<(String, Vec<u8>, u64)> {
        let socket = place.file("disk.sock");
        let cache = Cache::new(self.load.seed);
        let cache = match disk {
            Disk::Honest => cache,
            Disk::IgnoresFlushes => cache.that_ignores_flushes(),
        };
        let contents = churn::empty_disk(BLOCKS)?;
        let config = Config { capacity: (contents.len() / SECTOR) as u64, ..Config::honest() };
        let device = |memory, wire| Device::volatile(cache, config, contents, memory, wire);
        let session = Session::open(device, &socket, place.folder())?;
        let machine = self
            .board
            .machine(self.legacy)
            .shared_memory()
            .option("-chardev", format!("socket,id=c0,path={}", escaped(&socket)))
            .option("-device", "vhost-user-blk,chardev=c0,num-queues=1");
        let printed = self.cut_power(place, machine);
        // The session ends however QEMU did.
        let (diary, left, _) = session.close();
        process::append(&place.log, &format!("\n{diary:#?}\n"))?;
        let complaint = diary.complaints.first();
        ensure!(complaint.is_none(), "the driver broke the rules: {complaint:?}");
        Ok((printed?, left, diary.undone))
    }

    fn on_qcow2(&self, place: &Place, disk: Disk) -> Result<(String, Vec<u8>, u64)> {
        fs::write(place.file("empty"), churn::bare_disk(BLOCKS)?)?;
        let cluster = format!("cluster_size={}", self.cluster);
        let convert = ["convert", "-f", "raw", "-O", "qcow2", "-o", &cluster, "empty", "disk"];
        place.run("qemu-img", &convert)?.expect_success()?;
        let machine = self.board.machine(self.legacy).options(qcow2::device(place, disk));
        let printed = self.cut_power(place, machine)?;
        Ok((printed, qcow2::content(place)?, 0))
    }
}

/// Boots, cuts the power, and looks at the disk.
///
/// # Errors
///
/// The check could not be made. What it found out is no error here.
pub fn cut(place: &Place, board: Board, seed: u64, medium: Medium, disk: Disk) -> Result<Cut> {
    let setting = Setting::draw(board, seed);
    let context = || format!("{medium:?}, {setting:?}");
    let (printed, left, undone) = match medium {
        Medium::Cached => setting.on_cached(place, disk),
        Medium::Qcow2 => setting.on_qcow2(place, disk),
    }
    .with_context(context)?;
    let account = Account::read(&setting.load, &printed).with_context(context)?;
    let verdict = churn::after_cut(&setting.load, &account, &left).with_context(context);
    Ok(Cut { verdict, safe: account.safe(), undone })
}
