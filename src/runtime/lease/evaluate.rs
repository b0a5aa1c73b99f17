//! What to do about the Lease, as a pure function of what it says.

use std::time::Duration;

/// The Lease as it was last read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Who holds it; `None` when it was given back.
    pub holder: Option<String>,
    /// For how long its holder may rely on it after a renewal.
    pub duration: Duration,
    /// Since when, by **our** monotonic clock, we have seen it unchanged. The times that a Lease states are its
    /// holder's wall clock and prove nothing to us.
    pub unchanged_since: Duration,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Take it: nobody has it, or its holder let it run out.
    Acquire,
    /// It is ours: renew it.
    Renew,
    /// Somebody else has it: look again after this long.
    Wait(Duration),
}

/// Decides. `now` is our monotonic clock; `lease` is `None` when there is no Lease object.
#[must_use]
pub fn evaluate(lease: Option<&Observed>, me: &str, now: Duration) -> Decision {
    let Some(lease) = lease else {
        return Decision::Acquire;
    };
    match lease.holder.as_deref() {
        None | Some("") => Decision::Acquire,
        Some(holder) if holder == me => Decision::Renew,
        Some(_) => {
            let runs_out = lease.unchanged_since.saturating_add(lease.duration);
            match runs_out.checked_sub(now) {
                None | Some(Duration::ZERO) => Decision::Acquire,
                Some(left) => Decision::Wait(left),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn held_by(holder: &str) -> Observed {
        Observed {
            holder: Some(holder.to_owned()),
            duration: seconds(30),
            unchanged_since: seconds(100),
        }
    }

    #[test]
    fn a_lease_that_nobody_made_or_that_was_given_back_is_taken() {
        let vacated = Observed {
            holder: None,
            ..held_by("x")
        };
        assert_eq!(evaluate(None, "me", seconds(0)), Decision::Acquire);
        assert_eq!(evaluate(Some(&vacated), "me", seconds(100)), Decision::Acquire);
        assert_eq!(
            evaluate(Some(&held_by("")), "me", seconds(100)),
            Decision::Acquire
        );
    }

    #[test]
    fn our_own_lease_is_renewed_even_when_it_looks_old() {
        assert_eq!(
            evaluate(Some(&held_by("me")), "me", seconds(500)),
            Decision::Renew
        );
    }

    #[test]
    fn another_holder_is_waited_for_until_we_have_seen_it_idle_for_its_whole_duration() {
        let other = held_by("other");
        assert_eq!(
            evaluate(Some(&other), "me", seconds(100)),
            Decision::Wait(seconds(30))
        );
        assert_eq!(
            evaluate(Some(&other), "me", seconds(129)),
            Decision::Wait(seconds(1))
        );
        assert_eq!(evaluate(Some(&other), "me", seconds(130)), Decision::Acquire);
    }
}
