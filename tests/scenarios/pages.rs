//! The admin pages: who may see what, and what people do with them in a real browser.

mod browsing;
mod guard;
mod hostile;
mod looks;
mod webhooks;
