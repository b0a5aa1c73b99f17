//! The operator as a process that never outlives this one.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::failure::Failure;

/// Names the operator's binary; without it, the one beside this program is taken.
const BINARY_VARIABLE: &str = "SYNCFLOW_DEMO_OPERATOR";

/// Kills the operator when the pipe on stdin closes, which the kernel does even if we are killed with SIGKILL.
const SUPERVISE: &str = r#"exec 3<&0 </dev/null
"$@" 3<&- &
program=$!
{ read -r _ <&3; kill -KILL "$program"; } 2>/dev/null &
watcher=$!
wait "$program" 2>/dev/null
code=$?
kill "$watcher" 2>/dev/null
exit "$code""#;

/// How to start the operator, again and again.
#[derive(Debug)]
pub struct OperatorCommand {
    binary: PathBuf,
    kubeconfig: PathBuf,
    log: PathBuf,
}

/// The flags that the demo needs, as a user would type them.
const FLAGS: [&str; 7] = [
    "operator",
    // The simulators are on loopback.
    "--allow-loopback-http",
    "--listen=127.0.0.1:0",
    "--log-format=human",
    // A cured account is noticed within seconds, so that nobody has to wait for it.
    "--probe-interval=10s",
    "--secret-interval=10s",
    // As a Pod's name would be: after a crash, the same Pod goes on at once instead of waiting for the Lease to end.
    "--identity=syncflow-demo",
];

impl OperatorCommand {
    /// The binary from the environment, or the one that was built together with this program.
    pub fn find(kubeconfig: PathBuf, log: PathBuf) -> Result<Self, Failure> {
        let binary = if let Some(named) = std::env::var_os(BINARY_VARIABLE) {
            PathBuf::from(named)
        } else {
            let this = std::env::current_exe().map_err(Failure::io("find this program's folder"))?;
            this.with_file_name("syncflow")
        };
        // Opening it says better than a failed start what is wrong.
        File::open(&binary).map_err(Failure::io(format!(
            "open the operator's binary {} (build it: cargo build --package syncflow)",
            binary.display()
        )))?;
        Ok(Self {
            binary,
            kubeconfig,
            log,
        })
    }

    /// The command line, for the watcher.
    pub fn described() -> String {
        format!("syncflow {}", FLAGS.join(" "))
    }

    /// Where the operator's log is.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Starts the operator; its log goes on where an earlier one ended.
    pub fn start(&self) -> Result<Operator, Failure> {
        let open = || OpenOptions::new().create(true).append(true).open(&self.log);
        let cannot = format!("write the operator's log {}", self.log.display());
        let out = open().map_err(Failure::io(&cannot))?;
        let err = open().map_err(Failure::io(&cannot))?;
        let words = ["-c", SUPERVISE, "supervise"].map(OsString::from);
        let supervisor = Command::new("/bin/sh")
            .args(words)
            .arg(&self.binary)
            .args(FLAGS)
            // What this machine's user has set for proxies, logs or syncflow itself must not change the story.
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            // Ctrl-C in a terminal reaches us only.
            .process_group(0)
            .spawn()
            .map_err(Failure::io(format!("start {}", self.binary.display())))?;
        Ok(Operator { supervisor })
    }
}

/// A running operator. Dropping it kills it.
#[derive(Debug)]
pub struct Operator {
    supervisor: Child,
}

impl Operator {
    /// Fails if the operator has ended by itself.
    pub fn check_running(&mut self) -> Result<(), Failure> {
        match self.supervisor.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Failure::OperatorEnded(status.to_string())),
            Err(source) => Err(Failure::io("look after the operator")(source)),
        }
    }

    /// Kills the operator with SIGKILL, and returns when it is gone. A matter of milliseconds.
    pub fn kill(mut self) -> Result<(), Failure> {
        self.end().map_err(Failure::io("wait for the operator's end"))
    }

    fn end(&mut self) -> std::io::Result<()> {
        drop(self.supervisor.stdin.take());
        self.supervisor.wait().map(drop)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // The supervisor does its work without us.
        let _ = self.end();
    }
}
