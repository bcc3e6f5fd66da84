//! The derive and attribute macros of `wasmill-sdk`. Their documentation is there.

mod attributes;
mod case;
mod durations;
mod fields;
mod json;
mod lifetimes;
#[cfg(test)]
mod misuse;
#[cfg(test)]
mod misuse_of_state;
mod ports;
mod record;
mod state_fields;
mod stateful;
mod symbols;
mod transform;
mod transform_fields;
mod union;

use proc_macro::TokenStream;
use quote::quote;
use syn::DeriveInput;
use syn::parse_macro_input;

/// Makes a struct an Avro record, an enum without payloads an Avro enum, and an enum with payloads
/// an Avro union.
///
/// On the type: `rename = ".."`, `namespace = ".."`, `alias = ".."` (repeatable),
/// `rename_all = "camelCase"` (also `snake_case`, `PascalCase`, `SCREAMING_SNAKE_CASE`,
/// `kebab-case`, `lowercase`, `UPPERCASE`).
///
/// On a field: `rename = ".."`, `alias = ".."` (repeatable), `default = <JSON>`,
/// `logical = ".."` on `i32` and `i64`, `fixed = "Name"` on `[u8; N]`, `Uuid` and `Duration`, and
/// with `size = N` on a decimal. An `Option` without a default has the default null.
///
/// On a variant: `rename = ".."`; of an enum without payloads also `default`, for the symbol that
/// stands for one that the reader does not know.
#[proc_macro_derive(Record, attributes(record))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    record::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a struct a transform.
///
/// Above the struct: `#[input(name)]` for each input port (one named `input` if there is none), with
/// `name: Type` where the transform processes several types, then any of `key = Type`, `timestamp`,
/// `headers`, `offset`, `prefetch`, and for event time `event_time = "field"` or
/// `event_time = timestamp` with `out_of_orderness = "1s"`, `granularity = "100ms"`,
/// `late = "drop"`; `#[config(key = "..", required, default = .., description = "..")]` for keys
/// that an `#[open]` function reads.
///
/// Each field is an output port (`Output<..>`, named as the field or with `#[output(name = "..")]`);
/// state (`Value`, `Map`, `List`, `Set`, `Reducing`, `Aggregate`, `Deduplicate`), with
/// `#[state(ttl = "7d", ttl_time = "event", scope = "partition", scan = false, name = "..")]`;
/// timers (`Timers`), with `#[timers(scope = "partition")]`; or is set when an instance opens: from a configuration key with `#[config]`
/// (`key = ".."`, `default = ..`), or by a function of the configuration with `#[open(function)]`.
#[proc_macro_attribute]
pub fn transform(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item: proc_macro2::TokenStream = item.into();
    match transform::expand(arguments.into(), item.clone()) {
        Ok(tokens) => tokens.into(),
        Err(error) => {
            // Keep nothing of the struct: its helper attributes would only add more errors.
            let error = error.into_compile_error();
            quote!(#error).into()
        }
    }
}
