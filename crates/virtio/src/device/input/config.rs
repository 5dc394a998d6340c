//! An input device's configuration space, section 5.8.4: a window onto one item at a time, which the driver
//! chooses by writing `select` and `subsel`. Every value is input and is checked before anything relies on it.

use alloc::{string::String, vec::Vec};

use input::{Axis, Codes, DeviceInfo, Ids, codes::EV_ABS};

use super::super::super::{
    handshake::{InitError, read_config},
    transport::Transport,
};

/// Field offsets in bytes (`struct virtio_input_config`).
mod field {
    pub const SELECT: usize = 0;
    pub const SUBSEL: usize = 1;
    pub const SIZE: usize = 2;
    /// The item: a text, bits, or numbers.
    pub const UNION: usize = 8;
}

/// The items (`enum virtio_input_config_select`).
mod select {
    pub const ID_NAME: u8 = 0x01;
    pub const ID_SERIAL: u8 = 0x02;
    pub const ID_DEVIDS: u8 = 0x03;
    /// By `subsel`, a type of events: its codes that the device knows.
    pub const EV_BITS: u8 = 0x11;
    /// By `subsel`, an absolute axis: its range.
    pub const ABS_INFO: u8 = 0x12;
}

/// The most bytes of an item.
const MAX_BYTES: usize = 128;
/// The types of events that evdev has numbers for (`EV_CNT`).
const KINDS: u8 = 0x20;
/// The absolute axes that evdev has numbers for (`ABS_CNT`).
const AXES: u8 = 0x40;

/// An item as the device gives it, with what it says that it is: `select` and `subsel`.
#[derive(PartialEq)]
struct Item {
    is: [u8; 2],
    size: u8,
    bytes: [u8; MAX_BYTES],
}

impl Item {
    /// Chooses an item and reads it; one that the device does not have is empty.
    fn read(transport: &dyn Transport, select: u8, subsel: u8) -> Result<Self, InitError> {
        // Not within what is read again when the generation has changed: this may change it.
        transport.set_config_u8(field::SELECT, select).map_err(InitError::Config)?;
        transport.set_config_u8(field::SUBSEL, subsel).map_err(InitError::Config)?;
        let item = read_config(transport, |transport| {
            let byte = |offset| transport.config_u8(offset);
            let (is, size) = ([byte(field::SELECT)?, byte(field::SUBSEL)?], byte(field::SIZE)?);
            let mut bytes = [0; MAX_BYTES];
            for (offset, read) in bytes.iter_mut().enumerate().take(size.into()) {
                *read = byte(field::UNION + offset)?;
            }
            Ok(Self { is, size, bytes })
        })?;
        match (item.size, item.is) {
            // Of an item that it does not have, a device may say no more than that.
            (0, _) => Ok(item),
            (size, _) if usize::from(size) > MAX_BYTES => bad("size", size.into()),
            (_, is) if is != [select, subsel] => {
                bad("select and subsel", u16::from_le_bytes(is).into())
            }
            _ => Ok(item),
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.size)).unwrap_or_default()
    }

    /// A text; what is not UTF-8 becomes the replacement character.
    fn text(&self) -> String {
        let text = self.bytes().split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    /// Its first bytes.
    fn first<const N: usize>(&self, size_of: &'static str) -> Result<[u8; N], InitError> {
        self.bytes().first_chunk().copied().map_or_else(|| bad(size_of, self.size.into()), Ok)
    }
}

fn bad<T>(field: &'static str, value: u64) -> Result<T, InitError> {
    Err(InitError::BadConfig { field, value })
}

/// Reads and checks all that the device says about itself.
///
/// # Errors
///
/// [`InitError::BadConfig`] names the field that cannot be; [`InitError::Config`] and
/// [`InitError::ConfigUnstable`] as [`read_config`].
pub(super) fn read(transport: &dyn Transport) -> Result<DeviceInfo, InitError> {
    let name = Item::read(transport, select::ID_NAME, 0)?.text();
    let serial = Item::read(transport, select::ID_SERIAL, 0)?.text();
    let ids = read_ids(transport)?;
    let (mut supported, mut axes) = (Vec::new(), Vec::new());
    for kind in 0..KINDS {
        let codes = Item::read(transport, select::EV_BITS, kind)?;
        if codes.size > 0 {
            supported.push((kind.into(), Codes::new(codes.bytes())));
        }
    }
    let mut info = DeviceInfo { name, serial, ids, supported, axes: Vec::new() };
    for code in (0..AXES).filter(|code| info.supports(EV_ABS, (*code).into())) {
        axes.push((code.into(), read_axis(transport, code)?));
    }
    info.axes = axes;
    Ok(info)
}

/// `struct virtio_input_devids`, if there is one.
fn read_ids(transport: &dyn Transport) -> Result<Option<Ids>, InitError> {
    let item = Item::read(transport, select::ID_DEVIDS, 0)?;
    if item.size == 0 {
        return Ok(None);
    }
    Ok(Some(Ids::from_le_bytes(item.first("devids.size")?)))
}

/// `struct virtio_input_absinfo`.
fn read_axis(transport: &dyn Transport, code: u8) -> Result<Axis, InitError> {
    let item = Item::read(transport, select::ABS_INFO, code)?;
    match Axis::from_le_bytes(item.first("absinfo.size")?) {
        axis if axis.max < axis.min => bad("absinfo.max", axis.max.cast_unsigned().into()),
        axis => Ok(axis),
    }
}

/// Checks before DRIVER_OK of a restart that positions still mean what they meant. Allocates nothing.
///
/// # Errors
///
/// [`InitError::Changed`]; otherwise as [`read`].
pub(super) fn check_axes(transport: &dyn Transport, info: &DeviceInfo) -> Result<(), InitError> {
    info.axes.iter().try_for_each(|(code, axis)| match read_axis(transport, *code as u8)? {
        found if found == *axis => Ok(()),
        _ => Err(InitError::Changed { field: "absinfo" }),
    })
}
