//! What Hookwright does, end to end, through the real binary.

mod configuration;
mod crash;
mod delivery;
mod plugins;
mod refusals;
mod reload;
mod terminal;
