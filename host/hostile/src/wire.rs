//! Stands between QEMU and the vhost-user library, and passes on every message in both directions.
//!
//! It is here for what the library cannot do. The library does not let a device say that its configuration
//! has changed, so this keeps the channel on which that is said. It hands out the interrupt of a queue only
//! when the queue runs, so this uses it earlier. And it does not let a device go away, so this hangs up.

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    net::Shutdown,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use vhost::vhost_user::message::{BackendReq, FrontendReq};

/// A message's header: request, flags and length of the payload, 4 bytes each.
const HEADER: usize = 12;
/// Longer than the payload of any message.
const MAX_PAYLOAD: usize = 0x1000;
/// The most file descriptors in a message.
const MAX_FILES: usize = 8;
/// Version 1 of the protocol, in a header's flags.
const VERSION: u32 = 1;

/// The line between QEMU and the library.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// To QEMU, for messages of the device's own accord.
    own_accord: Option<UnixStream>,
    /// The connection to QEMU.
    front: Option<UnixStream>,
    early_interrupts: bool,
    /// The names of the messages from QEMU, one after the other.
    log: Vec<String>,
}

impl Wire {
    /// Waits for QEMU at `front`, in a thread of its own, and connects it with the library at `back`.
    ///
    /// # Errors
    ///
    /// There cannot be a socket at `front`.
    pub fn listen(&self, front: &Path, back: PathBuf) -> io::Result<JoinHandle<()>> {
        let listener = UnixListener::bind(front)?;
        let wire = self.clone();
        Ok(thread::spawn(move || {
            // However the connection ends: QEMU's end is what counts.
            let _ = wire.connect(&listener, &back);
        }))
    }

    /// From now on, interrupts as soon as QEMU has said how.
    pub fn interrupt_early(&self) {
        self.lock(|state| state.early_interrupts = true);
    }

    /// Tells QEMU that the configuration has changed; it will ask for it.
    pub fn config_changed(&self) {
        let words = [u32::from(BackendReq::CONFIG_CHANGE_MSG), VERSION, 0];
        let message: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        self.lock(|state| {
            if let Some(channel) = &mut state.own_accord {
                // QEMU may have ended meanwhile.
                let _ = channel.write_all(&message);
            }
        });
    }

    /// Ends the connection.
    pub fn hang_up(&self) {
        self.lock(|state| {
            if let Some(front) = state.front.take() {
                let _ = front.shutdown(Shutdown::Both);
            }
        });
    }

    /// The messages from QEMU so far, by name.
    pub fn log(&self) -> Vec<String> {
        self.lock(|state| state.log.clone())
    }

    fn lock<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn connect(&self, listener: &UnixListener, back: &Path) -> io::Result<()> {
        let (front, _) = listener.accept()?;
        let back = UnixStream::connect(back)?;
        let handle = front.try_clone()?;
        self.lock(|state| state.front = Some(handle));
        let (mut from, mut to) = (back.try_clone()?, front.try_clone()?);
        // The answers carry no files.
        let answers = thread::spawn(move || io::copy(&mut from, &mut to));
        while let Some((message, files)) = receive(&front)? {
            self.look_at(&message, &files);
            send(&back, &message, &files)?;
        }
        back.shutdown(Shutdown::Both)?;
        let _ = answers.join();
        Ok(())
    }

    fn look_at(&self, message: &[u8], files: &[OwnedFd]) {
        let number = u32::from_le_bytes([message[0], message[1], message[2], message[3]]);
        let request = FrontendReq::try_from(number);
        self.lock(|state| {
            state.log.push(match &request {
                Ok(request) => format!("{request:?}"),
                Err(_) => format!("request {number}"),
            });
            let file = files.first().and_then(|file| file.try_clone().ok());
            match (request, file) {
                (Ok(FrontendReq::SET_BACKEND_REQ_FD), Some(file)) => {
                    state.own_accord = Some(UnixStream::from(file));
                }
                (Ok(FrontendReq::SET_VRING_CALL), Some(file)) if state.early_interrupts => {
                    let _ = File::from(file).write_all(&1u64.to_ne_bytes());
                }
                _ => {}
            }
        });
    }
}

/// Waits for a message with its files; `None` at the end.
fn receive(from: &UnixStream) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut message = vec![0; HEADER];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(
        from.as_fd(),
        &mut [IoSliceMut::new(&mut message)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut files = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            files.extend(rights);
        }
    }
    if got.bytes == 0 {
        return Ok(None);
    }
    let mut rest = from;
    rest.read_exact(&mut message[got.bytes..])?;
    let length = u32::from_le_bytes([message[8], message[9], message[10], message[11]]) as usize;
    if length > MAX_PAYLOAD {
        return Err(io::ErrorKind::InvalidData.into());
    }
    message.resize(HEADER + length, 0);
    rest.read_exact(&mut message[HEADER..])?;
    Ok(Some((message, files)))
}

fn send(to: &UnixStream, message: &[u8], files: &[OwnedFd]) -> io::Result<()> {
    let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&files));
    }
    let sent = sendmsg(to.as_fd(), &[IoSlice::new(message)], &mut control, SendFlags::NOSIGNAL)?;
    let mut rest = to;
    rest.write_all(&message[sent..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_with_their_files() {
        let (one, other) = UnixStream::pair().unwrap();
        let mut message = vec![0; HEADER];
        (message[0], message[8]) = (13, 3);
        message.extend([7, 8, 9]);
        let file = File::open("/dev/null").unwrap();
        send(&one, &message, &[file.into()]).unwrap();
        drop(one);
        let (received, files) = receive(&other).unwrap().unwrap();
        assert_eq!((received, files.len()), (message, 1));
        assert!(receive(&other).unwrap().is_none());
    }

    #[test]
    fn a_change_of_the_configuration_is_told_on_the_channel_of_the_device() {
        let (device, mut qemu) = UnixStream::pair().unwrap();
        let wire = Wire::default();
        let mut message = vec![0; HEADER];
        message[0] = 21;
        wire.look_at(&message, &[device.into()]);
        assert_eq!(wire.log(), ["SET_BACKEND_REQ_FD"]);
        wire.config_changed();
        let mut told = [0; HEADER];
        qemu.read_exact(&mut told).unwrap();
        assert_eq!(told, [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    }
}
