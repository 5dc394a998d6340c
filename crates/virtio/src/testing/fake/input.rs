//! An input device on top of the fake transport: a keyboard with lights that is a tablet too.

use alloc::{collections::BTreeMap, sync::Arc, vec, vec::Vec};
use core::iter;

use input::{Arrived, Event, InputDevice, Reader, codes::*};
use ostd::sync::{LocalIrqDisabled, SpinLock};

use super::{DeviceQueue, FakeTransport};
use crate::{
    device::{VirtioDevice, input::VirtioInput},
    features::Features,
    handshake::InitError,
    options::Options,
    transport::{InterruptStatus, Version},
};

/// The items of the configuration, section 5.8.4.
pub mod select {
    pub const ID_NAME: u8 = 1;
    pub const ID_SERIAL: u8 = 2;
    pub const ID_DEVIDS: u8 = 3;
    pub const EV_BITS: u8 = 0x11;
    pub const ABS_INFO: u8 = 0x12;
}

/// The number of the queue for what the device is told.
pub const STATUSQ: usize = 1;

/// The end of a group of events.
pub const REPORT: Event = Event::new(EV_SYN, SYN_REPORT, 0);

/// The event that tells a reader that others may be missing.
pub const LOST: Event = Event::dropped(0);

/// The items that the device has, by `select` and `subsel`.
type Items = BTreeMap<(u8, u8), Vec<u8>>;

/// The device's side.
pub struct FakeInput {
    pub transport: Arc<FakeTransport>,
    pub items: Arc<SpinLock<Items, LocalIrqDisabled>>,
}

impl FakeInput {
    /// A device with these features of queues.
    pub fn new(version: Version, ring: Features) -> Self {
        let transport = FakeTransport::with_queues(version, ring.bits(), 2);
        {
            let mut state = transport.state.lock();
            state.device_id = 18;
            state.config = vec![0; 8 + 128];
        }
        let range = [0, 0x7fff, 0, 0, 0].map(u32::to_le_bytes).concat();
        let items = Items::from([
            ((select::ID_NAME, 0), b"a keyboard".into()),
            ((select::ID_SERIAL, 0), b"123".into()),
            ((select::ID_DEVIDS, 0), [6, 0x627, 3, 1].map(u16::to_le_bytes).concat()),
            ((select::EV_BITS, EV_KEY as u8), [0xff; 32].into()),
            ((select::EV_BITS, EV_ABS as u8), [0b11].into()),
            ((select::EV_BITS, EV_LED as u8), [0b111].into()),
            ((select::ABS_INFO, ABS_X as u8), range.clone()),
            ((select::ABS_INFO, ABS_Y as u8), range),
        ]);
        let items = Arc::new(SpinLock::new(items));
        let window = items.clone();
        transport.on_config(move |config, _| {
            let [select, subsel, rest @ ..] = config else { return };
            rest.fill(0);
            if let (Some(item), [size, _, _, _, _, _, room @ ..]) =
                (window.lock().get(&(*select, *subsel)), rest)
            {
                *size = item.len() as u8;
                room.iter_mut().zip(item).for_each(|(to, from)| *to = *from);
            }
        });
        Self { transport, items }
    }

    /// Gives the device an item, or another one.
    pub fn set_item(&self, select: u8, subsel: u16, bytes: &[u8]) {
        self.items.lock().insert((select, subsel as u8), bytes.into());
    }

    /// Has it driven.
    pub fn drive(&self, options: &Options) -> Result<VirtioInput, InitError> {
        VirtioInput::new(self.transport.clone(), options)
    }

    /// Has it driven, with its interrupt led to the driver and somebody who reads.
    pub fn start(self, options: &Options) -> Driven {
        let input = Arc::new(self.drive(options).unwrap());
        let line: Arc<dyn VirtioDevice> = input.device();
        self.transport.connect(&line);
        let reader = Reader::open(&[input.clone() as Arc<dyn InputDevice>], 1000);
        Driven { fake: self, input, reader }
    }
}

/// The device while it is driven.
pub struct Driven {
    pub fake: FakeInput,
    pub input: Arc<VirtioInput>,
    pub reader: Reader,
}

impl Driven {
    /// Runs a test with each transport, and with and without all that queues can do.
    pub fn everywhere(test: impl Fn(Self)) {
        for version in [Version::Legacy, Version::Modern] {
            for ring in [Features::empty(), Features::all() - Features::VERSION_1] {
                test(FakeInput::new(version, ring).start(&Options::default()));
            }
        }
    }

    /// A modern device with all that queues can do.
    pub fn modern() -> Self {
        let ring = Features::all() - Features::VERSION_1;
        FakeInput::new(Version::Modern, ring).start(&Options::default())
    }

    /// Fills the next buffer with this and says that so much of it has been written. Returns false if there is no
    /// buffer.
    pub fn fill(&self, bytes: &[u8], written: u32) -> bool {
        self.fake.transport.with_queue(|queue| {
            let Some(chain) = queue.take() else { return false };
            assert_eq!((chain.readable_length(), chain.writable_length()), (0, 8));
            chain.write(0, bytes);
            queue.give_back(chain.head, written);
            true
        })
    }

    /// Puts an event into the next buffer. Returns false if there is no buffer.
    pub fn event(&self, event: Event) -> bool {
        let Event { kind, code, value } = event;
        let [kind, code] = [kind, code].map(u16::to_le_bytes);
        self.fill(&[&kind[..], &code, &value.to_le_bytes()].concat(), 8)
    }

    /// Interrupts, and returns all that the reader has got.
    pub fn interrupt(&self) -> Vec<Event> {
        self.fake.transport.interrupt(InterruptStatus::USED_BUFFER);
        iter::from_fn(|| self.reader.take()).map(|Arrived { event, .. }| event).collect()
    }

    /// The buffers that the device has.
    pub fn posted(&self) -> usize {
        self.fake.transport.with_queue(|queue| queue.waiting().count())
    }

    /// All buffers are with the device, and an event gets through.
    pub fn assert_works(&self) {
        assert_eq!(self.posted(), 64);
        let event = Event::new(EV_KEY, KEY_A, 1);
        assert!(self.event(event) && self.event(REPORT));
        let wanted = self.fake.transport.with_queue(|queue| queue.should_interrupt());
        assert!(wanted, "interrupts are off");
        assert_eq!(self.interrupt(), [event, REPORT]);
        assert_eq!(self.posted(), 64);
    }

    /// Does something as the device with its queue, and interrupts.
    pub fn lie(&self, lie: impl FnOnce(&mut DeviceQueue)) -> Vec<Event> {
        self.fake.transport.with_queue(lie);
        self.interrupt()
    }

    /// The times that the driver has set DRIVER_OK.
    pub fn starts(&self) -> usize {
        self.fake.transport.starts()
    }
}
