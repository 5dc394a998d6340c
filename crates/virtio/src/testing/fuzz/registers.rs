//! The registers of the random disk, as the driver sees them.

use super::{super::fake::DeviceQueue, device::Device};
use crate::{
    device::blk,
    features::Features,
    queue::QueueAddresses,
    transport::{
        DeviceStatus, InterruptStatus, Transport, TransportError, Version, sealed::Sealed,
    },
};

impl Sealed for Device {}

impl core::fmt::Debug for Device {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Device")
    }
}

impl Transport for Device {
    fn version(&self) -> Version {
        self.version
    }

    fn device_id(&self) -> u32 {
        blk::DEVICE_ID
    }

    fn vendor_id(&self) -> u32 {
        0
    }

    fn status(&self) -> DeviceStatus {
        self.access(|inner| {
            match inner.registers.resetting {
                // Until it says that it is reset, it may go on as before.
                Some(reads) if reads > 0 => inner.registers.resetting = Some(reads - 1),
                Some(_) => inner.finish_reset(),
                None => {}
            }
            inner.registers.status
        })
    }

    fn set_status(&self, status: DeviceStatus) {
        self.access(|inner| {
            if !status.is_empty() {
                inner.starts += u64::from(status.contains(DeviceStatus::DRIVER_OK));
                inner.registers.status = status;
                if inner.registers.refuses_features {
                    inner.registers.status.remove(DeviceStatus::FEATURES_OK);
                }
            } else if !inner.registers.ignores_reset {
                inner.registers.status.insert(DeviceStatus::ACKNOWLEDGE);
                inner.registers.resetting = Some(inner.lie_about_reset());
            }
        });
    }

    fn device_features(&self) -> u64 {
        self.access(|inner| inner.registers.offered)
    }

    fn set_driver_features(&self, features: u64) {
        self.access(|inner| inner.registers.driver_features = features);
    }

    fn config_u8(&self, offset: usize) -> Result<u8, TransportError> {
        self.config::<1>(offset).map(u8::from_le_bytes)
    }

    fn config_u16(&self, offset: usize) -> Result<u16, TransportError> {
        self.config(offset).map(u16::from_le_bytes)
    }

    fn config_u32(&self, offset: usize) -> Result<u32, TransportError> {
        self.config(offset).map(u32::from_le_bytes)
    }

    fn set_config_u8(&self, offset: usize, value: u8) -> Result<(), TransportError> {
        self.set_config(offset, [value])
    }

    fn set_config_u32(&self, offset: usize, value: u32) -> Result<(), TransportError> {
        self.set_config(offset, value.to_le_bytes())
    }

    fn config_generation(&self) -> Option<u32> {
        self.access(|inner| {
            if inner.registers.unsteady > 0 {
                inner.registers.unsteady -= 1;
                inner.registers.generation += 1;
            }
            (self.version == Version::Modern).then_some(inner.registers.generation)
        })
    }

    fn queue_size_max(&self, index: u16) -> u32 {
        self.access(|inner| if index == 0 { inner.registers.queue_size_max } else { 0 })
    }

    fn queue_ready(&self, _index: u16) -> bool {
        self.access(|inner| inner.queue.is_some() || inner.registers.always_ready)
    }

    fn enable_queue(&self, _index: u16, addresses: &QueueAddresses) -> Result<(), TransportError> {
        self.access(|inner| {
            let event_idx = Features::RING_EVENT_IDX.bits();
            let event_idx = inner.registers.driver_features & event_idx != 0;
            inner.queue = Some(DeviceQueue::new(addresses, event_idx));
        });
        Ok(())
    }

    fn notify(&self, _index: u16) {
        let steps = self.access(|inner| if inner.setup { 16 } else { inner.rng.u32(0..3) });
        self.act(steps);
    }

    fn acknowledge_interrupt(&self) -> InterruptStatus {
        // Two accesses: what is raised between the two stays.
        let causes = self.access(|inner| inner.registers.interrupt);
        self.access(|inner| inner.registers.interrupt.remove(causes));
        causes
    }
}

impl Device {
    fn config<const N: usize>(&self, offset: usize) -> Result<[u8; N], TransportError> {
        self.access(|inner| {
            let field = inner.registers.config.get(offset..).and_then(|rest| rest.first_chunk());
            field.copied().ok_or(TransportError::ConfigOutOfRange { offset })
        })
    }

    fn set_config<const N: usize>(
        &self,
        offset: usize,
        bytes: [u8; N],
    ) -> Result<(), TransportError> {
        self.access(|inner| {
            let rest = inner.registers.config.get_mut(offset..);
            let field = rest.and_then(|rest| rest.first_chunk_mut());
            *field.ok_or(TransportError::ConfigOutOfRange { offset })? = bytes;
            Ok(())
        })
    }
}
