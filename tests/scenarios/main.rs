//! What Hookwright does, end to end, through the real binary.

mod access;
mod author;
mod bundled;
mod canaries;
// What it sees of processes is Linux's way of telling.
#[cfg(target_os = "linux")]
mod compile;
mod configuration;
mod delivery;
mod file_changes;
mod guides;
mod hostile;
mod hostile_senders;
mod languages;
mod operations;
mod pace;
mod plugin_swaps;
mod plugins;
mod receivers;
mod refusals;
mod reload;
mod replay;
mod retention;
mod senders;
mod shutdown;
mod signatures;
mod terminal;
mod torture;
mod trust;
mod versions;
mod webhooks;
