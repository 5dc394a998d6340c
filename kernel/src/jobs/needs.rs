//! The devices that jobs need, and the parameters that choose among several.

use alloc::{
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

use block::{self, BlockDevice};
use input::InputDevice;

use super::Failure;
use crate::{
    cmdline::{CmdlineError, CommandLine},
    fs::{self, FileSystem},
    progress, unusable,
};

/// A device that a job needs.
pub(super) trait Needs: Sized {
    /// The parameters by which people choose, where there are several.
    const PARAMETERS: &'static [&'static str];

    /// Finds the device that `line` names, or the first one where none is named.
    ///
    /// # Errors
    ///
    /// There is none, or none of that name.
    fn find(line: &CommandLine) -> Result<Self, Failure>;
}

/// For jobs that need nothing.
impl Needs for () {
    const PARAMETERS: &'static [&'static str] = &[];

    fn find(_line: &CommandLine) -> Result<Self, Failure> {
        Ok(())
    }
}

/// A disk: the one with the serial number or index of `disk=`, or the first one.
pub(super) type Disk = Arc<dyn BlockDevice>;

impl Needs for Disk {
    const PARAMETERS: &'static [&'static str] = &["disk=SERIAL|INDEX"];

    fn find(line: &CommandLine) -> Result<Self, Failure> {
        disk(line.get("disk"))
    }
}

/// A disk with a file system, which is not mounted yet: that of `disk=`, or the one with the serial number
/// [`FILES`], or the first one that begins like a file system, or the first one.
#[derive(Clone)]
pub(super) struct FilesDisk(Disk);

/// The serial number of the disk that holds files, where none is named.
const FILES: &str = "sfs";

impl Needs for FilesDisk {
    const PARAMETERS: &'static [&'static str] = Disk::PARAMETERS;

    fn find(line: &CommandLine) -> Result<Self, Failure> {
        let disk = match line.get("disk") {
            None => disk(Some(FILES)).or_else(|_| disk_like_files()),
            wanted => disk(wanted),
        }?;
        Ok(Self(disk))
    }
}

impl FilesDisk {
    /// Mounts the file system. It must not be mounted already.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be used.
    pub(super) fn mount(&self) -> Result<FileSystem, Failure> {
        let mounting = progress::begin("mounting");
        let mounted = fs::mount(self.0.clone());
        drop(mounting);
        mounted.map_err(|error| Failure::Mount { serial: self.0.info().serial, error })
    }
}

/// The first disk that begins like a file system, or the first one: for drivers that know no serial numbers yet.
fn disk_like_files() -> Result<Disk, Failure> {
    let begins = |disk: &&Disk| {
        let mut start = [0; sfs::BLOCK_SIZE];
        disk.read_block(0, &mut start).is_ok() && start.starts_with(&sfs::MAGIC.to_le_bytes())
    };
    block::all().iter().find(begins).cloned().map_or_else(|| disk(None), Ok)
}

/// The file system on such a disk.
pub(super) type Files = FileSystem;

impl Needs for Files {
    const PARAMETERS: &'static [&'static str] = FilesDisk::PARAMETERS;

    fn find(line: &CommandLine) -> Result<Self, Failure> {
        FilesDisk::find(line)?.mount()
    }
}

/// A file system, and the disk of `to=`. There is no other choice: what is written to it destroys a file system there.
pub(super) struct FilesAndDisk {
    pub files: Files,
    pub to: Disk,
}

impl Needs for FilesAndDisk {
    const PARAMETERS: &'static [&'static str] = &["disk=SERIAL|INDEX", "to=SERIAL|INDEX"];

    fn find(line: &CommandLine) -> Result<Self, Failure> {
        let to = line
            .get("to")
            .ok_or_else(|| Failure::Other(CmdlineError::missing("to=SERIAL|INDEX").to_string()))?;
        Ok(Self { files: Files::find(line)?, to: disk(Some(to))? })
    }
}

/// Two disks: those of `from=` and `to=`, or the first two.
pub(super) struct Pair {
    pub from: Disk,
    pub to: Disk,
}

