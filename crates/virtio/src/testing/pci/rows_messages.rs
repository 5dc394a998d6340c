//! Rows 12 and 13: interrupts by message.

use alloc::{sync::Arc, vec::Vec};

use ostd::prelude::ktest;
use pci::{BarFault, Message, MsixFault, testing::FakeFunction};

use super::card::{Card, good, register};
use crate::{
    device::blk::VirtioBlk,
    handshake::InitError,
    options::Options,
    queue::SetupError,
    transport::{
        InterruptStatus, Transport, TransportError,
        pci::{Messages, NoMessages},
    },
};

const MESSAGES: Messages = Messages {
    config: Message { address: 0xfee0_0000, data: 0x31 },
    queues: Message { address: 0x1_fee0_0000, data: 0x32 },
};

/// A good function with so many messages, in a table at this place.
fn with_messages(entries: u16, table: u32) -> FakeFunction {
    let mut content = Vec::from((entries - 1).to_le_bytes());
    content.extend(table.to_le_bytes());
    content.extend([0; 4]);
    let mut function = good().capability(pci::id::MSI_X, &content);
    // The capability is behind the five of a good function: 4 of 16 bytes and one of 20.
    function.make_writable(0x40 + 4 * 16 + 20 + 3, &[0xc0]);
    function
}

#[ktest]
fn messages_tell_queues_and_configuration_apart() {
    let card = Card::new();
    let transport = Arc::new(card.open(with_messages(3, 1), Some(&MESSAGES)).unwrap());
    assert_eq!(transport.messages(), Ok(()));
    // The table was acquired apart from the registers.
    assert_eq!(card.acquired().len(), 2);
    let writes = card.take_messages();
    let last = |offset| writes.iter().rev().find(|(at, _)| *at == offset).map(|(_, value)| *value);
    assert_eq!([0, 4, 8, 12].map(last), [Some(0xfee0_0000), Some(0), Some(0x31), Some(0)]);
    assert_eq!([16, 20, 24, 28].map(last), [Some(0xfee0_0000), Some(1), Some(0x32), Some(0)]);
    assert_eq!([32, 36, 40, 44].map(last), [None, None, None, Some(1)], "the third is masked");

    let driver = VirtioBlk::new(transport.clone(), &Options::default()).unwrap();
    assert_eq!(card.written(register::CONFIG_MSIX_VECTOR), Some(0));
    assert_eq!(card.written(register::QUEUE_MSIX_VECTOR), Some(1));
    // The register of causes is not asked.
    card.disk.transport.state.lock().interrupt = InterruptStatus::all();
    assert_eq!(transport.acknowledge_interrupt(), InterruptStatus::USED_BUFFER);
    transport.configuration_changed();
    assert_eq!(transport.acknowledge_interrupt(), InterruptStatus::all());
    assert_eq!(transport.acknowledge_interrupt(), InterruptStatus::USED_BUFFER);
    assert_eq!(card.disk.transport.state.lock().interrupt, InterruptStatus::all());

    card.disk.transport.set_config(0, &32u64.to_le_bytes());
    driver.device().use_interrupts();
    transport.configuration_changed();
    driver.device().handle_interrupt();
    assert_eq!(block::BlockDevice::info(&driver).geometry.capacity, 32);
}

#[ktest]
fn row_12_messages_that_are_not_taken() {
    for (register, vector) in [(register::CONFIG_MSIX_VECTOR, 0), (register::QUEUE_MSIX_VECTOR, 1)]
    {
        let card = Card::new();
        let transport = Arc::new(card.open(with_messages(2, 1), Some(&MESSAGES)).unwrap());
        card.lie(register, &[0xffff]);
        let error = VirtioBlk::new(transport, &Options::default()).err();
        let refused = SetupError::Transport(TransportError::MessageRefused { vector });
        assert_eq!(error, Some(InitError::Queue(refused)));
        assert_eq!(card.written(register::QUEUE_DESC), None, "it has been given memory");
    }
}

#[ktest]
fn row_13_tables_of_messages_that_cannot_be_used() {
    let reason = |function, messages| {
        let card = Card::new();
        let transport = card.open(function, messages).unwrap();
        let reason = *transport.messages().unwrap_err();
        // The device can be used all the same, by its pin or by polling.
        assert!(card.take_messages().is_empty());
        assert!(VirtioBlk::new(Arc::new(transport), &Options::default()).is_ok());
        assert_eq!(card.written(register::QUEUE_MSIX_VECTOR), None);
        reason
    };
    assert_eq!(reason(with_messages(2, 1), None), NoMessages::NotOffered);
    assert_eq!(reason(good(), Some(&MESSAGES)), NoMessages::None);
    assert_eq!(reason(with_messages(1, 1), Some(&MESSAGES)), NoMessages::TooFew { entries: 1 });
    let outside = MsixFault::Outside { bar: 1, start: 0xff8, length: 0x20 };
    assert_eq!(reason(with_messages(2, 0xff9), Some(&MESSAGES)), NoMessages::Fault(outside));
    let fault = BarFault::Absent;
    let absent = NoMessages::Fault(MsixFault::Bar { bar: 7, fault });
    assert_eq!(reason(with_messages(2, 7), Some(&MESSAGES)), absent);
}
