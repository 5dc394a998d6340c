//! A machine with a screen.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lab::{
    outcome::Outcome,
    picture::Picture,
    qemu::{
        Gpu, Monitor, Probe, Vm,
        gpu_trace::{self, Told},
    },
    vnc::Vnc,
};
use serde_json::{Value, json};

use crate::e2e::lab::{Lab, Machine};

/// The time that QEMU may take for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The registers of the device that is named first: it lands in the highest slot.
const REGISTERS: u64 = 0x1000_8000;

/// QueueNotify (VIRTIO 1.3, 4.2.2).
const QUEUE_NOTIFY: u64 = 0x50;

/// A running machine, and the ways to look at its screen.
pub struct Screen<'a> {
    lab: &'a Lab<'a>,
    vm: Vm,
    monitor: Monitor,
    /// The times that a queue was broken.
    broken: usize,
}

impl<'a> Screen<'a> {
    /// Boots a machine with this GPU, has it do a job, and holds it. The VNC server shows the first output.
    pub fn start(lab: &'a Lab<'a>, gpu: &Gpu, job: &str) -> Result<Self> {
        let machine = lab.machine().gpu(gpu);
        let mut screen = Self::boot(lab, machine, 0, &format!("job={job} hold=on"))?;
        if !screen.vm.wait_for_verdict()? {
            bail!(screen.vm.finish()?.complaint("the job should have succeeded"));
        }
        Ok(screen)
    }

    /// Boots a machine that has a GPU, and waits until its job has printed a line that begins with `ready`.
    pub fn start_job(
        lab: &'a Lab<'a>,
        machine: Machine<'_>,
        job: &str,
        ready: &str,
    ) -> Result<Self> {
        let mut screen = Self::boot(lab, machine, 0, &format!("job={job}"))?;
        screen.wait_for_line(ready)?;
        Ok(screen)
    }

    /// The same, but before the machine runs, a display of this size is connected to its second output, which the VNC
    /// server shows.
    pub fn start_job_on_second(
        lab: &'a Lab<'a>,
        machine: Machine<'_>,
        size: (u32, u32),
        job: &str,
        ready: &str,
    ) -> Result<Self> {
        let machine = machine.options(["-S".to_owned()]);
        let mut screen = Self::boot(lab, machine, 1, &format!("job={job}"))?;
        screen.vnc()?.resize(size.0 as u16, size.1 as u16)?;
        screen.monitor.execute("cont", json!({}))?;
        screen.wait_for_line(ready)?;
        Ok(screen)
    }

    /// The VNC server shows `output`.
    fn boot(
        lab: &'a Lab<'a>,
        machine: Machine<'_>,
        output: u32,
        command_line: &str,
    ) -> Result<Self> {
        let machine = machine
            .options(Gpu::vnc_options(&lab.file("vnc"), output))
            .options(gpu_trace::options(&lab.file("trace")))
            .options(Probe::options(&lab.file("probe")));
        let mut vm = machine.start(command_line)?;
        let monitor = vm.monitor()?;
        Ok(Self { lab, vm, monitor, broken: 0 })
    }

    /// Waits until the kernel has printed a line that begins so.
    pub fn wait_for_line(&mut self, start: &str) -> Result<()> {
        let what = format!("{start:?} was printed");
        Ok(self.vm.wait_until(&what, |text| text.lines().any(|line| line.starts_with(start)))?)
    }

    /// Has the input devices send a group of events.
    pub fn send(&mut self, events: &[Value]) -> Result<()> {
        self.monitor.execute("input-send-event", json!({ "events": events }))?;
        Ok(())
    }

