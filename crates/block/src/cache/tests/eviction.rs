//! The policy alone.

use ostd::prelude::ktest;

use super::{super::eviction::Eviction, *};

#[ktest]
fn what_was_not_used_for_longest_goes_first() {
    let mut eviction = Eviction::new(8);
    assert_eq!(eviction.victim(), None);
    (0..4).for_each(|slot| eviction.insert(slot));
    eviction.insert(1);
    let order: Vec<_> = core::iter::from_fn(|| eviction.victim()).collect();
    assert_eq!(order, [0, 2, 3, 1]);
    (0..4).for_each(|slot| eviction.insert(slot));
    (0..4).for_each(|slot| eviction.touched(slot));
    eviction.touched(0);
    let order: Vec<_> = core::iter::from_fn(|| eviction.victim()).collect();
    assert_eq!(order, [1, 2, 3, 0]);
}

#[ktest]
fn what_was_removed_does_not_go() {
    let mut eviction = Eviction::new(4);
    eviction.remove(2);
    eviction.touched(2);
    assert_eq!(eviction.victim(), None);
    (0..4).for_each(|slot| eviction.insert(slot));
    eviction.touched(3);
    (2..4).for_each(|slot| eviction.remove(slot));
    eviction.remove(2);
    let order: Vec<_> = core::iter::from_fn(|| eviction.victim()).collect();
    assert_eq!(order, [0, 1]);
    eviction.insert(2);
    assert_eq!((eviction.victim(), eviction.victim()), (Some(2), None));
}

#[ktest]
fn what_is_used_once_does_not_drive_out_what_is_used_often() {
    let mut eviction = Eviction::new(8);
    (0..8).for_each(|slot| eviction.insert(slot));
    (0..4).for_each(|slot| eviction.touched(slot));
    for _ in 0..100 {
        let victim = eviction.victim().unwrap();
        assert!(victim >= 4);
        eviction.insert(victim);
    }
}

#[ktest]
fn what_was_used_often_long_ago_goes_in_the_end() {
    let mut eviction = Eviction::new(8);
    (0..8).for_each(|slot| eviction.insert(slot));
    (0..8).for_each(|slot| eviction.touched(slot));
    // Six of the eight may be proven, so the first two are back on trial.
    assert_eq!((eviction.victim(), eviction.victim()), (Some(0), Some(1)));
    (0..2).for_each(|slot| eviction.insert(slot));
    [0, 1, 0, 1].into_iter().for_each(|slot| eviction.touched(slot));
    assert_eq!((eviction.victim(), eviction.victim()), (Some(2), Some(3)));
}

/// The same rules, told without lists: the slots in the order of their last use.
#[derive(Default)]
struct Plain {
    on_trial: Vec<usize>,
    proven: Vec<usize>,
}

impl Plain {
    fn remove(&mut self, slot: usize) -> bool {
        let before = self.on_trial.len() + self.proven.len();
        self.on_trial.retain(|other| *other != slot);
        self.proven.retain(|other| *other != slot);
        before > self.on_trial.len() + self.proven.len()
    }
}

#[ktest]
fn random_calls_give_what_the_rules_say() {
    const SLOTS: usize = 12;
    let (mut eviction, mut plain) = (Eviction::new(SLOTS), Plain::default());
    let mut random = random::Random(1);
    for _ in 0..20_000 {
        let slot = random.below(SLOTS as u64) as usize;
        match random.below(8) {
            0 | 1 => {
                eviction.insert(slot);
                plain.remove(slot);
                plain.on_trial.push(slot);
            }
            2..=5 => {
                eviction.touched(slot);
                if plain.remove(slot) {
                    plain.proven.push(slot);
                }
                if plain.proven.len() > SLOTS * 3 / 4 {
                    let oldest = plain.proven.remove(0);
                    plain.on_trial.push(oldest);
                }
            }
            6 => {
                eviction.remove(slot);
                plain.remove(slot);
            }
            _ => {
                let oldest = plain.on_trial.first().or(plain.proven.first()).copied();
                oldest.map(|slot| plain.remove(slot));
                assert_eq!(eviction.victim(), oldest);
            }
        }
    }
}
