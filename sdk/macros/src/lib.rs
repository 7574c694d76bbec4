//! The attributes of `hookwright-sdk`. Documented there: depend on that crate, not on this one.

mod config;
mod expand;

use proc_macro::TokenStream;

/// Makes a function the plugin of its crate.
#[proc_macro_attribute]
pub fn plugin(attributes: TokenStream, item: TokenStream) -> TokenStream {
    expand::plugin(attributes.into(), &item.into()).into()
}

/// Makes a type a plugin's config, or a part of it.
#[proc_macro_attribute]
pub fn config(attributes: TokenStream, item: TokenStream) -> TokenStream {
    config::config(&attributes.into(), &item.into()).into()
}
