//! An author's workbench: plugins made, built, run and judged without a host. Never used by `serve`.

pub(crate) mod chain;
pub(crate) mod expected;
pub(crate) mod fixture;
pub(crate) mod krate;
pub(crate) mod layers;
pub(crate) mod replay;
pub(crate) mod scaffold;
pub(crate) mod sdk;
pub(crate) mod suite;
pub(crate) mod trial;
pub(crate) mod watch;
pub(crate) mod workbench;
