//! From the author's function to the same function, plus the constant that describes it and its exports.
//!
//! Says what is wrong with the shape of a function; what is wrong with its types, the compiler says, at the type.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Expr, FnArg, Ident, ItemFn, PatType, ReturnType, Signature, Token};

const SHAPE: &str = "a plugin is `fn(delivery: Delivery) -> Result<Verdict>` \
                     or `fn(delivery: Delivery, config: Config) -> Result<Verdict>`";

/// The function as written, then the plugin or what is wrong with it.
pub(crate) fn plugin(attributes: TokenStream, item: &TokenStream) -> TokenStream {
    let plugin = described(attributes, item).unwrap_or_else(Error::into_compile_error);
    quote! {
        // Not `expect`: whether the function needs all of its shape is its own affair.
        #[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps, reason = "the shape of every plugin")]
        #item
        #plugin
    }
}

fn described(attributes: TokenStream, item: &TokenStream) -> syn::Result<TokenStream> {
    let function: ItemFn =
        syn::parse2(item.clone()).map_err(|error| Error::new(error.span(), format!("{SHAPE}: {error}")))?;
    export(&function.sig, &syn::parse2(attributes)?)
}

/// What the attribute says instead of `Cargo.toml`.
#[derive(Default)]
struct Manifest {
    name: Option<Expr>,
    description: Option<Expr>,
    config_schema: Option<Expr>,
}

impl Parse for Manifest {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let mut manifest = Self::default();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            let place = match key.to_string().as_str() {
                "name" => &mut manifest.name,
                "description" => &mut manifest.description,
                "config_schema" => &mut manifest.config_schema,
                _ => return Err(Error::new(key.span(), "expected name, description or config_schema")),
            };
            input.parse::<Token![=]>()?;
            if place.replace(input.parse()?).is_some() {
                return Err(Error::new(key.span(), format!("{key} stands twice")));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(manifest)
    }
}

/// The constant that describes the plugin, and its exports on WebAssembly. Names of its own start with `__`: the
/// function may well be called `transform`.
fn export(signature: &Signature, manifest: &Manifest) -> syn::Result<TokenStream> {
    let (delivery, config) = check(signature)?;
    let body = call(signature, delivery, config);
    let name = or_default(manifest.name.as_ref(), quote!(env!("CARGO_PKG_NAME")));
    let description = or_default(manifest.description.as_ref(), quote!(env!("CARGO_PKG_DESCRIPTION")));
    let config_schema = config_schema(manifest.config_schema.as_ref(), config);
    Ok(quote! {
        const _: () = {
            fn __transform(__delivery: ::hookwright_sdk::Delivery) -> ::hookwright_sdk::Result<::hookwright_sdk::Verdict> {
                #body
            }

            const __PLUGIN: ::hookwright_sdk::__private::Plugin = ::hookwright_sdk::__private::Plugin {
                manifest: ::hookwright_sdk::__private::Manifest {
                    name: #name,
                    version: env!("CARGO_PKG_VERSION"),
                    description: #description,
                    config_schema: || #config_schema,
                },
                transform: __transform,
            };

            // Natively nobody calls the plugin; naming it keeps the compiler from calling the function unused.
            #[cfg(not(target_family = "wasm"))]
            const _: ::hookwright_sdk::__private::Plugin = __PLUGIN;
            #[cfg(target_family = "wasm")]
            ::hookwright_sdk::__export!(__PLUGIN);
        };
    })
}

/// The arguments of a function of the right shape.
fn check(signature: &Signature) -> syn::Result<(&PatType, Option<&PatType>)> {
    let wrong = |place: &dyn ToTokens, what: &str| Err(Error::new_spanned(place, format!("{what}: {SHAPE}")));
    if let Some(token) = &signature.asyncness {
        return wrong(token, "a plugin runs to its end without waiting");
    }
    if let Some(token) = &signature.unsafety {
        return wrong(token, "a plugin is not unsafe");
    }
    if !signature.generics.params.is_empty() {
        return wrong(&signature.generics, "a plugin has no generics");
    }
    if matches!(signature.output, ReturnType::Default) {
        return wrong(&signature.ident, "the result is missing");
    }
    let mut arguments = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Typed(argument) => arguments.push(argument),
            FnArg::Receiver(receiver) => return wrong(receiver, "a plugin is a function, not a method"),
        }
    }
    match arguments[..] {
        [delivery] => Ok((delivery, None)),
        [delivery, config] => Ok((delivery, Some(config))),
        _ => wrong(&signature.ident, "one or two arguments are wanted"),
    }
}

