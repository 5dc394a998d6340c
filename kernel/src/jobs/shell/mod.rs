//! `job=shell`.

mod editor;
mod keys;
mod line;
mod parse;
