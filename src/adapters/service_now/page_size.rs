//! How many rows of a table a list asks for, where the platform once broke one off.
//!
//! A list that takes longer than its quota ends in the middle, behind HTTP 200 (ServiceNow docs: Transaction quotas). It
//! is asked for again at half the size, and what went through is kept for a while: to begin with the large size each time
//! would cost the platform a minute of work for every page.

/// So many full pages at a reduced size before twice as many rows are tried again.
const PROVEN_AFTER: u32 = 8;

/// The reduced size of one table's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reduced {
    size: usize,
    good: u32,
}

impl Reduced {
    /// A page of this size went through after a larger one had been broken off.
    pub(super) const fn to(size: usize) -> Self {
        Self { size, good: 0 }
    }

    /// The size to ask for at most.
    pub(super) const fn size(self) -> usize {
        self.size
    }

    /// What holds after a full page of this size went through: `None` once the size is no longer below `wanted`.
    pub(super) const fn after_full_page(self, wanted: usize) -> Option<Self> {
        let good = self.good + 1;
        if good < PROVEN_AFTER {
            return Some(Self { good, ..self });
        }
        let size = self.size.saturating_mul(2);
        if size < wanted { Some(Self::to(size)) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reduced_page_grows_again_after_eight_that_went_through() {
        let mut reduced = Some(Reduced::to(250));
        let mut sizes = Vec::new();
        while let Some(now) = reduced {
            sizes.push(now.size());
            reduced = now.after_full_page(1000);
        }
        assert_eq!(sizes, [[250; 8], [500; 8]].concat());
    }
}
