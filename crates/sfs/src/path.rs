//! Paths.

use super::{FileSystem, Inode, Locks, Result, Storage};

impl<S: Storage, L: Locks> FileSystem<S, L> {
    /// Returns what `path` leads to, from the root if it starts with a slash, else from `from`. Symlinks are followed.
    ///
    /// # Errors
    ///
    /// Those of [`Inode::lookup`], and [`Error::Loop`](crate::Error::Loop) after 40 symlinks.
    pub fn resolve(&self, from: &Inode<S, L>, path: &str) -> Result<Inode<S, L>, S::Error> {
        let _ = (from, path);
        todo!()
    }

    /// Returns the directory in which the last name of `path` lies or would lie, and that name. Symlinks
    /// are followed, except for the last name.
    ///
    /// # Errors
    ///
    /// Those of [`Self::resolve`], and [`Error::InvalidName`](crate::Error::InvalidName) for a path without a last name.
    pub fn resolve_parent<'p>(
        &self,
        from: &Inode<S, L>,
        path: &'p str,
    ) -> Result<(Inode<S, L>, &'p str), S::Error> {
        let _ = (from, path);
        todo!()
    }
}
