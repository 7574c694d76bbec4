//! What Hookwright does, end to end, through the real binary.

mod access;
mod author;
mod bundled;
mod canaries;
mod cloudevents;
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
mod moving_in;
mod openapi;
mod operations;
mod pace;
mod pages;
mod plugin_swaps;
mod plugins;
mod plugins_api;
mod receivers;
mod refusals;
mod reload;
mod replay;
mod retention;
mod senders;
mod shutdown;
mod signatures;
mod sources;
mod terminal;
mod torture;
mod trust;
mod versions;
mod webhooks;
