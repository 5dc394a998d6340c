//! A session between the device and QEMU, carried on by the vhost-user library.

use std::{
    fs, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, anyhow};
use vhost::vhost_user::{
    Listener,
    message::{VhostUserProtocolFeatures, VhostUserVirtioFeatures},
};
use vhost_user_backend::{VhostUserBackend, VhostUserDaemon, VringRwLock};
use vm_memory::{GuestMemoryAtomic, GuestMemoryMmap};
use vmm_sys_util::{
    epoll::EventSet,
    event::{EventConsumer, EventFlag, EventNotifier, new_event_consumer_and_notifier},
};

use crate::{
    device::{config::Config, lock},
    wire::Wire,
};

/// No queue of QEMU is larger.
const MAX_QUEUE_SIZE: usize = 1024;

/// A device with one queue, behind a session. It is called from the library's threads, one at a time.
pub trait Served: Send + 'static {
    /// The device's account of a run.
    type Account;

    /// The device's description of itself.
    fn config(&self) -> Arc<Mutex<Config>>;

    /// The driver has acknowledged these features.
    fn acknowledged(&mut self, features: u64);

    /// Something happened that no correct driver, or library, does.
    fn complain(&mut self, complaint: &str);

    /// Deals with a notification, or with the start of the queue.
    fn work(&mut self, vring: &VringRwLock);

    /// The driver has reset the device: the queue is gone, and with it all that was on its way.
    fn stop(&mut self);

    /// The machine has ended: what remains is the account, and the contents of the disk.
    fn finish(&mut self) -> (Self::Account, Vec<u8>);
}

/// A device that waits for QEMU, or is connected with it.
pub struct Session<D> {
    device: Arc<Mutex<D>>,
    wire: Wire,
    front: PathBuf,
    threads: Vec<JoinHandle<()>>,
}

impl<D: Served> Session<D> {
    /// Waits for QEMU at the socket `front`; `folder` is for a socket of its own. The device is made of the
    /// guest's memory and its line to QEMU.
    ///
    /// # Errors
    ///
    /// A socket cannot be made.
    pub fn open(
        device: impl FnOnce(GuestMemoryAtomic<GuestMemoryMmap>, Wire) -> D,
        front: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let wire = Wire::default();
        let memory = GuestMemoryAtomic::new(GuestMemoryMmap::new());
        let device = device(memory.clone(), wire.clone());
        let config = device.config();
        let device = Arc::new(Mutex::new(device));
        let backend = Arc::new(Backend { device: device.clone(), config });

        let back = folder.join("back.sock");
        let mut listener =
            Listener::new(&back, true).map_err(|error| anyhow!("cannot listen: {error}"))?;
        let mut daemon = VhostUserDaemon::new("vhost-user".into(), backend, memory)
            .map_err(|error| anyhow!("cannot start the device: {error}"))?;
        let library = thread::spawn(move || {
            if daemon.start(&mut listener).is_ok() {
                // The end of the connection is an error like any other to the library.
                let _ = daemon.wait();
            }
        });
        let line = wire
            .listen(front, back)
            .with_context(|| format!("cannot listen at {}", front.display()))?;
        Ok(Self { device, wire, front: front.into(), threads: vec![line, library] })
    }

    /// Waits until QEMU has hung up.
    pub fn wait(&mut self) {
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                lock(&self.device).complain("a thread of the session panicked");
            }
        }
    }

    /// Ends the session, whether QEMU ever came or not. Returns the device's account, what is on the disk,
    /// and the names of QEMU's messages.
    pub fn close(mut self) -> (D::Account, Vec<u8>, Vec<String>) {
        // Nobody listens any more if QEMU has come, and if it has not this ends the waiting.
        drop(UnixStream::connect(&self.front));
        // Of no use any more, and in the way of the next session.
        let _ = fs::remove_file(&self.front);
        self.wire.hang_up();
        self.wait();
        let (diary, disk) = lock(&self.device).finish();
        (diary, disk, self.wire.log())
    }
}

/// The part of the session that the library calls.
struct Backend<D> {
    device: Arc<Mutex<D>>,
    config: Arc<Mutex<Config>>,
}

impl<D: Served> VhostUserBackend for Backend<D> {
    type Bitmap = ();
    type Vring = VringRwLock;

    fn num_queues(&self) -> usize {
        1
    }

    fn max_queue_size(&self) -> usize {
        MAX_QUEUE_SIZE
    }

    fn features(&self) -> u64 {
        lock(&self.config).features | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits()
    }

    fn acked_features(&self, features: u64) {
        let own = VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits();
        lock(&self.device).acknowledged(features & !own);
    }

    fn protocol_features(&self) -> VhostUserProtocolFeatures {
        VhostUserProtocolFeatures::CONFIG | VhostUserProtocolFeatures::BACKEND_REQ
    }

    fn set_event_idx(&self, _enabled: bool) {
        // The queue itself knows.
    }

    fn get_config(&self, offset: u32, size: u32) -> Vec<u8> {
        lock(&self.config).bytes(offset, size)
    }

    fn update_memory(&self, _memory: GuestMemoryAtomic<GuestMemoryMmap>) -> io::Result<()> {
        // The device holds the same handle.
        Ok(())
    }

    fn exit_event(&self, _thread: usize) -> Option<(EventConsumer, EventNotifier)> {
        new_event_consumer_and_notifier(EventFlag::NONBLOCK | EventFlag::CLOEXEC).ok()
    }

    fn stop_vring(&self, _index: u32) -> io::Result<()> {
        lock(&self.device).stop();
        Ok(())
    }

    fn handle_event(
        &self,
        _event: u16,
        _set: EventSet,
        vrings: &[VringRwLock],
        _thread: usize,
    ) -> io::Result<()> {
        if let Some(vring) = vrings.first() {
            lock(&self.device).work(vring);
        }
        Ok(())
    }
}
