//! Times as people type them: how long ago, or when. All in UTC, as every time is that is shown.

use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use crate::clock::{self, Timestamp};
use crate::duration;

/// `2h` (ago), `03:00` (the last time it was, UTC), `2026-11-23` (its first moment, UTC) or `2026-11-23T20:41:15Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct When(pub(super) Timestamp);

/// What can be typed, for whoever typed something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected how long ago (2h, 7d), a time of day in UTC (03:00), a day in UTC (2026-11-23), or a time \
     (2026-11-23T20:41:15Z)"
)]
pub(crate) struct NoTime;

impl FromStr for When {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        read(text, clock::now()).map(Self).ok_or(NoTime)
    }
}

fn read(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(ago) = duration::parse(text) {
        return Some(now.before(ago));
    }
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    if let Some(time) = time_of_day(text) {
        return last_time(time, now);
    }
    let day = text.parse::<Date>().ok().filter(|_| text.len() == "2026-11-23".len());
    let moment = day.map(|day| day.to_datetime(Time::midnight()));
    in_utc(moment.or_else(|| text.parse::<DateTime>().ok().filter(|_| text.contains('T')))?)
}

/// `03:00` or `03:00:15`. Not `0300`, which a parser would take as well.
fn time_of_day(text: &str) -> Option<Time> {
    let is_one = text.contains(':') && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    is_one.then(|| text.parse().ok())?
}

/// Today, or yesterday where it is still to come.
fn last_time(time: Time, now: Timestamp) -> Option<Timestamp> {
    let today = Offset::UTC.to_datetime(jiff::Timestamp::from_millisecond(now.as_ms()).ok()?).date();
    let moment = in_utc(today.to_datetime(time))?;
    if moment <= now { Some(moment) } else { in_utc(today.yesterday().ok()?.to_datetime(time)) }
}

fn in_utc(moment: DateTime) -> Option<Timestamp> {
    Some(Timestamp::from_ms(Offset::UTC.to_timestamp(moment).ok()?.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ages_and_times_in_utc() {
        let now: Timestamp = "2026-11-23T02:30:00Z".parse().expect("a time");
        for (text, time) in [
            ("2h", "2026-11-23T00:30:00.000Z"),
            ("2026-11-23T20:41:15Z", "2026-11-23T20:41:15.000Z"),
            ("2026-11-23T20:41:15+02:00", "2026-11-23T18:41:15.000Z"),
            ("2026-11-23T20:41", "2026-11-23T20:41:00.000Z"),
            ("2026-11-23", "2026-11-23T00:00:00.000Z"),
            ("02:00", "2026-11-23T02:00:00.000Z"),
            ("03:00", "2026-11-22T03:00:00.000Z"),
            ("23:59:59", "2026-11-22T23:59:59.000Z"),
        ] {
            assert_eq!(read(text, now).map(|time| time.to_string()).as_deref(), Some(time), "{text}");
        }
        for bad in ["yesterday", "", "25:00", "3", "0300", "2026-13-01", "2026", "20261123", "03:00Z", "T03:00"] {
            assert_eq!(read(bad, now), None, "{bad}");
        }
    }
}
