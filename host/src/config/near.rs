//! How far two spellings are from each other.

/// Longer words are no typing mistakes of ours.
const MAX_CHARS: usize = 64;

/// The candidate a word was likely meant to be: nearest, and at most two slips away (one in short words).
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let most = if word.chars().count() < 8 { 1 } else { 2 };
    candidates
        .into_iter()
        .map(|candidate| (slips(word, candidate), candidate))
        .filter(|(slips, _)| (1..=most).contains(slips))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// Letters inserted, left out, exchanged, or swapped with their neighbour; case does not count.
fn slips(a: &str, b: &str) -> usize {
    let [a, b] = [a, b].map(|word| word.chars().take(MAX_CHARS).map(|c| c.to_ascii_lowercase()).collect::<Vec<_>>());
    // Three rows of the table: `rows[1][j]` says how far the letters of `a` so far are from the first `j` of `b`.
    let mut rows = [vec![0; b.len() + 1], (0..=b.len()).collect::<Vec<_>>()];
    for (i, left) in a.iter().enumerate() {
        let [before_last, last] = &rows;
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, right) in b.iter().enumerate() {
            let exchanged = last[j] + usize::from(left != right);
            let mut fewest = exchanged.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *right && b[j - 1] == *left {
                fewest = fewest.min(before_last[j - 1] + 1);
            }
            row.push(fewest);
        }
        let [_, last] = rows;
        rows = [last, row];
    }
    rows[1][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_kind_of_slip_once() {
        for (a, b, count) in [
            ("", "", 0),
            ("", "abc", 3),
            ("Events", "events", 0),
            ("evnts", "events", 1),
            ("eventss", "events", 1),
            ("evants", "events", 1),
            ("evetns", "events", 1),
            ("authroization", "authorization", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!((slips(a, b), slips(b, a)), (count, count), "{a} {b}");
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        let keys = ["url", "events", "concurrency"];
        assert_eq!(nearest("event", keys), Some("events"));
        assert_eq!(nearest("concurency", keys), Some("concurrency"));
        assert_eq!(nearest("uri", keys), Some("url"));
        assert_eq!(nearest("event", ["events", "entry"]), Some("events"));
        assert_eq!(nearest("headers", keys), None);
        assert_eq!(nearest("events", keys), None);
    }
}
