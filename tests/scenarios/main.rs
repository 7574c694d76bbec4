//! What Hookwright does, end to end, through the real binary.

mod configuration;
mod crash;
mod delivery;
mod file_changes;
mod hostile;
mod plugin_swaps;
mod plugins;
mod refusals;
mod reload;
mod senders;
mod terminal;
