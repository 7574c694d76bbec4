//! The ways to do the work.

use std::fmt;

/// One way, set up for one payload.
pub(crate) trait Contestant {
    /// Edits the payload once; the result.
    fn call(&mut self) -> anyhow::Result<Vec<u8>>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Kind {
    Native,
    Reused,
    Fresh,
    #[value(name = "js-reused")]
    QuickJsReused,
    #[value(name = "js-fresh")]
    QuickJsFresh,
    /// A plugin in JavaScript, in a fresh instance.
    #[value(name = "javascript")]
    JavaScript,
    /// A plugin in Python, in a fresh instance.
    Python,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Native => "native",
            Self::Reused => "reused",
            Self::Fresh => "fresh",
            Self::QuickJsReused => "js reused",
            Self::QuickJsFresh => "js fresh",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        })
    }
}
