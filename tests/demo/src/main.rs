//! `make demo`: the guide's story, told live with a real API server, simulated Salesforce and ServiceNow, the operator
//! and `kubectl`.
//!
//! What is expected comes from this program's own reading of the seeded records and the rules, never from the
//! operator. The exit code is 0 only if everything that was expected was seen.
//!
//! | module | what lives there |
//! |---|---|
//! | `stage` | starts and ends everything: control plane, simulators, operator |
//! | `operator` | the operator as a process that never outlives this one |
//! | `quickstart` | `examples/quickstart` with the simulators' addresses |
//! | `people` | what people do at the two services' screens |
//! | `records` | what stands in the two services, and our own reading of the rules |
//! | `check` | printing: headings, commands, expected and seen |
//! | `wait` | waiting for a condition, with a deadline and a sign of life |
//! | `story` | the steps |
//! | `failure` | why a step could not go on |

mod check;
mod failure;
mod operator;
mod people;
mod quickstart;
mod records;
mod stage;
mod story;
mod wait;

use std::io::{IsTerminal as _, stdin, stdout};
use std::process::ExitCode;
use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};

use crate::check::Teller;
use crate::failure::Failure;
use crate::stage::Stage;

#[tokio::main]
async fn main() -> ExitCode {
    let mut teller = Teller::new(stdout().is_terminal());
    match run(&mut teller).await {
        Ok(code) => code,
        Err(failure) => {
            teller.failed_outside_a_step(&failure);
            ExitCode::FAILURE
        }
    }
}

async fn run(teller: &mut Teller) -> Result<ExitCode, Failure> {
    let mut end = std::pin::pin!(ended()?);
    let began = Instant::now();
    // A signal in mid-start drops what was started so far, which ends it.
    let mut stage = tokio::select! {
        started = Stage::start(teller) => started?,
        () = &mut end => return Ok(interrupted(teller)),
    };
    tokio::select! {
        told = story::tell(&mut stage, teller, began) => told?,
        () = &mut end => {
            stage.forget_log();
            stage.stop().await?;
            return Ok(interrupted(teller));
        }
    }
    let all_seen = teller.summary();
    if all_seen {
        stage.forget_log();
    } else {
        stage.point_at_log(teller);
    }
    if stdin().is_terminal() && stdout().is_terminal() && std::env::var_os("CI").is_none() {
        stage.invite(teller);
        end.await;
    }
    stage.stop().await?;
    Ok(if all_seen {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn interrupted(teller: &Teller) -> ExitCode {
    teller.gap();
    teller.part("interrupted; everything is ended");
    ExitCode::from(130)
}

/// Ctrl-C, the end of the terminal, or a polite kill.
fn ended() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| signal(kind).map_err(Failure::io("listen for signals"));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}
