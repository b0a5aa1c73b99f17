//! Running kubectl: what a user would type is also the best description of what a test does.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::Error;

/// What one run of kubectl printed, and whether it succeeded. A failure is an answer too ("forbidden" is what an RBAC
/// test wants to see); [`KubectlOutput::into_success`] turns it into an error.
#[derive(Debug, Clone)]
#[must_use = "a failed kubectl is not an error until `into_success` is called"]
pub struct KubectlOutput {
    /// The arguments, for messages.
    pub arguments: String,
    /// The exit status.
    pub status: ExitStatus,
    /// What went to stdout.
    pub stdout: String,
    /// What went to stderr.
    pub stderr: String,
}

impl KubectlOutput {
    /// Whether kubectl exited with 0.
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// What kubectl printed to stdout.
    ///
    /// # Errors
    /// [`Error::Kubectl`] with what it printed to stderr, if it failed.
    pub fn into_success(self) -> Result<String, Error> {
        if self.success() {
            return Ok(self.stdout);
        }
        let message = if self.stderr.trim().is_empty() {
            self.stdout
        } else {
            self.stderr
        };
        Err(Error::Kubectl {
            arguments: self.arguments,
            message: message.trim().to_owned(),
        })
    }
}

/// What to apply.
#[derive(Debug, Clone, Copy)]
pub enum Manifest<'a> {
    /// A file, a folder of files, or a folder with a `kustomization.yaml`.
    Path(&'a Path),
    /// The text itself: one or more YAML documents.
    Yaml(&'a str),
}

impl<'a> From<&'a Path> for Manifest<'a> {
    fn from(path: &'a Path) -> Self {
        Self::Path(path)
    }
}

impl<'a> From<&'a PathBuf> for Manifest<'a> {
    fn from(path: &'a PathBuf) -> Self {
        Self::Path(path)
    }
}

impl<'a> From<&'a str> for Manifest<'a> {
    fn from(yaml: &'a str) -> Self {
        Self::Yaml(yaml)
    }
}

impl<'a> From<&'a String> for Manifest<'a> {
    fn from(yaml: &'a String) -> Self {
        Self::Yaml(yaml)
    }
}

impl Manifest<'_> {
    /// The flag that names it, and what goes to kubectl's stdin.
    pub(crate) fn source(&self) -> (Vec<OsString>, Option<&str>) {
        match self {
            Self::Path(path) => {
                let kustomized = path.join("kustomization.yaml").is_file();
                (
                    vec![if kustomized { "-k" } else { "-f" }.into(), path.into()],
                    None,
                )
            }
            Self::Yaml(yaml) => (vec!["-f".into(), "-".into()], Some(yaml)),
        }
    }
}

/// How kubectl is called.
#[derive(Debug)]
pub struct Kubectl {
    pub program: PathBuf,
    /// For its discovery cache, which would otherwise go to the user's home.
    pub cache: PathBuf,
}

impl Kubectl {
    pub async fn run(
        &self,
        kubeconfig: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        input: Option<&str>,
    ) -> Result<KubectlOutput, Error> {
        let arguments: Vec<OsString> = arguments
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .collect();
        let described = arguments.join(OsStr::new(" ")).to_string_lossy().into_owned();
        let mut command = Command::new(&self.program);
        command
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(&arguments)
            // What a user has configured for kubectl must not change a test.
            .env_remove("KUBECONFIG")
            .env("KUBERC", "off")
            .env("KUBECACHEDIR", &self.cache)
            .stdin(if input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .map_err(Error::io(format!("run {}", self.program.display())))?;
        let stdin = child.stdin.take();
        let feed = async {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // kubectl may stop reading early; its exit status then tells why better than a broken pipe does.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        // Fed and read at the same time: neither side may wait for the other with a full pipe.
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        let output = output.map_err(Error::io(format!("run kubectl {described}")))?;
        Ok(KubectlOutput {
            arguments: described,
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_run_becomes_an_error_that_quotes_what_was_said_and_asked() {
        let folder = crate::folder::Folder::create().unwrap();
        let kubectl = Kubectl {
            program: "/bin/sh".into(),
            cache: folder.path().into(),
        };
        let output = kubectl
            .run(Path::new("missing"), ["get", "pods"], None)
            .await
            .unwrap();
        assert!(!output.success());
        let message = output.into_success().unwrap_err().to_string();
        assert!(message.starts_with("kubectl get pods: "), "{message}");
    }

    #[test]
    fn manifests_are_named_by_file_by_kustomization_or_by_stdin() {
        let folder = crate::folder::Folder::create().unwrap();
        let path = folder.path().to_owned();
        assert_eq!(
            Manifest::from(&path).source().0,
            ["-f".as_ref(), path.as_os_str()]
        );
        folder.write("kustomization.yaml", "resources: []").unwrap();
        assert_eq!(
            Manifest::from(&path).source().0,
            ["-k".as_ref(), path.as_os_str()]
        );
        assert_eq!(
            Manifest::from("kind: Secret").source(),
            (vec!["-f".into(), "-".into()], Some("kind: Secret"))
        );
    }
}
