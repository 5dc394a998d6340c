//! Pictures that stay on their screen while the machine is held.

use core::time::Duration;

use display::{Error, Framebuffer};

use super::complaints::Complaints;
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
        // A device that gives a bad size gives it at each look.
        let mut complaints = Complaints::about(name);
        loop {
            let shown = match framebuffer.follow_resize() {
                Ok(Some(_)) => show(&mut framebuffer),
                // What the last one could not show.
                Ok(None) => framebuffer.flush(),
                Err(error) => Err(error),
            };
            complaints.hear(shown);
            if shown == Err(Error::Dead) {
                return;
            }
            task::sleep(LOOK);
        }
    };
    task::Builder::new(name).spawn(follow).map(|_| ())
}
