//! From the author's type to the same type with what makes it a config: how it is read, and its JSON Schema.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Error, Field, Fields, Item, Token};

/// The item with its derives, or as written beside what is wrong with it.
pub(crate) fn config(attributes: &TokenStream, item: &TokenStream) -> TokenStream {
    derives(attributes, item).map_or_else(
        |error| {
            let error = error.into_compile_error();
            quote!(#item #error)
        },
        |derives| quote!(#derives #item),
    )
}

fn derives(attributes: &TokenStream, item: &TokenStream) -> syn::Result<TokenStream> {
    if !attributes.is_empty() {
        return Err(Error::new_spanned(attributes, "`config` takes no arguments: serde's attributes say the rest"));
    }
    let shape = Shape::of(&syn::parse2(item.clone())?)?;
    let serialize = shape.is_choice.then(|| quote!(::hookwright_sdk::serde::Serialize,));
    let strict = shape.may_be_strict.then(|| quote!(#[serde(deny_unknown_fields)]));
    Ok(quote! {
        #[derive(#serialize ::hookwright_sdk::serde::Deserialize, ::hookwright_sdk::schemars::JsonSchema)]
        #[serde(crate = "::hookwright_sdk::serde")]
        #[schemars(crate = "::hookwright_sdk::schemars")]
        #strict
    })
}

/// What the attribute has to know of a type.
struct Shape {
    /// It has named fields, and nothing about it that would make serde refuse to deny unknown ones.
    may_be_strict: bool,
    /// An enum of bare names. Such a type is serialised too, so that the schema can show it as a field's default.
    is_choice: bool,
}

impl Shape {
    fn of(item: &Item) -> syn::Result<Self> {
        let (attributes, fields): (&[Attribute], Vec<&Fields>) = match item {
            Item::Struct(item) => (&item.attrs, vec![&item.fields]),
            Item::Enum(item) => (&item.attrs, item.variants.iter().map(|variant| &variant.fields).collect()),
            other => return Err(Error::new_spanned(other, "a config is a struct or an enum")),
        };
        let named = fields.iter().any(|fields| matches!(fields, Fields::Named(_)));
        let open = fields.iter().flat_map(|fields| fields.iter()).any(is_flattened);
        let settled = ["deny_unknown_fields", "transparent"].into_iter().any(|word| says(attributes, "serde", word));
        Ok(Self {
            may_be_strict: named && !open && !settled,
            is_choice: matches!(item, Item::Enum(_))
                && fields.iter().all(|fields| matches!(fields, Fields::Unit))
                && !says(attributes, "derive", "Serialize"),
        })
    }
}

fn is_flattened(field: &Field) -> bool {
    says(&field.attrs, "serde", "flatten")
}

/// Whether one of the attributes of this name has this word among its arguments, as the last part of a path.
fn says(attributes: &[Attribute], name: &str, word: &str) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident(name)).any(|attribute| {
        let Ok(list) = attribute.meta.require_list() else { return false };
        let words = |input: ParseStream<'_>| {
            let mut found = false;
            while !input.is_empty() {
                let path = input.call(syn::Path::parse_mod_style)?;
                found |= path.segments.last().is_some_and(|last| last.ident == word);
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<proc_macro2::TokenTree>()?;
                }
                input.parse::<Option<Token![,]>>()?;
            }
            Ok(found)
        };
        words.parse2(list.tokens.clone()).unwrap_or(false)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(item: &str) -> String {
        config(&TokenStream::new(), &item.parse().unwrap()).to_string()
    }

    #[test]
    fn a_struct_is_read_strictly_unless_it_says_otherwise() {
        for (item, strict) in [
            ("struct C { a: u8 }", true),
            ("#[serde(default, rename_all = \"kebab-case\")] struct C { a: u8 }", true),
            ("enum R { A { b: u8 }, C(String) }", true),
            ("#[serde(default, deny_unknown_fields)] struct C { a: u8 }", false),
            ("#[serde(transparent)] struct C { a: u8 }", false),
            ("struct C { #[serde(default, flatten)] rest: Map }", false),
            ("struct C(String);", false),
            ("enum R { A, B }", false),
        ] {
            assert_eq!(expanded(item).contains("# [serde (deny_unknown_fields)]"), strict, "{item}");
        }
    }

    #[test]
    fn an_enum_of_names_is_serialised_too() {
        for (item, serialised) in [
            ("enum C { A, B }", true),
            ("#[derive(Default, serde::Serialize)] enum C { A, B }", false),
            ("#[derive(Default, Clone)] enum C { A, B }", true),
            ("enum C { A, B(u8) }", false),
            ("struct C;", false),
        ] {
            assert_eq!(expanded(item).contains("hookwright_sdk :: serde :: Serialize ,"), serialised, "{item}");
        }
    }

    #[test]
    fn what_is_no_config_is_named_and_kept() {
        let text = expanded("fn f() {}");
        assert!(text.starts_with("fn f () { }") && text.contains("a config is a struct or an enum"), "{text}");
        let text = config(&"strict".parse().unwrap(), &"struct C;".parse().unwrap()).to_string();
        assert!(text.starts_with("struct C ;") && text.contains("takes no arguments"), "{text}");
    }
}
