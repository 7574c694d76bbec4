//! What the demo should show, and what was otherwise.

use super::gather::{Delivery, Outcomes, Posted};
use crate::cli::receiver::Signature;

/// What should become of an event at a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Delivered with another body.
    Rewritten,
    /// Delivered byte for byte.
    Untouched,
    Dropped,
}

fn expected(event_type: &str) -> &'static [(&'static str, Expected)] {
    if event_type.starts_with("entry.") {
        &[("search-index", Expected::Untouched), ("site-build", Expected::Rewritten)]
    } else {
        &[("media-cdn", Expected::Untouched), ("search-index", Expected::Dropped)]
    }
}

/// One sentence for each thing that did not go as expected.
pub(super) fn surprises(outcomes: &Outcomes) -> Vec<String> {
    outcomes.posted.iter().flat_map(surprises_of).collect()
}

fn surprises_of(posted: &Posted) -> Vec<String> {
    let expected = expected(posted.event_type);
    let mut surprises: Vec<String> = expected
        .iter()
        .filter_map(|(webhook, expected)| {
            let delivery = posted.deliveries.iter().find(|delivery| delivery.webhook == *webhook);
            let surprise = match delivery {
                None => "no delivery was made".to_owned(),
                Some(delivery) => surprise(posted, delivery, *expected)?,
            };
            Some(format!("{} → {webhook}: {surprise}", posted.event_type))
        })
        .collect();
    if posted.deliveries.len() > expected.len() {
        surprises.push(format!("{}: more deliveries than expected", posted.event_type));
    }
    surprises
}

fn surprise(posted: &Posted, delivery: &Delivery, expected: Expected) -> Option<String> {
    let wanted = if expected == Expected::Dropped { "dropped" } else { "delivered" };
    let state = delivery.state();
    if state != wanted {
        let state = if state.is_empty() { "unknown".into() } else { state };
        return Some(format!("is {state}, expected {wanted}"));
    }
    match (&delivery.received, expected) {
        (None, Expected::Dropped) => None,
        (Some(_), Expected::Dropped) => Some("was dropped and arrived all the same".into()),
        (None, _) => Some("did not arrive".into()),
        (Some(received), _) if received.signature != Signature::Good => Some(received.signature.to_string()),
        (Some(received), Expected::Untouched) if received.body != posted.body => {
            Some("arrived changed, expected it byte for byte".into())
        }
        (Some(received), Expected::Rewritten) if received.body == posted.body => {
            Some("arrived unchanged, expected it rewritten".into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::show::tests::{dropped, received};
    use super::*;

    fn outcomes(deliveries: Vec<Delivery>) -> Outcomes {
        let posted = Posted { event_type: "media.create", body: b"{}", id: "evt_1".into(), deliveries };
        Outcomes { posted: vec![posted], took: Duration::ZERO }
    }

    #[test]
    fn nothing_surprises_when_all_is_as_planned() {
        let good = vec![received("media-cdn", b"{}", Signature::Good), dropped("search-index", "not an entry")];
        assert_eq!(surprises(&outcomes(good)), [""; 0]);
    }

    #[test]
    fn each_deviation_is_named() {
        let bad = vec![received("media-cdn", b"{ }", Signature::Good)];
        assert_eq!(
            surprises(&outcomes(bad)),
            [
                "media.create → media-cdn: arrived changed, expected it byte for byte",
                "media.create → search-index: no delivery was made"
            ]
        );
        let unsigned =
            vec![received("media-cdn", b"{}", Signature::Unsigned), received("search-index", b"{}", Signature::Good)];
        assert_eq!(
            surprises(&outcomes(unsigned)),
            ["media.create → media-cdn: unsigned", "media.create → search-index: is delivered, expected dropped"]
        );
    }
}
