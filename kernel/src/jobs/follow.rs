//! Pictures that stay on their screen while the machine is held.

use core::time::Duration;

use display::{Error, Framebuffer};

use crate::task::{self, SpawnError};

/// The time between two looks at the size of the screen.
const LOOK: Duration = Duration::from_millis(20);

/// Has a task call `show` each time that the screen has got another size, for as long as the machine runs. The
/// framebuffer has that size then.
///
/// # Errors
///
/// There is no memory for the task.
pub(super) fn spawn(
    name: &'static str,
    mut framebuffer: Framebuffer,
    mut show: impl FnMut(&mut Framebuffer) -> Result<(), Error> + Send + 'static,
) -> Result<(), SpawnError> {
    let follow = move || {
        loop {
            let shown = match framebuffer.follow_resize() {
                Ok(Some(_)) => show(&mut framebuffer),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = shown {
                log::warn!("the {name}: {error}");
                if error == Error::Dead {
                    return;
                }
            }
            task::sleep(LOOK);
        }
    };
    task::Builder::new(name).spawn(follow).map(|_| ())
}
