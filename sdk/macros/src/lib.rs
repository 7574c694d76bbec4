//! The attribute of `hookwright-sdk`. Documented there: depend on that crate, not on this one.

mod expand;

use proc_macro::TokenStream;

/// Makes a function the plugin of its crate.
#[proc_macro_attribute]
pub fn plugin(attributes: TokenStream, item: TokenStream) -> TokenStream {
    expand::plugin(attributes.into(), &item.into()).into()
}
