//! One disk, and the registers that the driver writes: the features that it accepts, in the right order, and
//! what it does with a disk that is not as it should be.
//!
//! The device sees its features through QEMU, which takes away what it does not know. So the evidence is QEMU's
//! own trace of the register window, which the kernel cannot write to.

use std::path::Path;

use anyhow::Result;
use hostile::device::config::{Config, NEVER, VERSION_1};
use lab::{
    image::noise,
    place::Place,
    qemu::{Disk, Guest, Machine, Transport},
};
use serde::Deserialize;

use super::{
    QEMU_LOG, Stand, TransportName, Verdict, beginning_of, disk_at,
    witness::{self, in_words, recorder},
};
use crate::{
    diagnosis::Finding,
    language::{Text, text},
    recorder::{Manner, Recording},
    registers::{Attempt, FeatureBits, status},
    request::Kind,
};

/// The sectors of the disk.
const SECTORS: u64 = 2048;

const RO: u64 = 1 << 5;
const INDIRECT_DESC: u64 = 1 << 28;
const EVENT_IDX: u64 = 1 << 29;

/// The disk that the driver meets.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Device {
    /// It offers more than anybody implements.
    Plain,
    /// It does not offer EVENT_IDX.
    Few,
    /// It cannot be written.
    ReadOnly,
    /// It does not accept what the driver has accepted.
    Refuses,
    /// It does not offer VERSION_1.
    Unversioned,
}

/// A set-up, and a write.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// The disk.
    device: Device,
    /// The machine's.
    #[serde(default)]
    transport: TransportName,
    /// INDIRECT_DESC is switched off on the kernel's command line.
    #[serde(default)]
    direct: bool,
}

impl Features {
    /// Boots once and judges.
    pub fn judge(
        &self,
        stand: &Stand<'_>,
        place: &Place,
        mut random: fastrand::Rng,
    ) -> Result<Verdict> {
        let transport = Transport::from(self.transport);
        let mut config = Config { capacity: SECTORS, ..Config::honest() };
        let mut properties = "";
        match self.device {
            Device::Plain => {
                config.features |= NEVER;
                properties = ",packed=on,in_order=on";
            }
            Device::Few => config.features &= !EVENT_IDX,
            Device::ReadOnly => config.features |= RO,
            Device::Unversioned => config.features &= !VERSION_1,
            Device::Refuses => {}
        }
        let offered = match transport {
            Transport::Modern | Transport::Pci => config.features,
            Transport::Legacy => config.features & u64::from(u32::MAX),
        };
        let sector = random.u64(1..SECTORS);
        let mut line = format!("job=write sector={sector} hex={:016x}", random.u64(..));
        if self.direct {
            line += " virtio.indirect_desc=off";
        }
        let traced = |machine: Machine| machine.option("-trace", "virtio_mmio_write_offset");
        let recording = if self.device == Device::Refuses {
            let image = place.image("disk", noise(SECTORS as usize, 1))?;
            // A device behind an IOMMU refuses a driver that has not heard of it.
            let disk = Disk::new(&image).property("iommu_platform=on");
            let machine = traced(Machine::new(transport).options(disk.options(0)));
            stand.run(machine.command(&Guest::new(&place.kernel, &line)), place)?;
            Recording::default()
        } else {
            let contents = noise(SECTORS as usize, random.u64(..));
            let device = recorder(Manner::prompt(config), contents);
            let machine = |socket: &Path| traced(disk_at(transport, socket, properties));
            witness::boot(stand, place, device, machine, &line, in_words)?.account
        };
        let text = beginning_of(&place.file(QEMU_LOG))?;
        lab::process::append(&place.log, &format!("\n{text}"))?;
        let Some(attempt) = Attempt::first(&text) else {
            let wanted =
                text!("a driver that resets the device and sets it up", "驱动复位设备并完成初始化");
            let seen = text!("the status register is never written", "状态寄存器从未被写");
            return Ok(Some(Finding::new("never-set-up", wanted, seen)));
        };
        Ok(match self.device {
            Device::Refuses => left_alone(&attempt, "features-ok-not-checked"),
            Device::Unversioned => left_alone(&attempt, "version-1-not-demanded"),
            _ => self
                .accepted(&attempt, transport, offered)
                .or_else(|| self.written(&recording, sector)),
        })
    }

