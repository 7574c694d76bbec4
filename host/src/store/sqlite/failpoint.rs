//! Steps of the store at which a test has it fail. Only in the test binary, and there only in the processes that a test
//! starts for it: one step, one way, once.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::ffi;

mod crashes;

/// Says which step: `Commit Abort 5` fails the fifth commit.
const VARIABLE: &str = "HOOKWRIGHT_FAILPOINT";

/// Where it may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// Before the transaction.
    Begin,
    /// After the work of one call.
    Work,
    /// Before the commit.
    Commit,
    /// After the commit, before the answers. Nothing there can return an error.
    Answer,
    /// After the thread copied the log.
    Copied,
    /// Before the writer copies the rest.
    CopyRest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Error,
    Panic,
    Abort,
}

struct Armed {
    point: Point,
    act: Act,
    left: AtomicU32,
}

/// To be called at each step.
pub(super) fn reach(point: Point) -> rusqlite::Result<()> {
    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        let text = std::env::var(VARIABLE).ok()?;
        Some(Armed::parse(&text).unwrap_or_else(|| panic!("{VARIABLE}={text}: not a step")))
    });
    match &*ARMED {
        Some(armed) if armed.point == point && armed.left.fetch_sub(1, Ordering::Relaxed) == 1 => armed.act.perform(),
        _ => Ok(()),
    }
}

impl Armed {
    fn parse(text: &str) -> Option<Self> {
        let points = [Point::Begin, Point::Work, Point::Commit, Point::Answer, Point::Copied, Point::CopyRest];
        let mut words = text.split(' ');
        let [point, act, left] = [words.next()?, words.next()?, words.next()?];
        Some(Self {
            point: points.into_iter().find(|known| format!("{known:?}") == point)?,
            act: [Act::Error, Act::Panic, Act::Abort].into_iter().find(|known| format!("{known:?}") == act)?,
            left: AtomicU32::new(left.parse().ok()?),
        })
    }
}

impl Act {
    fn perform(self) -> rusqlite::Result<()> {
        match self {
            Self::Error => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), None)),
            Self::Panic => panic!("at a failpoint"),
            Self::Abort => std::process::abort(),
        }
    }
}
