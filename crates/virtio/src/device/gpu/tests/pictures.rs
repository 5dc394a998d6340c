//! Pictures, whole and in parts.

use alloc::vec;

use display::{Error, Framebuffer, MAX_AREAS, Rect, Screen};
use ostd::{mm::PAGE_SIZE, prelude::ktest};

use super::*;

#[ktest]
fn a_picture_is_seen_on_every_device() {
    everywhere(|rig| {
        assert_eq!(rig.gpu.seen(0), None);
        rig.show(&Picture::new(100, 60, 1));
        rig.show(&Picture::new(100, 60, 2));
        assert_eq!(rig.gpu.resources(), 1);
    });
}

#[ktest]
fn the_first_picture_is_complete_before_it_is_seen() {
    let rig = Rig::modern(100, 60);
    rig.show(&Picture::new(100, 60, 1));
    // Create, attach, transfer; set scanout, flush.
    assert_eq!(rig.gpu.take_log(), [0x101, 0x106, 0x105, 0x103, 0x104]);
}

#[ktest]
fn a_change_is_two_commands_and_one_notification() {
    everywhere(|rig| {
        let (old, new) = (Picture::new(100, 60, 1), Picture::new(100, 60, 2));
        rig.show(&old);
        rig.gpu.take_log();
        let before = rig.gpu.transport.notification_count();
        let area = Rect::new(3, 50, 16, 10);
        rig.flush(&new, &[area]).unwrap();
        assert_eq!(rig.gpu.take_log(), [0x105, 0x104]);
        let mut expected = old;
        expected.take(area, &new);
        rig.assert_seen(&expected);
        assert!(rig.gpu.transport.notification_count() - before <= 2);
    });
    let rig = Rig::modern(100, 60);
    rig.show(&Picture::new(100, 60, 1));
    let before = rig.gpu.transport.notification_count();
    rig.flush(&Picture::new(100, 60, 2), &[Rect::new(0, 0, 1, 1)]).unwrap();
    assert_eq!(rig.gpu.transport.notification_count(), before + 1);
}

#[ktest]
fn all_areas_are_sent_at_once() {
    let (old, new) = (Picture::new(100, 60, 1), Picture::new(100, 60, 2));
    let areas: Vec<_> =
        (0..MAX_AREAS as u32).map(|i| Rect::new(10 * i, 7 * i, 10 - i, 1 + i)).collect();
    everywhere(|rig| {
        rig.show(&old);
        rig.flush(&new, &areas).unwrap();
        let mut expected = Picture::new(100, 60, 1);
        areas.iter().for_each(|area| expected.take(*area, &new));
        rig.assert_seen(&expected);
    });
    let rig = Rig::modern(100, 60);
    rig.show(&old);
    let before = rig.gpu.transport.notification_count();
    rig.flush(&new, &areas).unwrap();
    assert_eq!(rig.gpu.transport.notification_count(), before + 1);
}

/// Rows lie over the ends of pages and of pieces.
#[ktest]
fn large_pictures_of_odd_sizes_are_seen() {
    for (width, height) in [(1021, 70), (2, 16_000), (5000, 9), (1024, 64)] {
        let rig = Rig::modern(width, height);
        let (old, new) = (Picture::new(width, height, 1), Picture::new(width, height, 2));
        rig.show(&old);
        let area = Rect::new(width / 3, height / 5, width / 2, height / 2);
        rig.flush(&new, &[area]).unwrap();
        let mut expected = old;
        expected.take(area, &new);
        rig.assert_seen(&expected);
    }
}

/// No page of a resource's backing is at a distance from these pixels at which QEMU copies slowly.
fn assert_fast(rig: &Rig, resource: u32, pixels: &[u8]) {
    let mut start = 0;
    for (address, length) in rig.gpu.backing(resource) {
        for page in (0..length as usize).step_by(PAGE_SIZE) {
            let (source, target) = (pixels.as_ptr().addr() + start + page, address as usize + page);
            assert!(!dma::is_slow(source, target), "{source:#x} and {target:#x}");
        }
        start += length as usize;
    }
    assert_eq!(start, pixels.len());
}

