//! Times as people type them: how long ago, or when.

use std::str::FromStr;

use crate::clock::{self, Timestamp};
use crate::duration;

/// `2h` (ago) or `2026-11-23T20:41:15Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct When(pub(super) Timestamp);

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ago = duration::parse(text).map(|ago| clock::now().before(ago));
        ago.or_else(|_| text.parse().map_err(drop))
            .map(Self)
            .map_err(|()| "expected how long ago, such as 2h or 7d, or a time, such as 2026-11-23T20:41:15Z")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn reads_ages_and_times() {
        let When(time) = "2026-11-23T20:41:15Z".parse().expect("a time");
        assert_eq!(time.to_string(), "2026-11-23T20:41:15.000Z");
        let When(ago) = "2h".parse().expect("an age");
        assert!(clock::now().since(ago) >= Duration::from_hours(2));
        assert!("yesterday".parse::<When>().is_err());
    }
}
