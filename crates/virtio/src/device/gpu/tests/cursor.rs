//! The cursor.

use display::{CursorImage, Error, Screen};
use ostd::prelude::ktest;

use super::*;

const UPDATE: u32 = 0x0300;
const MOVE: u32 = 0x0301;

fn image(red: u8) -> CursorImage {
    let mut image = CursorImage::new(3, 5);
    image.set(1, 0, [red, 2, 3, 4]);
    image
}

#[ktest]
fn a_cursor_is_set_moved_hidden_and_moved_again() {
    everywhere(|rig| {
        assert_eq!(rig.screen.move_cursor(1, 1), Err(Error::NoCursor));
        assert_eq!((rig.screen.hide_cursor(), rig.gpu.cursor(0)), (Ok(()), None));
        rig.screen.set_cursor(&image(9), 10, 20).unwrap();
        let (kind, at, resource, hot_spot) = rig.gpu.cursor(0).unwrap();
        assert_eq!((kind, at, hot_spot), (UPDATE, (10, 20), (3, 5)));
        let pixels = rig.gpu.pixels(resource).unwrap();
        assert_eq!((pixels.len(), &pixels[4..8]), (64 * 64 * 4, &[3, 2, 9, 4][..]));

        rig.screen.move_cursor(11, 21).unwrap();
        assert_eq!(rig.gpu.cursor(0), Some((MOVE, (11, 21), resource, (0, 0))));
        rig.screen.hide_cursor().unwrap();
        assert_eq!(rig.gpu.cursor(0), Some((UPDATE, (11, 21), 0, (3, 5))));
        rig.screen.move_cursor(12, 22).unwrap();
        assert_eq!(rig.gpu.cursor(0), Some((UPDATE, (12, 22), resource, (3, 5))));

        // Another picture in the same resource.
        rig.screen.set_cursor(&image(8), 1, 2).unwrap();
        assert_eq!(rig.gpu.cursor(0), Some((UPDATE, (1, 2), resource, (3, 5))));
        assert_eq!(rig.gpu.pixels(resource).unwrap()[6], 8);
        assert_eq!(rig.gpu.resources(), 1);
    });
}

/// Nobody waits for them, and nobody is there to look after them.
#[ktest]
fn a_cursor_moves_more_often_than_the_queue_has_entries() {
    everywhere(|rig| {
        rig.screen.set_cursor(&image(9), 0, 0).unwrap();
        for x in 1..200 {
            rig.screen.move_cursor(x, 2 * x).unwrap();
            assert_eq!(rig.gpu.cursor(0).unwrap().1, (x, 2 * x));
        }
    });
}
