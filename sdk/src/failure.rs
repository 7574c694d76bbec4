//! Why a plugin could not decide.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What a plugin returns: mostly `Result<Verdict>`.
/// ```
/// # use hookwright_sdk::{Delivery, Failure, Result, Verdict};
/// fn refuse(_: Delivery) -> Result<Verdict> {
///     Err(Failure::permanent("not today").with_code("closed"))
/// }
/// ```
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a plugin could not decide, and whether another try may help. The webhook's `onError` says what follows.
///
/// Any error becomes a permanent failure by `?`:
/// ```
/// # use hookwright_sdk::{Failure, Result};
/// fn limit(text: &str) -> Result<u32> {
///     Ok(text.parse()?)
/// }
/// assert_eq!(limit("ten"), Err(Failure::permanent("invalid digit found in string")));
/// ```
// Does not implement `Error` itself: that is what makes the conversion from any error possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether another try may help.
    pub kind: FailureKind,
    /// For people: what `hookwright why` shows.
    pub message: String,
    /// For programs: what kind of failure this is, whatever the message says.
    pub code: Option<String>,
    /// For people, shown with the delivery: names and values.
    pub annotations: Vec<(String, String)>,
}

/// Whether another try may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The same delivery would fail again.
    Permanent,
    /// Run the chain again, after this long if given.
    Retryable(Option<Duration>),
}

impl Failure {
    /// The same delivery would fail again.
    /// ```
    /// # use hookwright_sdk::{Failure, FailureKind};
    /// assert_eq!(Failure::permanent("no slug").kind, FailureKind::Permanent);
    /// ```
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Permanent, message: message.into(), code: None, annotations: Vec::new() }
    }

    /// Another try may succeed; the host chooses when.
    /// ```
    /// # use hookwright_sdk::{Failure, FailureKind};
    /// assert_eq!(Failure::retry("not yet").kind, FailureKind::Retryable(None));
    /// ```
    pub fn retry(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Retryable(None), message: message.into(), code: None, annotations: Vec::new() }
    }

    /// Another try may succeed after `delay`.
    /// ```
    /// # use hookwright_sdk::{Failure, FailureKind};
    /// # use std::time::Duration;
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(Failure::retry_after("embargo", minute).kind, FailureKind::Retryable(Some(minute)));
    /// ```
    pub fn retry_after(message: impl Into<String>, delay: Duration) -> Self {
        Self { kind: FailureKind::Retryable(Some(delay)), message: message.into(), code: None, annotations: Vec::new() }
    }

    /// With a code that stays the same while messages change: 1 to 64 lower-case letters, digits, `.`, `_` or `-`, a
    /// letter first. The host takes any other for a broken contract.
    /// ```
    /// # use hookwright_sdk::Failure;
    /// let failure = Failure::permanent("/entry/slug is not there").with_code("missing-field");
    /// assert_eq!(failure.to_string(), "/entry/slug is not there [missing-field]");
    /// ```
    #[must_use]
    pub fn with_code(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    /// Adds a named value to the delivery's log.
    /// ```
    /// # use hookwright_sdk::Failure;
    /// let failure = Failure::permanent("no slug").annotate("entry", "7");
    /// assert_eq!(failure.annotations, [("entry".to_owned(), "7".to_owned())]);
    /// ```
    #[must_use]
    pub fn annotate(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.push((name.into(), value.into()));
        self
    }

    /// Says what was being done when it failed: `context: message`.
    /// ```
    /// # use hookwright_sdk::Failure;
    /// assert_eq!(Failure::permanent("no slug").context("/entry").message, "/entry: no slug");
    /// ```
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.code.as_ref().map_or(Ok(()), |code| write!(f, " [{code}]"))
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self::permanent(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_causes() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("no limit")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }

        let failure = Failure::from(Outer("x".parse::<u8>().unwrap_err())).context("config");
        assert_eq!(failure, Failure::permanent("config: no limit: invalid digit found in string"));
    }
}
