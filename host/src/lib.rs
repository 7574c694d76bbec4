//! Hookwright: a webhook dispatcher you can program.
//!
//! `docs/ARCHITECTURE.md` names the rooms and the way an event takes through them.

pub mod access;
pub mod clock;
mod cloudevent;
pub mod delivery;
pub mod destination;
pub mod difference;
pub mod duration;
pub mod event;
mod files;
pub mod ids;
mod inert;
pub mod operations;
pub mod pattern;
pub mod pointer;
pub mod secret;
pub mod signing;
pub mod size;
pub mod tasks;
pub mod throttle;
pub mod vault;
pub mod webhook;
mod when;

pub mod config;
pub mod kept;
pub mod managed;
pub mod plugin;
pub mod revision;
pub mod schemas;
pub mod store;
pub mod transform;

pub mod dispatch;
pub mod egress;
pub mod http;
pub mod intake;
pub mod reload;
pub mod replay;
pub mod rerun;
pub mod retention;
pub mod shadow;

mod author;
mod bundled;

pub mod admin;
pub mod against;
pub mod cli;
pub mod embed;
pub mod host;
pub mod why;
