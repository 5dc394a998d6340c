//! The negotiated features, and the disk with and without each.

use anyhow::{Result, ensure};
use lab::{
    image::noise,
    qemu::{Disk, Transport},
    replay::Workload,
};

use super::{Case, check_verify, lab::Lab};

pub const CASES: &[Case] = &[
    Case::both("features-event-idx-and-indirect", offered::<true, true>),
    Case::both("features-event-idx-only", offered::<true, false>),
    Case::both("features-indirect-only", offered::<false, true>),
    Case::both("features-neither", offered::<false, false>),
    Case::both("features-declined-event-idx", declined::<false, true>),
    Case::both("features-declined-indirect", declined::<true, false>),
    Case::both("features-declined-both", declined::<false, false>),
    Case::once("features-not-understood", not_understood),
];

const WORKLOAD: Workload = Workload { seed: 11, count: 600, depth: 16, span: 1024, max: 16 };

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// The device offers them or does not.
fn offered<const EVENT_IDX: bool, const INDIRECT: bool>(lab: &Lab) -> Result<()> {
    let properties = format!("event_idx={},indirect_desc={}", on_off(EVENT_IDX), on_off(INDIRECT));
    run(lab, &properties, "", EVENT_IDX, INDIRECT).map(|_| ())
}

/// The device offers both, the driver is told to decline.
fn declined<const EVENT_IDX: bool, const INDIRECT: bool>(lab: &Lab) -> Result<()> {
    let options =
        format!("virtio.event_idx={} virtio.indirect_desc={}", on_off(EVENT_IDX), on_off(INDIRECT));
    run(lab, "event_idx=on", &options, EVENT_IDX, INDIRECT).map(|_| ())
}

/// A packed ring is offered too; a driver that does not know it must not accept it.
fn not_understood(lab: &Lab) -> Result<()> {
    let features = run(lab, "packed=on", "", true, true)?;
    ensure!(
        !features.iter().any(|feature| feature == "RING_PACKED"),
        "RING_PACKED is among the features: {features:?}"
    );
    Ok(())
}

fn run(
    lab: &Lab,
    properties: &str,
    options: &str,
    event_idx: bool,
    indirect: bool,
) -> Result<Vec<String>> {
    let image = lab.image("disk", noise(1024, 11))?;
    let machine = lab.machine().disk(Disk::new(&image).property(properties));
    let outcome = machine.boot(&format!("{} {options}", WORKLOAD.command_line()))?;
    check_verify(&WORKLOAD, &outcome, &image, &[])?;

    let features = outcome.features()?;
    let expected = [
        ("RING_EVENT_IDX", event_idx),
        ("RING_INDIRECT_DESC", indirect),
        ("VERSION_1", lab.transport == Transport::Modern),
        ("BLK_FLUSH", true),
        ("BLK_SEG_MAX", true),
    ];
    for (name, present) in expected {
        ensure!(
            features.contains(&name) == present,
            "{name} should {}be among the features: {features:?}",
            if present { "" } else { "not " }
        );
    }
    Ok(features.into_iter().map(str::to_owned).collect())
}
