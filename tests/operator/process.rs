//! The operator's process.

use std::process::ExitStatus;

use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::world::PATIENCE;

/// A running operator. Dropped, it is killed.
pub struct Operator {
    child: Child,
}

impl Operator {
    /// One that was just started.
    pub const fn new(child: Child) -> Self {
        Self { child }
    }

    /// SIGKILL: no shutdown of any kind.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for it to end by itself.
    pub async fn ended(mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait())
            .await
            .expect("it ends by itself")
            .unwrap()
    }

    /// SIGTERM, and waits for the end.
    pub async fn terminate(mut self) -> ExitStatus {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(sent.success());
        timeout(PATIENCE, self.child.wait())
            .await
            .expect("it ends")
            .unwrap()
    }
}
