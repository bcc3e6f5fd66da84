//! What the macros say to code that cannot work.

use proc_macro2::TokenStream;
use quote::quote;

fn derive_error(item: TokenStream) -> String {
    let input = syn::parse2(item).expect("Rust");
    crate::record::derive(&input).expect_err("it must be refused").to_string()
}

pub(crate) fn transform_error(arguments: TokenStream, item: TokenStream) -> String {
    crate::transform::expand(arguments, item).expect_err("it must be refused").to_string()
}

#[test]
fn records_say_what_they_can_be() {
    for (item, expected) in [
        (
            quote!(
                struct A(i32);
            ),
            "a record has named fields",
        ),
        (
            quote!(
                struct A<T> {
                    a: T,
                }
            ),
            "no type parameters",
        ),
        (
            quote!(
                struct A<const N: usize> {
                    a: [u8; N],
                }
            ),
            "no const parameters",
        ),
        (
            quote!(
                struct A<'a, 'b> {
                    a: &'a str,
                    b: &'b str,
                }
            ),
            "at most one lifetime",
        ),
        (
            quote!(
                enum A {}
            ),
            "at least one variant",
        ),
        (quote!(union A { a: i32 }), "an Avro union is an enum with payloads"),
        (
            quote!(
                struct A {
                    #[record(rename = "b")]
                    a: i32,
                    b: i32,
                }
            ),
            "two fields are named `b`",
        ),
    ] {
        let error = derive_error(item);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn unions_say_what_they_can_be() {
    for (item, expected) in [
        (
            quote!(
                enum A {
                    B(i32),
                    C,
                }
            ),
            "use Option<..> in its place",
        ),
        (
            quote!(
                enum A {
                    B(i32),
                    C,
                    D,
                }
            ),
            "at most one unit variant",
        ),
        (
            quote!(
                enum A {
                    B(i32, i32),
                    C(i64),
                }
            ),
            "carries one value",
        ),
        (
            quote!(
                enum A {
                    B { b: i32 },
                    C(i64),
                }
            ),
            "carries one value",
        ),
        (
            quote!(
                enum A {
                    #[record(rename = "x")]
                    B(i32),
                    C(i64),
                }
            ),
            "no name of its own",
        ),
        (
            quote!(
                enum A {
                    #[record(rename = "C")]
                    B,
                    C,
                }
            ),
            "two symbols are named `C`",
        ),
        (
            quote!(
                enum A {
                    #[record(default)]
                    B,
                    #[record(default)]
                    C,
                }
            ),
            "at most one default",
        ),
    ] {
        let error = derive_error(item);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn attributes_say_what_they_take() {
    for (item, expected) in [
        (
            quote!(
                struct A {
                    #[record(renamed = "b")]
                    a: i32,
                }
            ),
            "expected rename, alias, default",
        ),
        (
            quote!(
                struct A {
                    #[record(rename = "1b")]
                    a: i32,
                }
            ),
            "no Avro name",
        ),
        (
            quote!(
                struct A {
                    #[record(default = nothing)]
                    a: i32,
                }
            ),
            "is not JSON",
        ),
        (
            quote!(
                struct A {
                    #[record(logical = "time")]
                    a: i32,
                }
            ),
            "no logical type of a number",
        ),
        (
            quote!(
                struct A {
                    #[record(size = 4)]
                    a: i32,
                }
            ),
            "needs `fixed",
        ),
        (
            quote!(
                #[record(rename_all = "Camel")]
                struct A {
                    a: i32,
                }
            ),
            "unknown case `Camel`",
        ),
    ] {
        let error = derive_error(item);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn transforms_say_what_they_can_be() {
    let none = TokenStream::new;
    for (arguments, item, expected) in [
        (
            none(),
            quote!(
                enum A {}
            ),
            "stands on a struct",
        ),
        (
            none(),
            quote!(
                struct A(i32);
            ),
            "named fields",
        ),
        (
            none(),
            quote!(
                struct A<'a> {
                    out: Output<&'a str>,
                }
            ),
            "no generics",
        ),
        (
            none(),
            quote!(
                struct A {
                    seen: u64,
                }
            ),
            "neither a port nor set when the instance opens",
        ),
        (
            none(),
            quote!(
                struct A {
                    #[open]
                    a: u64,
                }
            ),
            "expected `#[open(function)]`",
        ),
        (
            none(),
            quote!(
                struct A {
                    #[config(defualt = 1)]
                    a: u64,
                }
            ),
            "unknown option `defualt`",
        ),
        (
            none(),
            quote!(
                struct A {
                    #[config(default = [1])]
                    a: u64,
                }
            ),
            "is a literal",
        ),
        (
            none(),
            quote!(
                #[input(a, headres)]
                struct A {}
            ),
            "unknown option `headres`",
        ),
        (
            none(),
            quote!(
                #[input(a)]
                #[input(a)]
                struct A {}
            ),
            "two inputs are named `a`",
        ),
        (
            none(),
            quote!(
                struct A {
                    a: Output<i32>,
                    #[output(name = "a")]
                    b: Output<i32>,
                }
            ),
            "two outputs are named `a`",
        ),
        (
            none(),
            quote!(
                #[config(key = "a")]
                struct A {
                    #[config]
                    a: u64,
                }
            ),
            "the config key `a` is declared twice",
        ),
        (
            quote!(inputs(a)),
            quote!(
                struct A {}
            ),
            "inputs are declared with `#[input(..)]`",
        ),
    ] {
        let error = transform_error(arguments, item);
        assert!(error.contains(expected), "{error}");
    }
}
