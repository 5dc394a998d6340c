//! The machine: the real kernel in the real QEMU, with the disk behind a socket.

use std::{
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result};
use wait_timeout::ChildExt;

use crate::device::lock;

/// What is printed behind this many bytes is not kept.
const MOST_OUTPUT: usize = 1 << 20;

/// How QEMU is started.
pub struct Machine<'a> {
    /// The program.
    pub qemu: &'a Path,
    /// The kernel's ELF file.
    pub kernel: &'a Path,
    /// The kernel's command line.
    pub command_line: &'a str,
    /// The socket of the device.
    pub socket: &'a Path,
    /// More properties of the device, with a comma before each.
    pub device: &'a str,
    /// Whether the transport is version 1.
    pub legacy: bool,
}

/// How QEMU ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this status.
    Exited(i32),
    /// It had to be ended from outside.
    Killed,
}

impl Machine<'_> {
    /// The arguments of QEMU.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "-machine",
            "virt,memory-backend=m0",
            "-m",
            "256M",
            "-object",
            // The guest's memory must be a file that the device can map.
            "memory-backend-memfd,id=m0,size=256M,share=on",
            "-nographic",
            "-no-reboot",
        ]
        .map(String::from)
        .into();
        if !self.legacy {
            arguments.extend(["-global", "virtio-mmio.force-legacy=false"].map(String::from));
        }
        arguments.extend([
            "-kernel".into(),
            self.kernel.display().to_string(),
            "-append".into(),
            self.command_line.into(),
            "-chardev".into(),
            format!("socket,id=c0,path={}", self.socket.display()),
            "-device".into(),
            format!("vhost-user-blk,chardev=c0,num-queues=1{}", self.device),
        ]);
        arguments
    }

    /// Runs it to its end, or to the limit. Returns how it ended and what was printed.
    ///
    /// # Errors
    ///
    /// QEMU cannot be started.
    pub fn run(&self, limit: Duration) -> Result<(End, String)> {
        let mut child = Command::new(self.qemu)
            .args(self.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.qemu.display()))?;
        let output = Arc::new(Mutex::new(Vec::new()));
        let readers = readers(&mut child, &output);
        let end = wait(&mut child, limit);
        for reader in readers {
            // It cannot panic: it only copies.
            let _ = reader.join();
        }
        let text = String::from_utf8_lossy(&lock(&output)).into_owned();
        Ok((end?, text))
    }
}

fn wait(child: &mut Child, limit: Duration) -> Result<End> {
    if let Some(status) = child.wait_timeout(limit)? {
        return Ok(status.code().map_or(End::Killed, End::Exited));
    }
    child.kill()?;
    child.wait()?;
    Ok(End::Killed)
}

/// Threads that collect what is printed to both outputs.
fn readers(child: &mut Child, output: &Arc<Mutex<Vec<u8>>>) -> Vec<JoinHandle<()>> {
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as _),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    let reader = |mut pipe: Box<dyn Read + Send>| {
        let output = output.clone();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut piece) {
                let mut output = lock(&output);
                let room = MOST_OUTPUT.saturating_sub(output.len());
                output.extend_from_slice(&piece[..length.min(room)]);
            }
        })
    };
    pipes.into_iter().flatten().map(reader).collect()
}
