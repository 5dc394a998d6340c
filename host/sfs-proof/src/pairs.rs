//! Every sequence of two operations out of twelve kinds on three names, on several trees.

use std::sync::OnceLock;

use fastrand::Rng;

use crate::{
    aftermath::words,
    counts::Counts,
    cuts::cut_everywhere,
    disk::{Disk, Image},
    model::{Op, Path, State},
    session::{Session, play},
    start,
};

/// The names; the third lies in the second, where that is a directory.
const NAMES: [&str; 3] = ["a", "b", "b/c"];
/// Blocks of the file system.
const BLOCKS: u32 = 48;
/// Random subsets of the unsafe sectors for each sequence, apart from all subsets where they are few.
const SUBSETS: usize = 3;
/// So many subsets are few.
const FEW: usize = 64;
/// The number of trees from which the sequences start.
const TREES: usize = 5;

/// A prime that does not divide the number of sequences.
const SPREAD: u64 = 7919;

/// The trial for each number.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The content of the disk before.
    pub image: Image,
    /// Its tree.
    pub state: State,
    /// The operations, with a sync at the end and perhaps between them.
    pub ops: Vec<Op>,
}

/// The number of sequences.
pub fn count() -> u64 {
    let kinds = kinds().len();
    (kinds * kinds * 2 * TREES) as u64
}

/// The sequence of this number.
///
/// # Errors
///
/// Words on why the tree to start from could not be made.
pub fn pair(number: u64) -> Result<Pair, String> {
    static KINDS: OnceLock<Vec<Op>> = OnceLock::new();
    let kinds = KINDS.get_or_init(kinds);
    // Numbers in a row are of all sorts, so that a few of them tell something.
    let mut rest = (number * SPREAD % count()) as usize;
    let mut digit = |base| {
        let digit = rest % base;
        rest /= base;
        digit
    };
    let (first, second) = (kinds[digit(kinds.len())].clone(), kinds[digit(kinds.len())].clone());
    let between = digit(2) == 1;
    let (image, state) = tree(digit(TREES))?;
    let sync = between.then_some(Op::Sync);
    let ops = [first].into_iter().chain(sync).chain([second, Op::Sync]).collect();
    Ok(Pair { image, state, ops })
}

impl Pair {
    /// Plays it on a disk that writes down everything.
    ///
    /// # Errors
    ///
    /// Words on a difference to the model.
    pub fn play(&self) -> Result<Session, String> {
        let mut ops = self.ops.iter().cloned();
        play(&Disk::new(self.image.clone()), self.state.clone(), true, &mut |_| ops.next())
            .map_err(|(_, what)| format!("{}: {what}", words(&self.ops)))
    }
}

/// One sequence, with all its cuts.
///
/// # Errors
///
/// Words on the first thing that is not as it must be.
pub fn case(number: u64) -> Result<Counts, String> {
    let pair = pair(number)?;
    let session = pair.play()?;
    let mut counts = Counts::default();
    counts.add("sequences");
    cut_everywhere(&session, 40, SUBSETS, number, &mut counts)
        .and_then(|()| cut_in_all_ways(&session, number, &mut counts))
        .map_err(|what| format!("{}\n  {what}", words(&pair.ops)))?;
    Ok(counts)
}

/// Tries all subsets of the unsafe sectors before each flush, where they are few: the commits.
fn cut_in_all_ways(session: &Session, seed: u64, counts: &mut Counts) -> Result<(), String> {
    use crate::{
        aftermath::{Depth, after_cut},
        judge::possible,
    };
    let mut rng = Rng::with_seed(seed);
    for position in session.log.before_flushes() {
        for kept in session.log.all(position, FEW).into_iter().flatten() {
            let image = session.log.left(position, &kept);
            let states = possible(session, position);
            after_cut(&image, states, Depth::Usual, &mut rng, counts)
                .map_err(|what| format!("cut at {position}, kept {kept:?}: {what}"))?;
            counts.add("cuts with every subset");
        }
    }
    Ok(())
}

/// Twelve kinds of operations, on each of the names and each two of them.
fn kinds() -> Vec<Op> {
    let paths = || NAMES.map(Path::new).into_iter();
    let one = paths().flat_map(|path| {
        [
            Op::Create(path.clone()),
            Op::Mkdir(path.clone()),
            Op::Unlink(path.clone()),
            Op::Rmdir(path.clone()),
            Op::Symlink(path.clone(), "target".into()),
            Op::Truncate(path.clone(), 10),
            Op::Truncate(path.clone(), 6000),
            Op::Write(path.clone(), 100, 700, 3),
            Op::Write(path.clone(), 4000, 5000, 4),
            Op::Fsync(path),
        ]
    });
    let two = paths().flat_map(|old| {
        paths()
            .flat_map(move |new| [Op::Rename(old.clone(), new.clone()), Op::Link(old.clone(), new)])
    });
    one.chain(two).collect()
}

/// A tree to start from.
fn tree(number: usize) -> Result<(Image, State), String> {
    static TREES_MADE: OnceLock<Vec<Result<(Image, State), String>>> = OnceLock::new();
    let made = TREES_MADE.get_or_init(|| {
        let [a, b, c] = NAMES.map(Path::new);
        let write = |path: &Path| Op::Write(path.clone(), 0, 5000, 9);
        let trees: [Vec<Op>; TREES] = [
            vec![Op::Mkdir(b.clone())],
            vec![
                Op::Create(a.clone()),
                write(&a),
                Op::Mkdir(b.clone()),
                Op::Create(c.clone()),
                write(&c),
            ],
            vec![Op::Mkdir(a.clone()), Op::Mkdir(b.clone()), Op::Mkdir(c.clone())],
            vec![
                Op::Create(a.clone()),
                write(&a),
                Op::Mkdir(b.clone()),
                Op::Link(a.clone(), c.clone()),
            ],
            // The root has so many names that an entry lies in two blocks and the last one in the second.
            (0..14)
                .map(|number| Op::Create(Path::new(&format!("n{number}"))))
                .chain([Op::Create(a.clone()), Op::Mkdir(b), Op::Create(c)])
                .collect(),
        ];
        let make = |ops: Vec<Op>| {
            let mut ops = ops.into_iter();
            start::after(start::fresh(BLOCKS)?, &mut |_| ops.next())
        };
        trees.into_iter().map(make).collect()
    });
    made[number].clone()
}