impl Needs for Pair {
    const PARAMETERS: &'static [&'static str] = &["from=SERIAL|INDEX", "to=SERIAL|INDEX"];

    fn find(line: &CommandLine) -> Result<Self, Failure> {
        Ok(Self {
            from: disk(line.get("from").or(Some("0")))?,
            to: disk(line.get("to").or(Some("1")))?,
        })
    }
}

/// A screen: that of the output of `output=`, or the first one. Its jobs can hold the machine, so that it can be looked
/// at.
pub(super) type Screen = Arc<dyn display::Screen>;

impl Needs for Screen {
    const PARAMETERS: &'static [&'static str] = &["output=N", "hold=on|off"];

    fn find(line: &CommandLine) -> Result<Self, Failure> {
        let screens = display::all();
        let wanted = line.number("output").map_err(|error| Failure::Other(error.to_string()))?;
        match (screens.get(wanted.unwrap_or(0)), screens.len()) {
            (Some(screen), _) => Ok(screen.clone()),
            (None, 0) => Err(Failure::NoScreen { unusable: unusable::all("GPU") }),
            (None, count) => Err(Failure::NoSuchScreen { wanted: wanted.unwrap_or(0), count }),
        }
    }
}

/// A file system and a screen.
pub(super) struct FilesAndScreen {
    pub files: Files,
    pub screen: Screen,
}

impl Needs for FilesAndScreen {
    const PARAMETERS: &'static [&'static str] = &["disk=SERIAL|INDEX", "output=N", "hold=on|off"];

    fn find(line: &CommandLine) -> Result<Self, Failure> {
        // The screen first: without one, nothing is mounted.
        Ok(Self { screen: Screen::find(line)?, files: Files::find(line)? })
    }
}

/// A disk and a screen.
pub(super) struct DiskAndScreen {
    pub disk: Disk,
    pub screen: Screen,
}

impl Needs for DiskAndScreen {
    const PARAMETERS: &'static [&'static str] = FilesAndScreen::PARAMETERS;

    fn find(line: &CommandLine) -> Result<Self, Failure> {
        Ok(Self { screen: Screen::find(line)?, disk: Disk::find(line)? })
    }
}

/// All that is needed to draw by hand: a screen and input devices, and a disk for the pictures if there is one.
#[derive(Clone)]
pub(super) struct Studio {
    pub screen: Screen,
    pub devices: InputDevices,
    /// The disk, or the reason for which there is none.
    pub disk: Result<FilesDisk, String>,
}

impl Needs for Studio {
    const PARAMETERS: &'static [&'static str] = FilesAndScreen::PARAMETERS;

    fn find(line: &CommandLine) -> Result<Self, Failure> {
        let (screen, devices) = (Screen::find(line)?, InputDevices::find(line)?);
        let disk = match FilesDisk::find(line) {
            // Somebody has named one, and means it.
            Err(failure) if line.get("disk").is_some() => return Err(failure),
            found => found.map_err(|failure| failure.to_string()),
        };
        Ok(Self { screen, devices, disk })
    }
}

/// All input devices, in the order in which they were found: at least one.
pub(super) type InputDevices = Vec<Arc<dyn InputDevice>>;

impl Needs for InputDevices {
    const PARAMETERS: &'static [&'static str] = &[];

    fn find(_line: &CommandLine) -> Result<Self, Failure> {
        let devices = input::all();
        match devices.is_empty() {
            false => Ok(devices),
            true => Err(Failure::NoInputDevice { unusable: unusable::all("input") }),
        }
    }
}

/// The disk with this serial number or index, or the first one where none is wanted.
fn disk(wanted: Option<&str>) -> Result<Disk, Failure> {
    let disks = block::all();
    let found = match wanted {
        None => disks.first(),
        Some(name) => disks
            .iter()
            .find(|disk| disk.info().serial == name)
            .or_else(|| disks.get(name.parse::<usize>().ok()?)),
    };
    match (found, wanted) {
        (Some(disk), _) => Ok(disk.clone()),
        (None, Some(wanted)) if !disks.is_empty() => {
            let serials = disks.iter().map(|disk| disk.info().serial).collect();
            Err(Failure::NoSuchDisk { wanted: wanted.into(), serials })
        }
        (None, _) => Err(Failure::NoDisk { unusable: unusable::all("block") }),
    }
}
