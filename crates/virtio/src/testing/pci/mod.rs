//! PCI functions that break the rules, against the real walk and the real PCI transport.
//!
//! The crate `pci` has the rows about buses, BARs and lists of capabilities. Here are those about a virtio
//! device on top of them, and a fuzzer of all of it together. [`card`] is a function with a fake disk in
//! it.
//!
//! | row | the function... | test |
//! |---|---|---|
//! | 1 | a capability that is too short, or ends beyond configuration space | [`rows_structures::row_1_capabilities_that_are_too_short`] |
//! | 2 | a structure in no BAR, or in one that cannot be used | [`rows_structures::row_2_structures_in_bars_that_are_none`] |
//! | 3 | a structure past the end of its BAR | [`rows_structures::row_3_structures_past_their_bar`] |
//! | 4 | a structure too short, not aligned, or not there | [`rows_structures::row_4_structures_that_are_not_whole`] |
//! | 5 | structures far apart in a huge BAR | [`rows_structures::row_5_structures_far_apart`] |
//! | 6 | more structures than one of a kind | [`rows_structures::row_6_structures_to_be_passed_over`] |
//! | 7 | notify_off_multiplier 0, and huge | [`rows_registers::row_7_notification_multipliers`] |
//! | 8 | queue_notify_off out of range | [`rows_registers::row_8_notifications_out_of_range`] |
//! | 9 | registers that change between two reads | [`rows_registers::row_9_registers_that_change_their_mind`] |
//! | 10 | num_queues 0, and more than there can be | [`rows_registers::row_10_numbers_of_queues`] |
//! | 11 | a function that is gone: all registers read as ones | [`rows_registers::row_11_a_function_that_is_gone`] |
//! | 12 | messages that it offers and does not take | [`rows_messages::row_12_messages_that_are_not_taken`] |
//! | 13 | tables of messages that cannot be used | [`rows_messages::row_13_tables_of_messages_that_cannot_be_used`] |

pub mod card;
mod fuzz;
mod machine;
mod rows_messages;
mod rows_registers;
mod rows_structures;
