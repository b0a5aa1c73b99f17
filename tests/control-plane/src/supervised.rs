//! A process that ends when its starter does.
//!
//! Each program runs under a small shell script that waits for the end of a pipe which only this process holds open.
//! When this process ends, even by SIGKILL, the kernel closes the pipe, and the script kills the program and removes
//! the temporary folder. Each is a process group of its own, so that Ctrl-C in a terminal reaches the starter only,
//! which can then finish in order.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Error;
use crate::folder::Folder;

const SCRIPT: &str = include_str!("supervise.sh");

/// How much of a log an error quotes, in bytes.
const LOG_TAIL: u64 = 4096;

/// A running program and the script that watches over it.
#[derive(Debug)]
pub struct Supervised {
    name: &'static str,
    log: PathBuf,
    status: PathBuf,
    supervisor: Child,
}

impl Supervised {
    /// Starts `program`; its output goes to `NAME.log` in `folder`.
    pub fn start(
        name: &'static str,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        folder: &Folder,
    ) -> Result<Self, Error> {
        let log = folder.join(&format!("{name}.log"));
        let status = folder.join(&format!("{name}.status"));
        let supervisor = Command::new("/bin/sh")
            .args([OsStr::new("-c"), OsStr::new(SCRIPT), OsStr::new("supervise")])
            .args([log.as_os_str(), status.as_os_str(), folder.path().as_os_str()])
            .arg(program)
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!("start {}", program.display())))?;
        Ok(Self {
            name,
            log,
            status,
            supervisor,
        })
    }

    /// Fails if the program has ended by itself.
    pub fn check_running(&self) -> Result<(), Error> {
        match fs::read_to_string(&self.status) {
            Ok(code) => Err(self.failure(format!("exited with status {}", code.trim()))),
            Err(_) => Ok(()),
        }
    }

    /// An error about this program that quotes the end of its log.
    pub fn failure(&self, problem: String) -> Error {
        Error::Process {
            program: self.name,
            problem,
            log: self.log_tail(),
        }
    }

    fn log_tail(&self) -> String {
        let read = || {
            let mut file = File::open(&self.log)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
            let mut tail = Vec::new();
            file.read_to_end(&mut tail)?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&tail).trim().to_owned())
        };
        read().unwrap_or_else(|error| format!("(cannot read {}: {error})", self.log.display()))
    }

    /// Tells the supervisor to end the program, and does not wait. The folder goes with it.
    pub fn release(&mut self) {
        drop(self.supervisor.stdin.take());
    }

    /// Ends the program and waits until it is gone; a matter of milliseconds.
    pub fn end(&mut self) -> Result<(), Error> {
        self.release();
        self.supervisor
            .wait()
            .map_err(Error::io(format!("wait for the end of {}", self.name)))?;
        Ok(())
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Nothing to tell anybody from here; the supervisor does its work without us.
        let _ = self.end();
    }
}

/// `--name=value`, for the long lists of flags.
pub fn flag(name: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut flag = OsString::from(format!("--{name}="));
    flag.push(value);
    flag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, folder: &Folder) -> Supervised {
        Supervised::start("program", Path::new("/bin/sh"), ["-c", script], folder).unwrap()
    }

    fn ended(program: &Supervised) -> Error {
        loop {
            if let Err(error) = program.check_running() {
                return error;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_program_that_ends_by_itself_is_reported_with_its_status_and_log() {
        let folder = Folder::create().unwrap();
        let program = shell("echo port taken >&2; exit 7", &folder);
        let message = ended(&program).to_string();
        assert!(message.contains("exited with status 7"), "{message}");
        assert!(message.contains("port taken"), "{message}");
    }

    #[test]
    fn only_the_end_of_a_long_log_is_quoted() {
        let folder = Folder::create().unwrap();
        let program = shell("yes noise | head -n 10000; echo the reason; exit 1", &folder);
        let Error::Process { log, .. } = ended(&program) else {
            panic!("another error")
        };
        assert!(
            log.ends_with("the reason") && log.len() <= 4096,
            "{} bytes",
            log.len()
        );
    }

    #[test]
    fn ending_a_program_kills_it_and_removes_the_folder() {
        let folder = Folder::create().unwrap();
        let mut program = shell("echo $$ >pid.new; mv pid.new pid; exec sleep 1000", &folder);
        let pid = loop {
            if let Ok(pid) = fs::read_to_string(folder.join("pid")) {
                break pid.trim().to_owned();
            }
            program.check_running().unwrap();
        };
        let alive = || {
            Command::new("kill")
                .args(["-0", &pid])
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success()
        };
        assert!(alive());
        program.end().unwrap();
        assert!(!alive());
        assert!(!folder.path().exists());
    }

    #[test]
    fn a_folder_that_is_not_ours_is_never_removed() {
        let folder = Folder::create().unwrap();
        let stranger = folder.join("home");
        fs::create_dir(&stranger).unwrap();
        let finished = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "supervise"])
            .args([folder.join("log"), folder.join("status"), stranger.clone()])
            .arg("true")
            .stdin(Stdio::null())
            .status();
        finished.unwrap();
        assert!(
            folder.join("status").exists(),
            "the script did not run to its end"
        );
        assert!(stranger.exists());
    }
}
