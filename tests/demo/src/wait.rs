//! Waiting for a condition, with a deadline and a sign of life.

use std::time::{Duration, Instant};

use crate::check::Teller;
use crate::failure::Failure;

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(200);

/// Looks again and again until the condition holds: `look` gives `Ok` with what was waited for, or `Err` with what is
/// there instead.
///
/// A step is about the product, not about this machine's speed: the limits are generous, and only a wait that is in
/// vain reaches them.
pub async fn until<T>(
    teller: &Teller,
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Result<T, String>, Failure>,
) -> Result<T, Failure> {
    teller.waiting(what);
    let began = Instant::now();
    let mut dots = 0;
    loop {
        let seen = look().await;
        let (seconds, passed) = (began.elapsed().as_secs(), began.elapsed().as_secs_f64());
        match seen {
            Ok(Ok(found)) => {
                teller.waited(passed);
                return Ok(found);
            }
            Err(failure) => {
                teller.waited(passed);
                return Err(failure);
            }
            Ok(Err(seen)) if began.elapsed() >= within => {
                teller.waited(passed);
                return Err(Failure::TooLate {
                    what: what.to_owned(),
                    seconds: within.as_secs(),
                    seen,
                });
            }
            Ok(Err(_)) => {}
        }
        if seconds > dots {
            teller.dot();
            dots = seconds;
        }
        tokio::time::sleep(POLL).await;
    }
}
