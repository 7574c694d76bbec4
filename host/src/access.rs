//! Who may do what: the roles of tokens, and who is behind a request.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a token is good for, from least to most. Each may do what the one before it may, but `source`, which only posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Posts events to the public listener; nothing else.
    Source,
    /// Looks.
    Viewer,
    /// Changes everything but secrets and tokens.
    Operator,
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Source, Self::Viewer, Self::Operator, Self::Admin];

    /// Whether it may use what needs `needed` on the admin listener.
    pub fn may(self, needed: Self) -> bool {
        self != Self::Source && self >= needed
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// As the record of changes names it.
    pub name: String,
    pub role: Role,
    /// It holds the token of the host's own file: whoever can read that file may say who he is.
    pub is_local: bool,
}

impl Principal {
    /// Whoever holds the token in `data/admin.token`.
    pub fn local() -> Self {
        Self { name: "data/admin.token".to_owned(), role: Role::Admin, is_local: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_the_one_before_it_may_and_a_source_nothing() {
        use Role::{Admin, Operator, Source, Viewer};
        let may = |role: Role| [Viewer, Operator, Admin].map(|needed| role.may(needed));
        assert_eq!(may(Source), [false; 3]);
        assert_eq!(may(Viewer), [true, false, false]);
        assert_eq!(may(Operator), [true, true, false]);
        assert_eq!(may(Admin), [true; 3]);
    }
}
