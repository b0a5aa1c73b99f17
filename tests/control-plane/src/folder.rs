//! The temporary folder that one control plane lives in.

use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Error;

/// Every folder's name starts so; the supervisor refuses to remove anything else.
pub const PREFIX: &str = "syncflow-control-plane-";

/// Distinguishes the control planes of one process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder of our own under the system's temporary folder, readable by us alone, removed on drop.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Creates it under a name nobody else uses.
    pub fn create() -> Result<Self, Error> {
        let parent = std::env::temp_dir();
        loop {
            // A folder left by a dead process with our number makes creation fail, and the next number is tried.
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::io(format!("create {}", path.display()))(source)),
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that only we may read: most of them hold keys.
    pub fn write(&self, name: &str, contents: &str) -> Result<PathBuf, Error> {
        let path = self.join(name);
        let written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(contents.as_bytes()));
        written.map_err(Error::io(format!("write {}", path.display())))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The supervisors remove it as well; whoever comes second finds nothing, which is fine.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn folders_are_distinct_private_and_removed_on_drop() {
        let first = Folder::create().unwrap();
        let second = Folder::create().unwrap();
        assert_ne!(first.path(), second.path());
        let key = first.write("key", "secret").unwrap();
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::metadata(first.path()).unwrap().permissions().mode() & 0o777,
            0o700
        );
        let path = first.path().to_owned();
        drop(first);
        assert!(!path.exists());
    }
}
