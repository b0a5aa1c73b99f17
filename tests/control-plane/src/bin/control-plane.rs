//! Starts a control plane, prints the line that points kubectl at it, and keeps it up until Ctrl-C.

use std::process::ExitCode;

use syncflow_control_plane::{ControlPlane, Error, StartOptions};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("control plane: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let signals = |source| Error::Io {
        action: "listen for signals".to_owned(),
        source,
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(signals)?;
    let end = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    };
    tokio::pin!(end);

    // A signal in mid-start drops what was started so far, which ends it.
    let control_plane = tokio::select! {
        started = ControlPlane::start(StartOptions::default()) => started?,
        () = &mut end => return Ok(()),
    };
    println!("export KUBECONFIG={}", control_plane.kubeconfig_path().display());
    eprintln!(
        "control plane: up at {}; kubectl is {}; Ctrl-C ends it and removes its data",
        control_plane.server(),
        control_plane.kubectl_path().display()
    );
    end.await;
    control_plane.stop().await
}
