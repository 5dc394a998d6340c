//! GPUs of virtual machines, what people draw with, and the pictures on the screens.

use std::path::Path;

use serde_json::json;

use super::{Monitor, MonitorError, escaped};
use crate::picture::{Picture, PictureError};

/// The GPU's name in QEMU.
const NAME: &str = "gpu0";

/// A keyboard, as QEMU calls the device.
pub const KEYBOARD: &str = "virtio-keyboard-device";

/// A tablet, which tells places on the screen.
pub const TABLET: &str = "virtio-tablet-device";

/// A mouse, which tells movements.
pub const MOUSE: &str = "virtio-mouse-device";

/// A virtio-gpu device without 3D. A machine has one at most.
#[derive(Clone, Debug)]
pub struct Gpu {
    width: u32,
    height: u32,
    outputs: u32,
    edid: bool,
}

/// The picture on a screen is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    /// QEMU does not give it away.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// QEMU has written something else.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

impl Gpu {
    /// With one output, to which a display of this size is connected.
    pub fn new(width: u32, height: u32) -> Self {
        Self { width, height, outputs: 1, edid: true }
    }

    /// With so many outputs. QEMU connects a display to the first only, until somebody asks for a size of another
    /// ([`Vnc::resize`](crate::vnc::Vnc::resize)).
    pub fn outputs(mut self, outputs: u32) -> Self {
        self.outputs = outputs;
        self
    }

    /// Without the feature EDID: its displays do not describe themselves.
    pub fn without_edid(mut self) -> Self {
        self.edid = false;
        self
    }

    /// QEMU's options for it.
    pub fn options(&self) -> Vec<String> {
        let Self { width, height, outputs, edid } = self;
        let edid = if *edid { "on" } else { "off" };
        let device = format!(
            "virtio-gpu-device,id={NAME},xres={width},yres={height},max_outputs={outputs},edid={edid}"
        );
        vec!["-device".to_owned(), device]
    }

    /// QEMU's options for a VNC server at the Unix socket `path` that shows one of its outputs. It has no sound:
    /// QEMU would look for loudspeakers, and complain.
    pub fn vnc_options(path: &Path, output: u32) -> Vec<String> {
        let path = escaped(path);
        let server = format!("unix:{path},display={NAME},head={output},audiodev=silence");
        ["-audiodev", "none,id=silence", "-vnc", &server].map(str::to_owned).to_vec()
    }
}

impl Monitor {
    /// Takes the picture on an output of the machine's [`Gpu`], without its cursor. The file `path` holds it then,
    /// too, as PNG.
    ///
    /// On an output that the guest shows nothing on, QEMU shows a sentence of its own, in 640x480 pixels:
    /// [`gpu_trace`](super::gpu_trace) tells these apart.
    ///
    /// # Errors
    ///
    /// There is no such output, or the file cannot be written or read.
    pub fn screen(&mut self, output: u32, path: &Path) -> Result<Picture, ScreenError> {
        let arguments = json!({
            "device": NAME,
            "head": output,
            "filename": path,
            "format": "png",
        });
        self.execute("screendump", arguments)?;
        Ok(Picture::read_png(path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_has_one_display_that_describes_itself() {
        let expected = "virtio-gpu-device,id=gpu0,xres=1024,yres=768,max_outputs=1,edid=on";
        assert_eq!(Gpu::new(1024, 768).options(), ["-device", expected]);
    }

    #[test]
    fn a_gpu_with_other_properties() {
        let expected = "virtio-gpu-device,id=gpu0,xres=640,yres=480,max_outputs=2,edid=off";
        let gpu = Gpu::new(640, 480).outputs(2).without_edid();
        assert_eq!(gpu.options(), ["-device", expected]);
        let vnc = Gpu::vnc_options(Path::new("/a,b"), 1);
        let server = "unix:/a,,b,display=gpu0,head=1,audiodev=silence";
        assert_eq!(vnc, ["-audiodev", "none,id=silence", "-vnc", server]);
    }
}
