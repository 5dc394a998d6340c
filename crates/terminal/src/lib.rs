//! A terminal on a screen.
//!
//! ```text
//!   bytes -> Terminal   a grid of cells, changed as the bytes say: text and escape sequences
//!            View       the cells that have changed, drawn to a picture
//! ```
//!
//! [`Terminal::feed`] takes bytes from anywhere, in pieces of any size: UTF-8 and the control sequences of
//! ECMA-48 that a line editor and colourful output need. [`View::draw`] brings a `DrawTarget` of
//! embedded-graphics up to date and leaves alone what is right already, so that a key that is pressed costs two
//! cells and a new line no more than its text.
//!
//! The widths of characters are those of `unicode-width`, which the shell's line editor counts with as well.
//!
//! Neither part needs an operating system, and both can be used in any context in which memory can be allocated.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod cell;
mod color;
mod font;
mod grid;
mod terminal;
mod view;

pub use self::{
    cell::{Cell, Width},
    font::CELL,
    terminal::{MOST, Position, Terminal},
    view::View,
};
