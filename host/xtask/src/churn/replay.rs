//! The files of a thread after some of its steps.

use std::{collections::BTreeMap, ops::RangeInclusive, rc::Rc};

use plan::churn::{Action, Load, Name, Step};

/// All that is left of a thread's steps.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The file of each name.
    pub names: BTreeMap<Name, File>,
}

/// A file.
#[derive(Clone, Debug)]
pub struct File {
    /// The step that made it.
    pub number: u32,
    /// Its content.
    pub content: Rc<Vec<u8>>,
}

impl State {
    /// The state after each number of steps in the window.
    pub fn of(load: &Load, thread: u32, window: &RangeInclusive<u32>) -> Vec<Self> {
        let mut states = Vec::new();
        let mut state = Self::default();
        for step in load.steps(thread) {
            if window.contains(&step.index) {
                states.push(state.clone());
            }
            if step.index >= *window.end() {
                break;
            }
            state.apply(load, thread, step);
        }
        states
    }

    fn apply(&mut self, load: &Load, thread: u32, Step { index, action }: Step) {
        match action {
            Action::Create(name) => {
                self.names.insert(name, File { number: index, content: Rc::default() });
            }
            Action::Write { name, offset, count } => {
                let Some(file) = self.names.get(&name).cloned() else { return };
                let (mut content, offset) = (file.content.to_vec(), offset as usize);
                let end = offset + count as usize;
                content.resize(end.max(content.len()), 0);
                load.fill(thread, index, &mut content[offset..end]);
                let content = Rc::new(content);
                for other in self.names.values_mut().filter(|other| other.number == file.number) {
                    other.content = content.clone();
                }
            }
            Action::Rename { from, to } => {
                if let Some(file) = self.names.remove(&from) {
                    self.names.insert(to, file);
                }
            }
            Action::Link { old, new } => {
                if let Some(file) = self.names.get(&old).cloned() {
                    self.names.insert(new, file);
                }
            }
            Action::Remove(name) => {
                self.names.remove(&name);
            }
            Action::Fsync(_) | Action::Sync => {}
        }
    }

    /// The names in a directory.
    pub fn in_directory(&self, directory: usize) -> impl Iterator<Item = (Name, &File)> {
        let names = self.names.iter().filter(move |(name, _)| name.directory == directory);
        names.map(|(name, file)| (*name, file))
    }

    /// A file that has a name.
    pub fn file(&self, number: u32) -> Option<&File> {
        self.names.values().find(|file| file.number == number)
    }
}
