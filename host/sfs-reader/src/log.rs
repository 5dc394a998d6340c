//! The writes and flushes of a session, and what a power cut may leave of them.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::image::{Image, Sector};

/// Something that a disk was told to do.
#[derive(Clone, Debug)]
pub enum Event {
    /// This sector got this content.
    Write(u32, Box<Sector>),
    /// All before is safe.
    Flush,
}

/// All that a disk was told to do since it had a certain content.
#[derive(Debug)]
pub struct Log {
    events: Vec<Event>,
    /// The content after each flush and at the beginning, with the number of events before.
    safe: Vec<(usize, Image)>,
}

impl Log {
    /// A log that starts from `image`.
    pub fn new(image: Image, events: Vec<Event>) -> Self {
        let mut now = image.clone();
        let mut safe = vec![(0, image)];
        for (index, event) in events.iter().enumerate() {
            match event {
                Event::Write(sector, content) => now.set_sector(*sector, content),
                Event::Flush => safe.push((index + 1, now.clone())),
            }
        }
        Self { events, safe }
    }

    /// The number of events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// True if nothing happened.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The number of sectors written.
    pub fn writes(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Write(..))).count()
    }

    /// The positions right before each flush, and the end.
    pub fn before_flushes(&self) -> Vec<usize> {
        let flushes = self.events.iter().enumerate();
        let flushes = flushes.filter(|(_, event)| matches!(event, Event::Flush));
        flushes.map(|(index, _)| index).chain([self.events.len()]).collect()
    }

    /// The content of the disk if exactly the first events are done, for every number of them. A flush changes
    /// nothing, so the position behind it is left out.
    pub fn prefixes(&self) -> impl Iterator<Item = (usize, Image)> {
        let mut now = self.safe[0].1.clone();
        let first = (0, now.clone());
        let after = self.events.iter().enumerate().filter_map(move |(index, event)| match event {
            Event::Write(sector, content) => {
                now.set_sector(*sector, content);
                Some((index + 1, now.clone()))
            }
            Event::Flush => None,
        });
        [first].into_iter().chain(after)
    }

    /// The sectors that are not safe at this position, with the events that wrote them.
    pub fn pending(&self, position: usize) -> (&Image, BTreeMap<u32, Vec<usize>>) {
        let safe = self.safe.iter().rev().find(|(start, _)| *start <= position);
        let (start, image) = safe.unwrap_or(&self.safe[0]);
        let mut sectors: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (index, event) in self.events.iter().enumerate().take(position).skip(*start) {
            if let Event::Write(sector, _) = event {
                sectors.entry(*sector).or_default().push(index);
            }
        }
        (image, sectors)
    }

    /// The content of the disk at this position if each unsafe sector is as `keep` says: as after that one of its
    /// writes, or as before all of them.
    pub fn left(&self, position: usize, keep: &BTreeMap<u32, Option<usize>>) -> Image {
        let (safe, _) = self.pending(position);
        let mut image = safe.clone();
        for index in keep.values().flatten() {
            if let Some(Event::Write(sector, content)) = self.events.get(*index) {
                image.set_sector(*sector, content);
            }
        }
        image
    }

    /// Draws for every sector that is not safe which of its writes the disk has kept.
    pub fn draw(&self, position: usize, rng: &mut Rng) -> BTreeMap<u32, Option<usize>> {
        let (_, sectors) = self.pending(position);
        // All but a few, only a few, and anything between: mistakes hide in each.
        let few = rng.usize(1..=3) as f64 / sectors.len().max(1) as f64;
        let newest = match rng.u8(0..4) {
            0 => few,
            1 => 1.0 - few,
            _ => rng.f64(),
        };
        let mut choose = |events: &Vec<usize>| {
            if rng.f64() < newest {
                return events.last().copied();
            }
            let other = rng.usize(..events.len());
            other.checked_sub(1).and_then(|index| events.get(index)).copied()
        };
        sectors.iter().map(|(sector, events)| (*sector, choose(events))).collect()
    }

    /// All ways in which a disk can have kept the unsafe sectors, if there are at most `most` of them.
    pub fn all(&self, position: usize, most: usize) -> Option<Vec<BTreeMap<u32, Option<usize>>>> {
        let (_, sectors) = self.pending(position);
        let mut ways = vec![BTreeMap::new()];
        for (sector, events) in &sectors {
            if ways.len() * (events.len() + 1) > most {
                return None;
            }
            let with = |way: &BTreeMap<_, _>, kept| {
                let mut way = way.clone();
                way.insert(*sector, kept);
                way
            };
            let kept = || [None].into_iter().chain(events.iter().copied().map(Some));
            ways = ways.iter().flat_map(|way| kept().map(|kept| with(way, kept))).collect();
        }
        Some(ways)
    }
}