#[ktest]
fn no_picture_is_a_multiple_of_4_mib_from_its_backing() {
    const REACH: usize = 4 << 20;
    for (width, height) in [(1024, 64), (512, 8), (1021, 70)] {
        let mode = Mode::new(width, height).unwrap();
        let room = vec![7; REACH + mode.bytes()];
        // What one screen has given back the next one is likely to get: it is at such a distance from these pixels.
        let mut before = room.as_ptr().addr();
        for _ in 0..4 {
            let start = before.wrapping_sub(room.as_ptr().addr()) % REACH;
            let pixels = &room[start..start + mode.bytes()];
            let rig = Rig::modern(width, height);
            rig.screen.flush(Frame::new(pixels, mode).unwrap(), &[mode.area()]).unwrap();
            assert_fast(&rig, 1, pixels);
            before = rig.gpu.backing(1)[0].0 as usize;
        }
        // The way of everybody else.
        let rig = Rig::modern(width, height);
        let mut framebuffer = Framebuffer::new(rig.screen.clone()).unwrap();
        framebuffer.flush().unwrap();
        assert_fast(&rig, 1, framebuffer.pixels());
    }
}

#[ktest]
fn a_frame_of_another_size_takes_the_place_of_the_old_one() {
    everywhere(|rig| {
        for (i, size) in (0..).zip([(100, 60), (10, 6), (200, 80), (100, 60)]) {
            rig.show(&Picture::new(size.0, size.1, i));
            assert_eq!(rig.gpu.resources(), 1, "the old one is given up");
        }
    });
}

#[ktest]
fn areas_outside_of_the_frame_are_refused() {
    let rig = Rig::modern(100, 60);
    let picture = Picture::new(100, 60, 1);
    for area in [
        Rect::new(0, 0, 101, 1),
        Rect::new(99, 59, 2, 1),
        Rect::new(5, 5, 0, 1),
        Rect::new(u32::MAX, 0, 2, 1),
    ] {
        let error = Error::OutsideFrame { area, mode: picture.mode };
        assert_eq!(rig.flush(&picture, &[picture.mode.area(), area]), Err(error));
    }
    assert!(rig.gpu.take_log().is_empty());
}

#[ktest]
fn every_output_has_a_picture_of_its_own() {
    let gpu = FakeGpu::new(Modern, ring().bits(), &[(100, 60), (0, 0), (30, 20)]);
    let driver = gpu.driver(&Options::default()).unwrap();
    let screens = driver.screens();
    let sizes: Vec<_> = screens.iter().map(|screen| screen.mode().unwrap()).collect();
    let mode = |width, height| Mode::new(width, height).unwrap();
    // One that is switched off can be used all the same.
    assert_eq!(sizes, [mode(100, 60), mode(1024, 768), mode(30, 20)]);
    let pictures = [Picture::new(100, 60, 1), Picture::new(50, 50, 2), Picture::new(30, 20, 3)];
    for (screen, picture) in screens.iter().zip(&pictures) {
        let frame = Frame::new(&picture.pixels, picture.mode).unwrap();
        screen.flush(frame, &[picture.mode.area()]).unwrap();
    }
    for (output, picture) in pictures.iter().enumerate() {
        assert!(gpu.seen(output).unwrap().2 == picture.pixels, "output {output}");
    }
}

#[ktest]
fn a_new_size_is_asked_for_when_the_device_says_so() {
    everywhere(|rig| {
        let mode = |width, height| Mode::new(width, height);
        rig.show(&Picture::new(100, 60, 1));
        assert_eq!(rig.screen.mode(), mode(100, 60));
        rig.gpu.take_log();
        rig.gpu.resize(0, (640, 480));
        assert_eq!(rig.screen.mode(), mode(640, 480));
        assert_eq!(rig.screen.mode(), mode(640, 480));
        assert_eq!(rig.gpu.take_log(), [0x100], "it is asked once");
        rig.gpu.resize(0, (u32::MAX, u32::MAX));
        assert_eq!(rig.screen.mode(), mode(u32::MAX, u32::MAX));
        rig.gpu.resize(0, (80, 50));
        assert_eq!(rig.screen.mode(), mode(80, 50));
        rig.show(&Picture::new(80, 50, 2));
    });
}

#[ktest]
fn a_task_that_waits_is_woken_by_the_interrupt() {
    let rig = Rig::modern(100, 60);
    rig.gpu.transport.connect(&rig.driver.device());
    for seed in 0..20 {
        rig.show(&Picture::new(100, 60, seed));
    }
    assert_eq!(rig.driver.device.waiting().asleep(), 0);
}
