//! Bringing a GPU up.

use display::{Error, Screen};
use ostd::prelude::ktest;

use super::*;
use crate::{
    driver::DeviceError, handshake::InitError, queue::Violation, testing::fake::GpuFault,
    transport::DeviceStatus,
};

#[ktest]
fn the_number_of_outputs_is_checked() {
    for value in [0u32, 17, u32::MAX] {
        let gpu = FakeGpu::new(Modern, 0, &[(100, 60)]);
        gpu.transport.set_config(8, &value.to_le_bytes());
        let error = InitError::BadConfig { field: "num_scanouts", value: value.into() };
        assert_eq!(gpu.driver(&Options::default()).err(), Some(error));
        assert!(gpu.transport.state.lock().status.contains(DeviceStatus::FAILED));
    }
    let gpu = FakeGpu::new(Modern, 0, &[(8, 8); 16]);
    assert_eq!(gpu.driver(&Options::default()).unwrap().screens().len(), 16);
}

#[ktest]
fn a_monitor_without_sense_is_a_screen_all_the_same() {
    for edid in [&[][..], &[0xff; 128], &[0; 1024]] {
        let gpu = FakeGpu::new(Modern, GpuFeatures::all().bits(), &[(100, 60)]);
        gpu.set_edid(edid);
        let driver = gpu.driver(&Options::default()).unwrap();
        assert_eq!(gpu.take_log(), [0x100, 0x10a]);
        let screen = driver.screens().remove(0);
        assert_eq!((&*screen.info().name, screen.info().output), ("", 0));
        assert_eq!(screen.mode(), Mode::new(100, 60));
    }
    // No question without the feature.
    let gpu = FakeGpu::new(Modern, 0, &[(100, 60)]);
    gpu.driver(&Options::default()).unwrap();
    assert_eq!(gpu.take_log(), [0x100]);
}

#[ktest]
fn a_gpu_that_tells_no_size_has_one_by_default() {
    for fault in [GpuFault::Refuse(0x1200), GpuFault::Type(0x1100), GpuFault::Written(100)] {
        let gpu = FakeGpu::new(Modern, 0, &[(100, 60)]);
        gpu.plan_faults([Some(fault)]);
        let driver = gpu.driver(&Options::default()).unwrap();
        assert_eq!(driver.screens()[0].mode(), Mode::new(1024, 768));
        // When it says that the size has changed, it is asked again.
        gpu.resize(0, (100, 60));
        gpu.plan_faults([Some(fault)]);
        assert!(matches!(
            driver.screens()[0].mode(),
            Err(Error::Refused { .. } | Error::BadAnswer { .. } | Error::Short { .. })
        ));
    }
}

#[ktest]
fn a_gpu_that_breaks_a_rule_at_once_is_not_used() {
    let gpu = FakeGpu::new(Modern, 0, &[(100, 60)]);
    gpu.plan_faults([Some(GpuFault::Id(77))]);
    let error = DeviceError::Violation(Violation::UnknownId { id: 77 });
    let options = Options { queue_size: 16, ..Options::default() };
    assert_eq!(gpu.driver(&options).err(), Some(InitError::FirstRequest(error)));
    assert!(gpu.transport.state.lock().status.contains(DeviceStatus::FAILED));
}
