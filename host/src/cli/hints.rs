//! Likely misspellings of header names. They are sent as written; `check` points them out.

use crate::webhook::Headers;

/// Request headers that people write by hand.
const KNOWN: [&str; 14] = [
    "accept",
    "accept-language",
    "authorization",
    "cache-control",
    "content-language",
    "content-type",
    "cookie",
    "idempotency-key",
    "origin",
    "proxy-authorization",
    "referer",
    "user-agent",
    "x-api-key",
    "x-request-id",
];

/// One hint for each header that looks like a misspelling of a usual one.
pub(super) fn of(headers: &Headers) -> Vec<String> {
    let hint = |name: &str| {
        meant(name).map(|known| format!("the header {name} looks like a misspelling of {known}; it is sent as written"))
    };
    headers.iter().filter_map(|(name, _)| hint(name.as_str())).collect()
}

/// The usual header that `name` was probably meant to be.
fn meant(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    // Short names are near to too many others.
    let close = |known: &&str| (1..=if known.len() >= 8 { 2 } else { 1 }).contains(&distance(&name, known));
    if KNOWN.contains(&name.as_str()) { None } else { KNOWN.into_iter().find(close) }
}

/// How many letters to add, leave out, replace or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sees_the_misspellings_people_make() {
        for (name, known) in [
            ("Authroization", "authorization"),
            ("Autorization", "authorization"),
            ("Content-Typ", "content-type"),
            ("X-Api-Kye", "x-api-key"),
            ("Cokie", "cookie"),
            ("Referrer", "referer"),
        ] {
            assert_eq!(meant(name), Some(known), "{name}");
        }
        for fine in ["Authorization", "X-Site", "X-Model", "Except", "X-Api-Version", "traceparent", ""] {
            assert_eq!(meant(fine), None, "{fine}");
        }
    }

    proptest! {
        #[test]
        fn distance_is_the_same_both_ways(a in "[a-c]{0,6}", b in "[a-c]{0,6}") {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &a), 0);
        }
    }
}
