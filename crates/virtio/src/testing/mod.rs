//! Devices that break the rules, against the real drivers.
//!
//! A device shares memory with the kernel and answers its register reads, and nothing forces it to be
//! correct. What the drivers owe their user all the same: no panic, no work without end, no
//! memory freed that the device can still reach, no data handed out that was not checked, and an answer to
//! every request.
//!
//! [`fake`] is a device of any kind for all unit tests, and a disk on top of it. [`rig`] and [`registers`]
//! play each way to do wrong that is known, one test for each row of the table; [`fuzz`] plays what nobody
//! has thought of. All that a row says of rings, registers and resets goes for every kind of device, as one
//! floor drives them all; it is shown with a disk.
//!
//! | row | the device... | test |
//! |---|---|---|
//! | 1 | used.id beyond the queue | [`rows_used_ring::row_01_used_id_beyond_the_queue`] |
//! | 2 | used.id never outstanding | [`rows_used_ring::row_02_used_id_that_is_not_outstanding`] |
//! | 3 | the same id used twice | [`rows_used_ring::row_03_the_same_id_used_twice`] |
//! | 4 | used.idx jumps ahead | [`rows_used_ring::row_04_used_index_jumps_ahead`] |
//! | 5 | used.idx goes backwards | [`rows_used_ring::row_05_used_index_goes_backwards`] |
//! | 6 | written length too large | [`rows_used_ring::row_06_written_more_than_was_writable`] |
//! | 7 | written length too small | [`rows_used_ring::row_07_written_too_little_for_the_answer`] |
//! | 8 | never writes the status byte | [`rows_answer::row_08_status_byte_never_written`] |
//! | 9 | status byte 0x77 | [`rows_answer::row_09_status_byte_0x77`] |
//! | 10 | interrupt with nothing to report | [`rows_interrupt::row_10_interrupt_with_nothing_to_report`] |
//! | 11 | interrupt storm | [`rows_interrupt::row_11_interrupt_storm`], `row_11_*` |
//! | 12 | never completes a request | [`rows_answer::row_12_request_never_completed`], `row_12_*` |
//! | 13 | interrupts before DRIVER_OK | [`rows_interrupt::row_13_interrupt_before_driver_ok`] |
//! | 14 | overwrites descriptors and available ring | [`rows_used_ring::row_14_descriptors_and_available_ring_overwritten`], `row_14_*` |
//! | 15 | changes data between two reads | [`rows_used_ring::row_15_shared_data_changes_between_two_reads`] |
//! | 16 | config changes during a read | [`rows_config::row_16_configuration_changes_while_it_is_read`], `row_16_*` |
//! | 17 | capacity 0 | [`rows_config::row_17_capacity_0`] |
//! | 18 | capacity 2^64-1 | [`rows_config::row_18_capacity_2_to_the_64`] |
//! | 19 | block size 0, 3, 2^31 | [`rows_config::row_19_block_size_that_cannot_be`] |
//! | 20 | queue_num_max 0, odd, huge | [`rows_transport::row_20_queue_sizes_that_cannot_be`] |
//! | 21 | queue_ready already 1 | [`rows_transport::row_21_queue_that_is_ready_already`] |
//! | 22 | clears FEATURES_OK | [`rows_transport::row_22_features_ok_is_cleared`] |
//! | 23 | offers unknown features | [`rows_transport::row_23_features_that_nobody_implements`] |
//! | 24 | modern without VERSION_1 | [`rows_transport::row_24_modern_device_without_version_1`] |
//! | 25 | reset never reads back 0 | [`rows_answer::row_25_reset_that_never_ends_at_run_time`], `row_25_*` |
//! | 26 | sets DEVICE_NEEDS_RESET | [`rows_answer::row_26_device_needs_a_reset`], `row_26_*` |
//! | 27 | unknown status bits | [`rows_transport::row_27_unknown_status_bits`] |
//! | 28 | wrong magic, version, device id | [`rows_transport::row_28_slots_that_are_no_disks`] |
//! | 29 | capacity shrinks while running | [`rows_config::row_29_capacity_shrinks_while_running`] |
//! | 30 | buffers come back changed | [`rows_answer::row_30_buffers_come_back_changed`] |
//!
//! Rows of input devices, which fill posted buffers:
//!
//! | row | the device... | test |
//! |---|---|---|
//! | I1 | an item of the configuration larger than its room | [`rows_input_config::row_i1_item_larger_than_its_room`] |
//! | I2 | answers about another item than was chosen | [`rows_input_config::row_i2_answer_about_another_item`] |
//! | I3 | a name that is no text | [`rows_input_config::row_i3_name_that_is_no_text`] |
//! | I4 | numbers that are too short | [`rows_input_config::row_i4_numbers_that_are_too_short`] |
//! | I5 | an axis with max below min | [`rows_input_config::row_i5_range_that_ends_before_it_begins`] |
//! | I6 | every type and axis that there may be | [`rows_input_config::row_i6_every_axis_and_every_type_that_there_may_be`] |
//! | I7 | config changes during a read | [`rows_input_config::row_i7_configuration_changes_while_it_is_read`] |
//! | I8 | a config space that is too short | [`rows_input_config::row_i8_configuration_space_that_is_too_short`] |
//! | I9 | queues that there are not | [`rows_input_config::row_i9_queues_that_there_are_not`] |
//! | I10 | an event of 0 to 7 bytes | [`rows_input::row_i10_event_of_no_bytes_or_too_few`] |
//! | I11 | an event longer than its buffer | [`rows_input::row_i11_event_longer_than_its_buffer`] |
//! | I12 | returns buffers that it has not written | [`rows_input::row_i12_buffer_that_was_not_written`] |
//! | I13 | events before there are buffers | [`rows_input::row_i13_events_before_there_are_buffers`] |
//! | I14 | a buffer that was never posted | [`rows_input::row_i14_buffer_that_was_never_posted`] |
//! | I15 | a buffer returned twice | [`rows_input::row_i15_buffer_returned_twice`] |
//! | I16 | used.idx jumps ahead and back | [`rows_input::row_i16_used_index_jumps_ahead_and_back`] |
//! | I17 | overwrites descriptors and available ring | [`rows_input::row_i17_descriptors_and_available_ring_overwritten`] |
//! | I18 | events that do not exist or were never announced | [`rows_input::row_i18_events_that_do_not_exist_or_were_never_announced`] |
//! | I19 | a flood that nobody reads | [`rows_input::row_i19_flood_that_nobody_reads`] |
//! | I20 | buffers full as soon as posted | [`rows_input::row_i20_buffers_that_are_full_as_soon_as_they_are_posted`] |
//! | I21 | interrupts with nothing to report | [`rows_input::row_i21_interrupts_with_nothing_to_report`] |
//! | I22 | a reset in the middle | [`rows_input_reset::row_i22_reset_in_the_middle`] |
//! | I23 | other ranges after a reset | [`rows_input_reset::row_i23_other_ranges_after_a_reset`] |
//! | I24 | only lies | [`rows_input_reset::row_i24_device_that_only_lies`] |
//! | I25 | reset never reads back 0 | [`rows_input_reset::row_i25_reset_that_never_ends`] |
//! | I26 | a lie about a light | [`rows_input_reset::row_i26_answer_about_a_light_that_is_a_lie`] |
//! | I27 | never answers about a light | [`rows_input_reset::row_i27_light_that_is_never_answered`] |
//!
//! Rows of GPUs:
//!
//! | row | the device... | test |
//! |---|---|---|
//! | G1 | numbers of outputs that cannot be | [`rows_gpu::row_g1_numbers_of_outputs_that_cannot_be`] |
//! | G2 | a config space that is too short | [`rows_gpu::row_g2_configuration_space_that_is_too_short`] |
//! | G3 | queues that there are not, or too small | [`rows_gpu::row_g3_queues_that_there_are_not_or_that_are_too_small`] |
//! | G4 | offers unknown features | [`rows_gpu::row_g4_features_that_nobody_implements`] |
//! | G5 | outputs of 0 or 2^32-1 pixels | [`rows_gpu::row_g5_outputs_of_no_pixels_or_of_too_many`] |
//! | G6 | tells of outputs that it has not | [`rows_gpu::row_g6_outputs_that_it_has_not`] |
//! | G7 | an EDID that is garbage | [`rows_gpu::row_g7_monitors_that_make_no_sense`] |
//! | G8 | an EDID whose length lies | [`rows_gpu::row_g8_monitors_with_a_length_that_lies`] |
//! | G9 | writes of an answer the header only | [`rows_gpu::row_g9_answers_of_which_only_the_header_is_written`] |
//! | G10 | answers questions with something else | [`rows_gpu::row_g10_questions_that_have_no_answer`] |
//! | G11 | says that a size is new, and then not which | [`rows_gpu::row_g11_new_size_that_is_told_wrongly`] |
//! | G12 | a flood of events | [`rows_gpu::row_g12_flood_of_events`] |
//! | G13 | events that nobody knows | [`rows_gpu::row_g13_events_that_nobody_knows`] |
//! | G14 | breaks a rule at the first question | [`rows_gpu::row_g14_rule_that_is_broken_at_once`] |
//! | G15 | never answers the first question | [`rows_gpu::row_g15_first_question_that_is_never_answered`] |
//! | G16 | an answer of the wrong type | [`rows_gpu_answer::row_g16_answers_of_the_wrong_type`] |
//! | G17 | refuses what was fine before | [`rows_gpu_answer::row_g17_refusals_of_what_was_fine_before`] |
//! | G18 | an answer that is too short | [`rows_gpu_answer::row_g18_answers_that_are_too_short`] |
//! | G19 | an answer longer than asked for | [`rows_gpu_answer::row_g19_answers_longer_than_their_room`] |
//! | G20 | an answer that is not written | [`rows_gpu_answer::row_g20_answers_that_are_not_written`] |
//! | G21 | the fence of another command | [`rows_gpu_answer::row_g21_answers_for_another_command`] |
//! | G22 | overwrites requests, descriptors and available ring | [`rows_gpu_answer::row_g22_requests_and_rings_overwritten`] |
//! | G23 | a command that it never had | [`rows_gpu_answer::row_g23_commands_that_it_never_had`] |
//! | G24 | a command returned twice | [`rows_gpu_answer::row_g24_commands_returned_twice`] |
//! | G25 | used.idx jumps ahead and back | [`rows_gpu_answer::row_g25_used_index_that_jumps`] |
//! | G26 | never answers a command | [`rows_gpu_answer::row_g26_commands_that_are_never_answered`] |
//! | G27 | answers a cursor, which asks for nothing, or breaks a rule by it | [`rows_gpu_answer::row_g27_cursors_that_are_answered_wrongly`] |
//! | G28 | never answers cursors | [`rows_gpu_answer::row_g28_cursors_that_are_never_answered`] |
//! | G29 | asks for a reset | [`rows_gpu_reset::row_g29_reset_that_is_asked_for`] |
//! | G30 | asks for a reset during a flush | [`rows_gpu_reset::row_g30_reset_during_a_flush`] |
//! | G31 | asks for one while the picture is brought back | [`rows_gpu_reset::row_g31_reset_while_the_picture_is_brought_back`] |
//! | G32 | does not take the picture back | [`rows_gpu_reset::row_g32_picture_that_is_not_taken_back`] |
//! | G33 | does not take the cursor back | [`rows_gpu_reset::row_g33_cursor_that_is_not_taken_back`] |
//! | G34 | another number of outputs after a reset | [`rows_gpu_reset::row_g34_another_number_of_outputs_after_a_reset`] |
//! | G35 | only lies | [`rows_gpu_reset::row_g35_device_that_only_lies`] |
//! | G36 | reset never reads back 0 | [`rows_gpu_reset::row_g36_reset_that_never_ends`] |
//! | G37 | gives up no memory | [`rows_gpu_reset::row_g37_device_that_gives_nothing_up`] |
//! | G38 | takes no other picture | [`rows_gpu_reset::row_g38_device_that_takes_no_other_picture`] |
//!
//! Functions on PCI have rows of their own, see [`pci`].
//!
//! Two things cannot be played here. These devices act only when the driver touches a register or the test
//! lets them, never between two loads of the driver: that takes a device on another processor,
//! as `make hostile` has. And a device that says that it has been reset, but goes on writing, cannot be held
//! back by any driver; that takes an IOMMU.

pub(crate) mod fake;
mod fuzz;
mod line;
mod pci;
mod posted;
mod registers;
mod rig;
mod rows_answer;
mod rows_config;
#[cfg(feature = "display")]
mod rows_gpu;
#[cfg(feature = "display")]
mod rows_gpu_answer;
#[cfg(feature = "display")]
mod rows_gpu_reset;
mod rows_input;
mod rows_input_config;
mod rows_input_reset;
mod rows_interrupt;
mod rows_rng;
mod rows_transport;
mod rows_used_ring;
mod transport_tests;
