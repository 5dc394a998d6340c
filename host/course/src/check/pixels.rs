//! `job=rects` on a machine with a screen: the kernel shows areas of pictures, and the screen is taken when it is done.
//!
//! The picture on the screen comes from QEMU, and so does the list of the commands that it was given: a device that shares
//! its memory with the picture, as QEMU's does, shows what was transferred before it is told to.

mod commands;
mod compare;
mod plan;
mod screen;

#[cfg(test)]
mod tests;

use ::plan::rects::{self, Colours, Scene};
use anyhow::{Context, Result};
use lab::place::Place;
use serde::{Deserialize, Deserializer};

use self::{plan::Plan, screen::Seen};
use super::{Stand, Verdict, by_name};

/// A run of the job.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pixels {
    /// The kind of areas.
    #[serde(deserialize_with = "scene")]
    scene: Scene,
    /// The device loses its memory in the middle, and the answer to the next command does not come.
    #[serde(default)]
    forgets: bool,
}

fn scene<'de, D: Deserializer<'de>>(from: D) -> Result<Scene, D::Error> {
    by_name(from, &Scene::ALL)
}

impl Pixels {
    /// Boots once and judges.
    pub fn judge(
        &self,
        stand: &Stand<'_>,
        place: &Place,
        mut random: fastrand::Rng,
    ) -> Result<Verdict> {
        let seed = random.u64(..);
        // No multiple of anything, and not so wide that rows and columns could not be taken for each other.
        let size = (random.u32(230..250) * 2 + 1, random.u32(200..220) * 2 + 1);
        let steps = rects::steps(self.scene, seed, size).context("there are such areas")?;
        let pause = self.forgets.then(|| random.usize(2..steps.len()));
        let timeout = stand.pace.answer_limit().as_millis();
        let mut line =
            format!("job=rects scene={} seed={seed} timeout_ms={timeout}", self.scene.name());
        if let Some(pause) = pause {
            line += &format!(" pause={pause}");
        }
        let seen = screen::boot(stand, place, size, &line, self.forgets)?;
        let plan = Plan { steps, colours: Colours::new(seed, size), size };
        let finding = match seen {
            Seen::Screen { end, picture, told } => {
                compare::compare(&plan, &picture, &told).map(|finding| finding.ended(end))
            }
            Seen::Died => Some(compare::behind_the_end(&plan)),
        };
        Ok(finding.map(|mut finding| {
            // Only here does a command fail.
            if self.forgets && ["area-left-out", "flush-missing"].contains(&finding.cause) {
                finding.cause = "response-ignored";
            }
            finding
        }))
    }
}
