//! The program, run as a user runs it.

mod broken;
mod change;
mod hostile;
mod messages;
mod reference;
mod round_trip;
mod work;
