//! The cache of a disk that loses its power: what was written and not flushed.

use std::collections::BTreeMap;

use fastrand::Rng;
use lab::image::SECTOR;

/// The content of a sector.
type Sector = [u8; SECTOR];

/// The contents that sectors have had since the last flush.
#[derive(Clone, Debug)]
pub struct Cache {
    /// By sector, the durable content and those that were written later, the oldest first; without the last one, which
    /// is on the disk.
    old: BTreeMap<u64, Vec<Sector>>,
    seed: u64,
    heeds_flushes: bool,
}

impl Cache {
    /// An empty cache. The seed says what a cut leaves of it.
    pub fn new(seed: u64) -> Self {
        Self { old: BTreeMap::new(), seed, heeds_flushes: true }
    }

    /// The same, which acknowledges flushes and does nothing.
    pub fn that_ignores_flushes(self) -> Self {
        Self { heeds_flushes: false, ..self }
    }

    /// A sector is about to be written, and holds this now.
    pub(super) fn write(&mut self, sector: u64, old: &Sector) {
        self.old.entry(sector).or_default().push(*old);
    }

    /// Makes everything durable.
    pub(super) fn flush(&mut self) {
        if self.heeds_flushes {
            self.old.clear();
        }
    }

    /// The rest of `bytes` without power: of every sector that is not durable any of its contents. Most keep the last
    /// one, or most lose it, as it comes. Returns also the number of sectors that have lost it.
    pub(super) fn cut(&self, bytes: &[u8]) -> (Vec<u8>, u64) {
        let mut random = Rng::with_seed(self.seed);
        let (mut left, mut lost) = (bytes.to_vec(), 0);
        let share = random.u32(0..=100);
        for (sector, old) in &self.old {
            let keeps = random.u32(0..100) < share;
            let place = usize::try_from(*sector).ok().and_then(|sector| sector.checked_mul(SECTOR));
            let place = place.and_then(|start| left.get_mut(start..)?.first_chunk_mut());
            if let (false, Some(content), Some(sector)) = (keeps, random.choice(old), place) {
                *sector = *content;
                lost += 1;
            }
        }
        (left, lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk of 200 sectors, all of which are written to twice.
    fn written(cache: &mut Cache) -> Vec<u8> {
        for (sector, content) in (0..200).zip([[0; SECTOR]; 200]) {
            cache.write(sector, &content);
            cache.write(sector, &[1; SECTOR]);
        }
        vec![2; 200 * SECTOR]
    }

    #[test]
    fn a_cut_leaves_any_content_since_the_last_flush() {
        let mut found = [0; 3];
        for seed in 0..20 {
            let mut cache = Cache::new(seed);
            let (left, lost) = {
                let bytes = written(&mut cache);
                cache.cut(&bytes)
            };
            let sectors = left.as_chunks::<SECTOR>().0;
            assert!(sectors.iter().all(|sector| *sector == [sector[0]; SECTOR]));
            sectors.iter().for_each(|sector| found[usize::from(sector[0])] += 1);
            assert_eq!(sectors.iter().filter(|sector| sector[0] < 2).count() as u64, lost);
        }
        assert!(found.iter().all(|count| *count > 400), "{found:?}");
    }

    #[test]
    fn a_flush_is_heeded_unless_it_is_not() {
        let mut cache = Cache::new(1);
        let bytes = written(&mut cache);
        cache.flush();
        assert_eq!(cache.cut(&bytes), (bytes.clone(), 0));
        let mut cache = Cache::new(1).that_ignores_flushes();
        let bytes = written(&mut cache);
        cache.flush();
        assert!(cache.cut(&bytes).1 > 0);
    }
}
