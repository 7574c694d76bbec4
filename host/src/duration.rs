//! Durations as people write them: `500ms`, `15s`, `5m`, `2h`, `1d`.

use std::time::Duration;

/// The longest duration that can be written.
pub const LONGEST: Duration = Duration::from_hours(365 * 24);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration of at most 365d, a whole number with a unit ms, s, m, h or d, such as \"15s\"")]
pub struct DurationError;

/// Reads one number with one unit.
///
/// # Errors
/// When the unit is missing or unknown, or the number is not whole or too large.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or(DurationError)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| DurationError)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(DurationError),
    };
    let duration = Duration::from_millis(number.checked_mul(unit_ms).ok_or(DurationError)?);
    if duration <= LONGEST { Ok(duration) } else { Err(DurationError) }
}

/// As [`parse`] reads it, in the largest unit that is whole.
pub fn written(duration: Duration) -> String {
    let ms = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.into_iter().find(|(unit_ms, _)| ms > 0 && ms.is_multiple_of(*unit_ms));
    let (unit_ms, unit) = unit.unwrap_or((1, "ms"));
    format!("{}{unit}", ms / unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_largest_whole_unit() {
        for (ms, text) in [(2_592_000_000, "30d"), (90_000, "90s"), (7_200_000, "2h"), (1_500, "1500ms"), (0, "0ms")] {
            assert_eq!(written(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn reads_each_unit_and_nothing_else() {
        for (text, ms) in
            [("0s", 0), ("500ms", 500), ("15s", 15_000), ("5m", 300_000), ("2h", 7_200_000), ("365d", 31_536_000_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
            assert_eq!(parse(&written(Duration::from_millis(ms))), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "15", "s", "1.5s", "-1s", "15 s", "366d", "99999999999999999999s", "１s"] {
            assert_eq!(parse(bad), Err(DurationError), "{bad}");
        }
    }
}
