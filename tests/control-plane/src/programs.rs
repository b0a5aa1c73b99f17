//! Where the four programs are.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::Error;

/// The environment variable that names the folder of the installed programs. `make test` installs once, sets it, and
/// every test binary then uses that folder instead of asking `install.sh` again.
pub const INSTALLED_PROGRAMS_VARIABLE: &str = "SYNCFLOW_CONTROL_PLANE_BIN";

const ETCD: &str = "etcd";
const API_SERVER: &str = "kube-apiserver";
const CONTROLLER_MANAGER: &str = "kube-controller-manager";
const KUBECTL: &str = "kubectl";

/// The folder that holds `etcd`, `kube-apiserver`, `kube-controller-manager` and `kubectl`.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// The programs in `folder`.
    ///
    /// # Errors
    /// [`Error::MissingProgram`] if one of the four is not there.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        let folder = folder.into();
        for program in [ETCD, API_SERVER, CONTROLLER_MANAGER, KUBECTL] {
            if !folder.join(program).is_file() {
                return Err(Error::MissingProgram { program, folder });
            }
        }
        Ok(Self { folder })
    }

    /// The programs that [`INSTALLED_PROGRAMS_VARIABLE`] names, else those that `install.sh` finds, fetches or builds.
    /// The first build on a machine takes about six minutes; its progress goes to this process's stderr.
    ///
    /// # Errors
    /// [`Error::Install`] where no way is open.
    pub async fn installed() -> Result<Self, Error> {
        if let Some(folder) = std::env::var_os(INSTALLED_PROGRAMS_VARIABLE).filter(|value| !value.is_empty())
        {
            return Self::in_folder(folder);
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh");
        let output = Command::new(&script)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(Error::io(format!("run {}", script.display())))?;
        if !output.status.success() {
            return Err(Error::Install(output.status.to_string()));
        }
        Self::in_folder(String::from_utf8_lossy(&output.stdout).trim())
    }

    pub(crate) fn etcd(&self) -> PathBuf {
        self.folder.join(ETCD)
    }

    pub(crate) fn api_server(&self) -> PathBuf {
        self.folder.join(API_SERVER)
    }

    pub(crate) fn controller_manager(&self) -> PathBuf {
        self.folder.join(CONTROLLER_MANAGER)
    }

    /// The `kubectl` that fits the API server.
    pub fn kubectl(&self) -> PathBuf {
        self.folder.join(KUBECTL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_the_programs_is_refused_by_name() {
        let error = Programs::in_folder(env!("CARGO_MANIFEST_DIR")).unwrap_err();
        assert!(error.to_string().contains("etcd is not in"), "{error}");
    }
}
