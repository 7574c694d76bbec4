//! Which stored events are tried, as people write it.

use std::str::FromStr;
use std::time::Duration;

use crate::duration;
use crate::ids::EventId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// So many, the newest.
    Last(u64),
    /// Those received within this time.
    Since(Duration),
    One(EventId),
}

/// Why a text names no events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected last:500 (so many, the newest), since:2h (received within this time), or an event's id, evt_…")]
pub struct SelectionError;

impl FromStr for Selection {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("last", count)) => match count.parse() {
                Ok(count) if count > 0 => Ok(Self::Last(count)),
                _ => Err(SelectionError),
            },
            Some(("since", age)) => duration::parse(age).map(Self::Since).map_err(|_| SelectionError),
            Some(_) => Err(SelectionError),
            None => text.parse().map(Self::One).map_err(|_| SelectionError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!("last:500".parse(), Ok(Selection::Last(500)));
        assert_eq!("since:2h".parse(), Ok(Selection::Since(Duration::from_hours(2))));
        let id = EventId::from_bytes([1; 16]);
        assert_eq!(id.to_string().parse(), Ok(Selection::One(id)));
        for bad in ["", "500", "last:", "last:0", "last:-1", "since:2", "first:5", "dlv_02081040G2081040G2081040G2"] {
            assert_eq!(bad.parse::<Selection>(), Err(SelectionError), "{bad}");
        }
    }
}
