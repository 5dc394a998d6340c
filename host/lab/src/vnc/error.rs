//! Failures of a conversation with a VNC server.

use std::io;

/// The conversation with the VNC server does not go on.
#[derive(Debug, thiserror::Error)]
pub enum VncError {
    /// Nobody answers at the socket.
    #[error("the VNC server is not there")]
    NotThere(#[source] io::Error),
    /// It said nothing in time, or the connection broke.
    #[error("the VNC server is silent")]
    Silent(#[source] io::Error),
    /// It takes no more messages.
    #[error("the VNC server does not listen")]
    Deaf(#[source] io::Error),
    /// It speaks another version of the protocol.
    #[error("the VNC server says {0:?} instead of \"RFB 003.008\\n\"")]
    Version(String),
    /// It wants a password or the like.
    #[error("the VNC server offers the security types {0:?}, and 1, none, is not among them")]
    Security(Vec<u8>),
    /// It lets nobody in.
    #[error("the VNC server refuses the connection: {0}")]
    Refused(String),
    /// It sends something that was not asked for.
    #[error("the VNC server sends a message of type {0}, which is not known")]
    Message(u8),
    /// It encodes pixels in another way than it was asked to.
    #[error("the VNC server sends a rectangle with the encoding {0}, which it was not asked for")]
    Encoding(i32),
    /// It sends pixels that are not on the screen.
    #[error("the VNC server sends {size:?} pixels at {at:?} of a screen of {screen:?} pixels")]
    Outside {
        /// Width and height of the rectangle.
        size: (u16, u16),
        /// Its upper left corner.
        at: (u16, u16),
        /// Width and height of the screen.
        screen: (u32, u32),
    },
    /// It does not change the size of its screen.
    #[error("the VNC server refuses a size of {width}x{height} pixels with status {status}: {}", reason(*status))]
    Size {
        /// The width that it was asked for.
        width: u16,
        /// The height.
        height: u16,
        /// The status that it answers.
        status: u16,
    },
}

/// The names of the statuses of ExtendedDesktopSize.
fn reason(status: u16) -> &'static str {
    match status {
        1 => "resizing is prohibited",
        2 => "out of resources",
        3 => "invalid screen layout",
        _ => "not known",
    }
}