/// Calls the function, its config read if it wants one. Spans are those of the types, so that errors point there.
fn call(signature: &Signature, delivery: &PatType, config: Option<&PatType>) -> TokenStream {
    let function = &signature.ident;
    let delivery = quote_spanned!(delivery.ty.span()=> __delivery);
    let config = config.map(|config| {
        let ty = &config.ty;
        quote_spanned!(ty.span()=> __delivery.config::<#ty>()?)
    });
    let read = config.iter().map(|config| quote!(let __config = #config;));
    let config = config.iter().map(|_| quote!(, __config));
    let call = quote_spanned!(signature.output.span()=> #function(#delivery #(#config)*));
    quote!(#(#read)* #call)
}

/// The JSON Schema of the config: as written, or that of the type if it has one.
fn config_schema(written: Option<&Expr>, config: Option<&PatType>) -> TokenStream {
    match (written, config) {
        (Some(written), _) => quote!(::std::string::String::from(#written)),
        (None, None) => quote!(::std::string::String::new()),
        // Which of the two traits has the method depends on the type: the compiler tries the one with fewer `&` first.
        (None, Some(PatType { ty, .. })) => quote! {{
            use ::hookwright_sdk::__private::{Described as _, Undescribed as _};
            (&::hookwright_sdk::__private::Config::<#ty>::TYPE).schema()
        }},
    }
}

fn or_default(written: Option<&Expr>, default: TokenStream) -> TokenStream {
    written.map_or(default, ToTokens::to_token_stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(attributes: &str, item: &str) -> String {
        plugin(attributes.parse().unwrap(), &item.parse().unwrap()).to_string()
    }

    #[test]
    fn one_or_two_arguments_make_a_plugin() {
        let one = expanded("", "fn p(d: Delivery) -> Result<Verdict> { x }");
        assert!(one.contains("p (__delivery)") && !one.contains("config ::"), "{one}");
        let two = expanded("", "pub fn p(d: Delivery, Config { a }: Config) -> Result<Verdict> { x }");
        assert!(two.contains("__delivery . config :: < Config > ()"), "{two}");
        assert!(two.contains("Config :: < Config > :: TYPE"), "{two}");
        assert!(!two.contains("compile_error"), "{two}");
    }

    #[test]
    fn the_attribute_overrides_the_package() {
        let text = expanded(r#"name = "other", config_schema = include_str!("c.json")"#, "fn p(d: D) -> R { x }");
        assert!(text.contains(r#"name : "other""#), "{text}");
        assert!(text.contains(r#"String :: from (include_str ! ("c.json"))"#), "{text}");
        assert!(text.contains(r#"description : env ! ("CARGO_PKG_DESCRIPTION")"#), "{text}");
    }

    #[test]
    fn wrong_shapes_are_named_and_the_function_is_kept() {
        for (item, reason) in [
            ("fn p() -> R { x }", "one or two arguments are wanted"),
            ("fn p(a: A, b: B, c: C) -> R { x }", "one or two arguments are wanted"),
            ("fn p(d: D) { x }", "the result is missing"),
            ("async fn p(d: D) -> R { x }", "runs to its end without waiting"),
            ("unsafe fn p(d: D) -> R { x }", "is not unsafe"),
            ("fn p<T>(d: D) -> R { x }", "has no generics"),
            ("fn p(&self) -> R { x }", "not a method"),
            ("struct P;", "a plugin is `fn(delivery: Delivery) -> Result<Verdict>`"),
        ] {
            let text = expanded("", item);
            assert!(text.contains("compile_error") && text.contains(reason), "{item}: {text}");
            assert!(text.contains(&item.parse::<TokenStream>().unwrap().to_string()), "{item}: {text}");
        }
    }

    #[test]
    fn unknown_and_repeated_keys_are_errors() {
        for (attributes, reason) in [
            ("title = \"x\"", "expected name, description or config_schema"),
            ("name = \"x\", name = \"y\"", "name stands twice"),
        ] {
            let text = expanded(attributes, "fn p(d: D) -> R { x }");
            assert!(text.contains(reason), "{attributes}: {text}");
        }
    }
}