    /// Compares what the driver accepts with what it should.
    fn accepted(&self, attempt: &Attempt, transport: Transport, offered: u64) -> Option<Finding> {
        let implemented = FeatureBits::IMPLEMENTED;
        let declined = FeatureBits(if self.direct { INDIRECT_DESC } else { 0 });
        let due = FeatureBits(offered & implemented.0 & !declined.0);
        let wanted = text!("accepted: {due}", "接受：{due}");
        let finding = |cause, bits: u64, what: [&str; 2]| {
            let bits = (bits != 0).then_some(FeatureBits(bits))?;
            let [en, zh] = what;
            let seen = Text { en: format!("{en}: {bits}"), zh: format!("{zh}：{bits}") };
            Some(Finding::new(cause, wanted.clone(), seen))
        };
        let modern = transport == Transport::Modern;
        let Some(accepted) = attempt.features else {
            let cause = match attempt.has(status::FAILED) {
                true if modern => "good-device-refused",
                true => "legacy-refused",
                false => "features-not-written",
            };
            return Some(Finding::new(
                cause,
                wanted.clone(),
                text!("none are written", "什么也没有写"),
            ));
        };
        let too_much = accepted & !due.0;
        let missing = due.0 & !accepted;
        let ring = INDIRECT_DESC | EVENT_IDX;
        let order = |cause, seen: Text| {
            let wanted = text!(
                "reset, ACKNOWLEDGE, DRIVER, the features, FEATURES_OK, a queue",
                "复位，ACKNOWLEDGE，DRIVER，特性，FEATURES_OK，队列"
            );
            Some(Finding::new(cause, wanted, seen))
        };
        if modern && attempt.features_ok_first {
            let seen = text!(
                "FEATURES_OK is set before the features are written",
                "特性还没有写，就置了 FEATURES_OK"
            );
            return order("features-too-late", seen);
        }
        let unknown = ["accepted and unknown", "接受了不认识的"];
        let refused = ["accepted, and declined on the command line", "命令行上已拒绝，却接受了"];
        let invented = ["accepted and not offered", "接受了设备没有提供的"];
        let not = ["not accepted", "没有接受"];
        finding("feature-not-implemented", too_much & !implemented.0, unknown)
            .or_else(|| finding("option-ignored", too_much & declined.0, refused))
            .or_else(|| finding("feature-not-offered", too_much, invented))
            .or_else(|| finding("version-1-missing", missing & VERSION_1, not))
            .or_else(|| finding("ring-features-missing", missing & ring, not))
            .or_else(|| finding("feature-missing", missing, not))
            .or_else(|| match (modern, attempt.has(status::FEATURES_OK)) {
                (true, false) => {
                    let seen = text!("FEATURES_OK is never set", "从未置 FEATURES_OK");
                    order("features-ok-missing", seen)
                }
                (false, true) => {
                    let seen =
                        text!("FEATURES_OK on a legacy device", "对旧式设备置了 FEATURES_OK");
                    order("features-ok-on-legacy", seen)
                }
                _ => None,
            })
            .or_else(|| {
                if attempt.queue && attempt.has(status::DRIVER_OK) {
                    return None;
                }
                let seen = text!(
                    "the driver gives the device up after the features",
                    "驱动在协商特性之后放弃了设备"
                );
                let wanted = text!("a disk that is driven", "磁盘正常工作");
                Some(Finding::new("good-device-refused", wanted, seen))
            })
    }

    /// Judges by the writes that reached the disk.
    fn written(&self, recording: &Recording, sector: u64) -> Option<Finding> {
        let writes = recording.requests.iter().filter(|request| request.kind == Kind::Out);
        let count = writes.count();
        let seen =
            text!("{count} of type {} reached it", "有 {count} 个类型为 {} 的请求到达", Kind::Out);
        if self.device == Device::ReadOnly {
            let wanted =
                text!("no write to a disk that says that it is read-only", "不写声明为只读的磁盘");
            return (count > 0).then(|| Finding::new("read-only-ignored", wanted, seen));
        }
        let wanted = text!(
            "a write to sector {sector} of a disk that is not read-only",
            "写非只读磁盘的扇区 {sector}"
        );
        (count == 0).then(|| Finding::new("read-only-invented", wanted, seen))
    }
}

/// Makes sure that the driver has given the device up, and has not given it a queue.
fn left_alone(attempt: &Attempt, cause: &'static str) -> Option<Finding> {
    let seen = match () {
        () if attempt.queue => text!("a queue is set up", "建立了队列"),
        () if attempt.has(status::DRIVER_OK) => text!("DRIVER_OK is set", "置了 DRIVER_OK"),
        () if !attempt.has(status::FAILED) => text!("FAILED is not set", "没有置 FAILED"),
        () => return None,
    };
    let wanted = text!("status FAILED, and no queue", "状态为 FAILED，没有队列");
    Some(Finding::new(cause, wanted, seen))
}
