//! When a webhook's deliveries go out: `rateLimit`, `order`, `debounce`, `retry.disableAfter`.

use std::num::NonZeroU32;
use std::time::Duration;

use super::node::{Fields, Keys, Node};
use crate::pointer::Pointer;
use crate::webhook::{DebounceRule, Grouping, Order, RateLimit, Stuck};

const ORDER: Keys = Keys { known: &["by", "onStuck"], later: &[] };
const ON_STUCK: Keys = Keys { known: &["failed", "held"], later: &[] };
const DEBOUNCE: Keys = Keys { known: &["window", "key", "maxWait"], later: &[] };

/// The starts of so many attempts are remembered.
const MAX_RATE: u32 = 10_000;
/// When a window writes no longest wait, it is this many times its quiet time.
const MAX_WAIT_WINDOWS: u32 = 10;
const LONGEST_WINDOW: Duration = Duration::from_hours(1);
const LONGEST_WAIT: Duration = Duration::from_hours(24);

pub(super) fn read(fields: &Fields<'_>) -> (Option<RateLimit>, Option<Order>, Option<DebounceRule>) {
    let rate_limit = fields.get("rateLimit").and_then(|node| read_rate(&node));
    let order = fields.get("order").and_then(|node| read_order(&node));
    let debounce_node = fields.get("debounce");
    let debounce = debounce_node.as_ref().and_then(read_debounce);
    if let (Some(node), Some(_)) = (debounce_node, &order) {
        node.refuse_missing(
            "expected either order or debounce, not both: of a debounced group only the newest event is sent, so there \
             is nothing to put in order",
        );
    }
    (rate_limit, order, debounce)
}

/// `"10/s"`: at most so many attempts in any second, minute or hour.
fn read_rate(node: &Node<'_>) -> Option<RateLimit> {
    let rate = parse_rate(&node.text_of("a rate such as \"10/s\"")?.text);
    if rate.is_none() {
        node.refuse(format_args!(
            "expected attempts per second, minute or hour, such as \"10/s\", \"600/m\" or \"1000/h\", at most {MAX_RATE}"
        ));
    }
    rate
}

fn parse_rate(text: &str) -> Option<RateLimit> {
    let (count, unit) = text.split_once('/')?;
    let per = match unit {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        _ => return None,
    };
    if !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count = count.parse::<NonZeroU32>().ok().filter(|count| count.get() <= MAX_RATE)?;
    Some(RateLimit { count, per })
}

/// `"webhook"`, a JSON Pointer, or an object that also says what a stuck delivery does; `"none"` is the default.
fn read_order(node: &Node<'_>) -> Option<Order> {
    let defaults = |by| Order { by, failed: Stuck::Continue, held: Stuck::Block };
    if node.is_text() {
        if node.text()?.text == "none" {
            return None;
        }
        return read_grouping(node).map(defaults);
    }
    let fields = node.fields(&ORDER)?;
    let by = fields.require("by", "\"webhook\" or a JSON Pointer such as /entry/documentId");
    let on_stuck = fields.section("onStuck", &ON_STUCK);
    let choices = [("continue", Stuck::Continue), ("block", Stuck::Block)];
    let stuck = |key, default| on_stuck.get(key).and_then(|node| node.choice(&choices)).unwrap_or(default);
    let (failed, held) = (stuck("failed", Stuck::Continue), stuck("held", Stuck::Block));
    Some(Order { by: read_grouping(&by?)?, failed, held })
}

fn read_grouping(node: &Node<'_>) -> Option<Grouping> {
    let text = node.text_of("\"webhook\" or a JSON Pointer such as \"/entry/documentId\"")?.text;
    if text == "webhook" {
        return Some(Grouping::Webhook);
    }
    match text.parse::<Pointer>() {
        Ok(pointer) if !text.is_empty() => Some(Grouping::Value(pointer)),
        _ => {
            node.refuse("expected \"webhook\" or a JSON Pointer such as \"/entry/documentId\"");
            None
        }
    }
}

fn read_debounce(node: &Node<'_>) -> Option<DebounceRule> {
    let fields = node.fields(&DEBOUNCE)?;
    let window = fields.require("window", "the quiet time after the last event, such as \"30s\"");
    let window = window.and_then(|node| node.duration(Duration::from_millis(100)..=LONGEST_WINDOW, "100ms to 1h"));
    let key = fields.get("key").map_or(Some(Grouping::Webhook), |node| read_grouping(&node));
    let max_wait = fields.get("maxWait").map(|node| (node.duration(Duration::ZERO..=LONGEST_WAIT, "0s to 24h"), node));
    let (window, key) = (window?, key?);
    let max_wait = match max_wait {
        None => (window * MAX_WAIT_WINDOWS).min(LONGEST_WAIT),
        Some((Some(wait), node)) if wait < window => {
            node.refuse("expected a longest wait that is not shorter than the window");
            return None;
        }
        Some((wait, _)) => wait?,
    };
    Some(DebounceRule { key, window, max_wait })
}

/// `"5d"`; none: `"never"`, or not usable.
pub(super) fn read_disable_after(node: &Node<'_>) -> Option<Duration> {
    if node.is_text() && node.text()?.text == "never" {
        return None;
    }
    node.duration(Duration::from_mins(1)..=crate::duration::LONGEST, "1m to 365d, or \"never\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_a_count_and_a_unit() {
        let rate = |count, secs| {
            Some(RateLimit { count: NonZeroU32::new(count).expect("not zero"), per: Duration::from_secs(secs) })
        };
        assert_eq!(parse_rate("10/s"), rate(10, 1));
        assert_eq!(parse_rate("10000/h"), rate(10_000, 3600));
        for bad in ["", "10", "/s", "0/s", "10/d", "10001/s", "+1/s", "1.5/s", "10/s/m", "99999999999/m"] {
            assert_eq!(parse_rate(bad), None, "{bad}");
        }
    }
}
