//! The jobs that the course grades by: what they leave on disks, and on screens.

use anyhow::{Context, Result, bail, ensure};
use lab::{
    image::{SECTOR, noise, put_sector},
    picture::Picture,
    qemu::{Disk, Gpu},
};
use plan::{
    changes::{Name, marked},
    lookups::Answer,
    rects::{self, Colours},
    uses::{Scene, Step, Uses},
};

use super::{Case, files::disk_with_files, lab::Lab, pictures::screen::Screen};

pub const CASES: &[Case] = &[
    Case::once("graded-lookup", lookup),
    Case::once("graded-cached", cached),
    Case::once("graded-commits", commits),
    Case::once("graded-rects", rects),
    Case::once("graded-refused-numbers", refused),
];

const SECTORS: usize = 8192;
const SEED: u64 = 23;

/// Paths that are there and one that is not, each answered in a sector of its own.
fn lookup(lab: &Lab) -> Result<()> {
    let files = disk_with_files(lab)?;
    let mut answers = noise(64, SEED);
    put_sector(&mut answers, 3, b"/rust/bin\n/nothing\n/readme.txt\n\0")?;
    let answers = lab.image("answers", answers)?;
    let machine = lab
        .machine()
        .disk(Disk::file(&files).serial("sfs"))
        .disk(Disk::new(&answers).serial("answers"));
    machine.boot("job=lookup to=answers list=3 at=20")?.expect_ok("lookup")?;
    let disk = answers.contents()?;
    let (sectors, _) = disk.as_chunks::<SECTOR>();
    let [Some(directory), Some(missing), Some(file)] =
        [20, 21, 22].map(|sector| Answer::of(&sectors[sector]))
    else {
        bail!("the job has not answered");
    };
    ensure!(matches!(directory, Answer::Found { content: [], .. }), "{directory:?}");
    ensure!(missing == Answer::Missing, "{missing:?}");
    ensure!(matches!(file, Answer::Found { content: [_, ..], .. }), "{file:?}");
    ensure!(
        disk[23 * SECTOR..] == answers.before()[23 * SECTOR..],
        "more than the answers is written"
    );
    Ok(())
}

/// All writes through the cache are on the disk, and nothing else has changed.
fn cached(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(SECTORS, SEED))?;
    let machine = lab.machine().disk(Disk::new(&image));
    machine.boot(&format!("job=cached scene=dirty seed={SEED} slots=32"))?.expect_ok("cached")?;
    let uses = Uses::new(Scene::Dirty, SEED, 32, SECTORS as u64 / 8).context("no plan")?;
    let mut wanted = image.before().to_vec();
    let (sectors, _) = wanted.as_chunks_mut::<SECTOR>();
    for step in uses {
        if let Step::Write { index, sector, .. } = step {
            plan::fill(SEED, index, sector, &mut sectors[sector as usize]);
        }
    }
    Ok(image.expect(&wanted)?)
}

/// Without the directories there is nothing to change; the mark says so.
fn commits(lab: &Lab) -> Result<()> {
    let files = disk_with_files(lab)?;
    let marks = lab.image("marks", noise(64, SEED))?;
    let machine = lab
        .machine()
        .disk(Disk::file(&files).serial("sfs"))
        .disk(Disk::new(&marks).serial("marks"));
    let line = format!("job=commits scene=create seed={SEED} count=5 mark=9 to=marks");
    let directories = [0, 1].map(|number| Name::of_directory(SEED, number));
    let outcome = machine.boot(&line)?;
    let reason = outcome.expect_failed("commits")?;
    ensure!(
        directories.iter().any(|name| reason.contains(name.as_str())),
        "the directory that is missing is not named: {reason}"
    );
    let disk = marks.contents()?;
    ensure!(marked(&disk[9 * SECTOR..10 * SECTOR]) == Some(0), "there is no first mark");
    Ok(())
}

/// Of each picture the screen shows the areas that were to be shown, and nothing else.
fn rects(lab: &Lab) -> Result<()> {
    let size = (487, 423);
    for (name, scene) in rects::Scene::ALL {
        let steps = rects::steps(scene, SEED, size).context("no plan")?;
        let colours = Colours::new(SEED, size);
        let mut expected = Picture::from_fn(size.0, size.1, |_, _| [0; 3]);
        for picture in 0..=steps.len() {
            let areas = picture.checked_sub(1).map(|step| &steps[step]);
            for (y, row) in (0..).zip(colours.rows(picture as u32)) {
                for (x, pixel) in (0..).zip(row) {
                    if areas.is_none_or(|areas| areas.iter().any(|area| area.contains(x, y))) {
                        expected.set(x, y, pixel);
                    }
                }
            }
        }
        let gpu = Gpu::new(size.0, size.1);
        let mut screen = Screen::start(lab, &gpu, &format!("rects scene={name} seed={SEED}"))?;
        screen.expect(0, &expected)?;
        screen.end()?.expect_ok("rects")?;
    }
    Ok(())
}

fn refused(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(SECTORS, SEED))?;
    for (job, parameters, word) in [
        ("cached", "seed=1 slots=8", "scene="),
        ("cached", "scene=any seed=1 slots=8", "recent"),
        ("cached", "scene=scan seed=1 slots=12", "multiple of 8"),
        ("cached", "scene=scan seed=1 slots=136", "eighth"),
        ("commits", "scene=move seed=1 count=1", "mark=N"),
        ("lookup", "list=1", "at=M"),
    ] {
        let outcome =
            lab.machine().disk(Disk::new(&image)).boot(&format!("job={job} {parameters}"))?;
        outcome.expect_failed_with(job, &[word])?;
    }
    Ok(image.expect_unchanged()?)
}
