//! Buses that break the rules, against the real walk.
//!
//! [`FakeBus`] is configuration space for unit tests, here and in crates on top of this one: functions with
//! registers of which some bits can be written, bridges that pass on what is behind them, and an account
//! of what was done to them.
//!
//! | row | the bus... | test |
//! |---|---|---|
//! | 1 | a list of capabilities that runs in a circle | [`rows_function::row_1_capabilities_in_a_circle`] |
//! | 2 | a capability below 0x40, or not at a multiple of four | [`rows_function::row_2_capabilities_where_none_can_be`] |
//! | 3 | BARs of no size, or of one that is no power of two | [`rows_bars::row_3_bars_of_impossible_sizes`] |
//! | 4 | BARs of reserved types, and half ones | [`rows_bars::row_4_bars_of_impossible_types`] |
//! | 5 | BARs that overlap, or have no address | [`rows_bars::row_5_bars_that_firmware_has_misplaced`] |
//! | 6 | BARs larger than the windows | [`rows_bars::row_6_bars_without_room`] |
//! | 7 | BARs that do not keep their address | [`rows_bars::row_7_bars_that_do_not_keep_their_address`] |
//! | 8 | functions where none can be | [`rows_walk::row_8_holes_hide_what_is_in_them`] |
//! | 9 | 256 functions on every bus | [`rows_walk::row_9_a_function_in_every_slot`] |
//! | 10 | a bridge in every slot of every bus | [`rows_walk::row_10_a_bridge_in_every_slot`] |
//! | 11 | bridges whose buses run in a circle, repeat, or lie outside | [`rows_walk::row_11_buses_that_are_not_the_bridge_s_own`] |
//! | 12 | bridges that do not keep their bus | [`rows_walk::row_12_bridges_that_do_not_keep_their_bus`] |
//! | 13 | headers of unknown types | [`rows_walk::row_13_headers_of_unknown_types`] |
//! | 14 | tables of messages outside of their BAR | [`rows_function::row_14_tables_of_messages_outside_of_their_bar`] |

mod ecam;
mod fake;
mod rows_bars;
mod rows_function;
mod rows_walk;

pub use self::fake::{FakeBus, FakeFunction};
