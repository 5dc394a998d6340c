//! A tree of files as it must be after some operations: in memory, without blocks, after POSIX.
//!
//! ```text
//!   op      an operation, in words that a person can repeat
//!   answer  what it gives, or the reason for which it is refused
//!   state   the tree
//!   apply   what an operation does to it, or the reasons for which it must be refused
//!   choose  random operations that make sense
//! ```

mod answer;
mod apply;
mod choose;
mod op;
mod state;

pub use self::{
    answer::{Answer, Done, Expected, Refusal},
    choose::{Chooser, Taste},
    op::{Base, Op, Path, bytes},
    state::{Body, Id, Node, ROOT, SLOTS, State},
};
