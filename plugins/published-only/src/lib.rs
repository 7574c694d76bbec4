//! Deliver published entries only.
