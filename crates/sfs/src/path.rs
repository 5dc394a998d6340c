//! Paths.

use alloc::{borrow::ToOwned, format};

use super::{Error, FileSystem, Inode, Kind, Locks, NameError, Result, Storage};

/// The symlinks that one path may lead through.
const LINKS_MAX: usize = 40;

impl<S: Storage, L: Locks> FileSystem<S, L> {
    /// Returns what `path` leads to, from the root if it starts with a slash, else from `from`. Symlinks are
    /// followed, also one at the end.
    ///
    /// # Errors
    ///
    /// Those of [`Inode::lookup`] and [`Inode::read_link`], [`Error::Loop`] after 40 symlinks, and
    /// [`Error::InvalidName`] for an empty path.
    pub fn resolve(&self, from: &Inode<S, L>, path: &str) -> Result<Inode<S, L>, S::Error> {
        if path.is_empty() {
            return Err(NameError::Empty.into());
        }
        let mut at = from.clone();
        let mut path = path.to_owned();
        let mut links = 0;
        loop {
            if path.starts_with('/') {
                at = self.root();
            }
            let rest = path.trim_start_matches('/');
            if rest.is_empty() {
                return Ok(at);
            }
            let (name, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let next = at.lookup(name)?;
            if next.kind() == Kind::Symlink {
                links += 1;
                if links > LINKS_MAX {
                    return Err(Error::Loop);
                }
                let target = next.read_link()?;
                if target.is_empty() {
                    return Err(Error::NotFound);
                }
                // It counts from the directory in which the symlink lies.
                path = format!("{target}{rest}");
                continue;
            }
            at = next;
            if !rest.is_empty() {
                // Also if nothing but slashes follows.
                at.expect_directory()?;
            }
            // The rest counts from here, not from the root.
            path = rest.trim_start_matches('/').to_owned();
        }
    }

    /// Returns the directory in which the last name of `path` lies or would lie, and that name. Symlinks
    /// are followed, except for the last name.
    ///
    /// # Errors
    ///
    /// Those of [`Self::resolve`], and [`Error::InvalidName`] for a path without a last name, like "/".
    pub fn resolve_parent<'p>(
        &self,
        from: &Inode<S, L>,
        path: &'p str,
    ) -> Result<(Inode<S, L>, &'p str), S::Error> {
        let path = path.trim_end_matches('/');
        let (parent, name) = match path.rfind('/') {
            Some(slash) => path.split_at(slash + 1),
            None => ("", path),
        };
        if name.is_empty() {
            return Err(NameError::Empty.into());
        }
        let parent = if parent.is_empty() { from.clone() } else { self.resolve(from, parent)? };
        parent.expect_directory()?;
        Ok((parent, name))
    }
}