    /// Types on the machine's console.
    pub fn type_in(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.vm.type_in(bytes)?)
    }

    /// Waits for the machine's own end.
    pub fn finish(self) -> Result<Outcome> {
        Ok(self.vm.finish()?)
    }

    /// A client of the machine's VNC server.
    pub fn vnc(&self) -> Result<Vnc> {
        Ok(Vnc::connect(&self.lab.file("vnc"), PATIENCE)?)
    }

    /// All that the driver has told the device.
    pub fn trace(&self) -> Result<Vec<Told>> {
        gpu_trace::read(&self.lab.file("trace")).context("QEMU wrote no trace")
    }

    /// The picture that the guest shows on an output.
    pub fn picture(&mut self, output: u32) -> Result<Picture> {
        let picture = self.monitor.screen(output, &self.lab.file("screen.png"))?;
        // Otherwise QEMU shows a picture of its own.
        let shown = gpu_trace::shown(&self.trace()?, output);
        ensure!(
            shown == Some(picture.size()),
            "QEMU shows {:?} pixels on output {output}, and the guest {shown:?}",
            picture.size()
        );
        Ok(picture)
    }

    /// Checks that the guest shows nothing on an output.
    pub fn expect_nothing(&self, output: u32) -> Result<()> {
        let shown = gpu_trace::shown(&self.trace()?, output);
        ensure!(shown.is_none(), "the guest shows {shown:?} pixels on output {output}");
        Ok(())
    }

    /// Checks each pixel of an output.
    pub fn expect(&mut self, output: u32, expected: &Picture) -> Result<()> {
        let found = self.picture(output)?;
        self.compare(&found, expected)
    }

    /// Waits until each pixel of an output is as expected.
    pub fn wait_for(&mut self, output: u32, expected: &Picture) -> Result<()> {
        self.wait_until("the screen was as expected", |screen| {
            let found = screen.picture(output)?;
            Ok(found.expect(expected)?)
        })
    }

    /// Waits until the VNC client sees each pixel as expected. The server looks at the screen now and then.
    pub fn wait_for_vnc(&mut self, vnc: &mut Vnc, expected: &Picture) -> Result<()> {
        self.wait_until("the VNC client saw what was expected", |_| {
            Ok(vnc.screen()?.expect(expected)?)
        })
    }

    /// Waits until `look` finds nothing to complain about. If it always does, the last complaint is the error.
    pub fn wait_until(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        loop {
            let Err(complaint) = look(self) else { return Ok(()) };
            // One look at QEMU, and at the time.
            let mut looked = false;
            let waited =
                self.vm.wait_for(what, || std::mem::replace(&mut looked, true).then_some(()));
            waited.map_err(|error| complaint.context(error))?;
        }
    }

    /// Puts nonsense into a queue that is idle, so that the device asks for a reset: the head of a chain that the queue
    /// is too short for.
    pub fn break_queue(&mut self, queue: u64) -> Result<()> {
        self.broken += 1;
        let status = self.ask("x-query-virtio-queue-status", json!({ "queue": queue }))?;
        let field = |name: &str| status[name].as_u64().with_context(|| format!("no {name}"));
        // The index stands behind the flags, and the ring behind both (VIRTIO 1.3, 2.7.6).
        let index = field("vring-avail")? + 2;
        let size = field("vring-num")? as u16;
        let mut probe = Probe::connect(&self.lab.file("probe"), PATIENCE)?;
        let available = probe.read_u16(index)?;
        let slot = available.checked_rem(size).context("the queue has no size")?;
        probe.write_u16(index + 2 + 2 * u64::from(slot), size)?;
        probe.write_u16(index, available.wrapping_add(1))?;
        probe.write_u32(REGISTERS + QUEUE_NOTIFY, queue as u32)?;
        Ok(())
    }

    /// Waits until the kernel has restarted the device as often as a queue was broken, and the device works. The trace
    /// cannot tell: what was sent before may come late to its file.
    pub fn wait_for_restart(&mut self) -> Result<()> {
        let broken = self.broken;
        self.vm.wait_until("the GPU was restarted", |text| {
            text.matches("GPU has been reset and works again").count() >= broken
        })?;
        self.expect_working()
    }

    /// Checks that the device does what it is told, and has not given up.
    fn expect_working(&mut self) -> Result<()> {
        let status = self.ask("x-query-virtio-status", json!({}))?;
        ensure!(status["broken"] == json!(false), "the device has given up: {status}");
        Ok(())
    }

    /// A question about the GPU to QEMU.
    fn ask(&mut self, command: &str, mut arguments: Value) -> Result<Value> {
        let devices = self.monitor.execute("x-query-virtio", json!({}))?;
        let mut devices = devices.as_array().context("QEMU tells of no devices")?.iter();
        let gpu = devices.find(|device| device["name"] == "virtio-gpu");
        arguments["path"] = gpu.context("QEMU knows of no GPU")?["path"].clone();
        Ok(self.monitor.execute(command, arguments)?)
    }

    /// Ends the machine.
    pub fn end(mut self) -> Result<Outcome> {
        self.monitor.execute("quit", json!({}))?;
        let outcome = self.vm.finish()?.of_quit();
        outcome.expect_success()?;
        Ok(outcome)
    }

    /// Keeps both pictures beside the log if they differ.
    pub fn compare(&self, found: &Picture, expected: &Picture) -> Result<()> {
        let Err(difference) = found.expect(expected) else { return Ok(()) };
        let mut kept = Vec::new();
        for (picture, ending) in [(found, "found.png"), (expected, "expected.png")] {
            let path = self.lab.log().with_extension(ending);
            picture.write_png(&path)?;
            kept.push(path.display().to_string());
        }
        bail!("{difference}\n  pictures: {}", kept.join(", "))
    }
}
