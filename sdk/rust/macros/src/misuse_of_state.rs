//! What `#[transform]` says to state, timers and event time that cannot work.

use proc_macro2::TokenStream;
use quote::quote;

use crate::misuse::transform_error;

#[track_caller]
fn refused(item: TokenStream, expected: &str) {
    let error = transform_error(TokenStream::new(), item);
    assert!(error.contains(expected), "{error}");
}

#[test]
fn fields_of_state_say_what_they_can_be() {
    refused(
        quote!(
            #[input(a, key = String)]
            struct A {
                #[state]
                seen: u64,
            }
        ),
        "the field `seen` holds no state: make it a Value<..>, Map<..>",
    );
    refused(
        quote!(
            #[input(a, key = String)]
            struct A {
                #[timers]
                seen: Value<i64>,
            }
        ),
        "the field `seen` holds no timers: make it `Timers`",
    );
    refused(
        quote!(
            #[input(a, key = String)]
            struct A {
                a: Timers<ProcessingTime>,
                b: Timers<ProcessingTime>,
            }
        ),
        "a transform has one field of timers",
    );
}

#[test]
fn a_transform_has_as_many_stores_as_hosts_take() {
    let states = |count: usize| {
        let fields = (0..count).map(|index| {
            let field = quote::format_ident!("state_{index}");
            quote!(#field: Value<i64>)
        });
        quote!(
            #[input(a, key = String)]
            struct A {
                #(#fields,)*
            }
        )
    };
    assert_eq!(
        crate::transform::expand(TokenStream::new(), states(64)).err().map(|error| error.to_string()),
        None
    );
    refused(states(65), "this is field 65 of state; 64 are the most");
}

#[test]
fn state_by_key_needs_a_key() {
    for field in
        [quote!(seen: Value<i64>), quote!(seen: Map<String, i64>), quote!(seen: Timers<ProcessingTime>)]
    {
        refused(
            quote!(
                #[input(a, timestamp)]
                struct A {
                    #field,
                }
            ),
            "`seen` is kept by the key of the record, but no input has one: write #[input(name, key = String)]",
        );
    }
}

#[test]
fn names_of_state_are_checked() {
    for (field, expected) in [
        (
            quote!(#[state(name = "Seen")] a: Value<i64>),
            "`Seen` cannot be the name of state: expected a-z, 0-9 and `-`",
        ),
        (quote!(#[state(name = "")] a: Value<i64>), "expected a-z, 0-9 and `-`"),
        (quote!(meta: Value<i64>), "`meta` cannot be the name of state: the host has a store of this name"),
        (quote!(#[state(name = "timers")] a: Value<i64>), "the host has a store of this name"),
        (
            quote!(#[state(name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")] a: Value<i64>),
            "63 characters are the most",
        ),
        (
            quote!(a_b: Value<i64>, #[state(name = "a-b")] c: Value<i64>),
            "two fields of state are named `a-b`",
        ),
    ] {
        refused(
            quote!(
                #[input(a, key = String)]
                struct A {
                    #field,
                }
            ),
            expected,
        );
    }
}

#[test]
fn times_to_live_are_checked() {
    for (attribute, expected) in [
        (quote!(ttl = "0s"), "the time to live is at least 1ms"),
        (quote!(ttl = "-1d"), "`-1d` is no span of time: write a whole number and ms, s, m, h, d or w"),
        (quote!(ttl = "7 days"), "`7 days` is no span of time"),
        (quote!(ttl = 7), "expected string literal"),
        (quote!(ttl_time = "processing"), "`ttl_time` needs `ttl = \"7d\"` beside it"),
        (
            quote!(ttl = "1d", ttl_time = "wall"),
            "a time to live cannot go by `wall`: expected event or processing",
        ),
        (quote!(ttl = "1d", ttl_time = "event"), "nothing would ever expire: no input has event time"),
        (quote!(scope = "task"), "there is no scope `task`: expected key (of the record) or partition"),
        (quote!(scan = false), "a Value is never listed: `scan` is for Map and Set"),
        (
            quote!(time_to_live = "1d"),
            "unknown option `time_to_live`: expected ttl, ttl_time, scope, scan or name",
        ),
    ] {
        refused(
            quote!(
                #[input(a, key = String)]
                struct A {
                    #[state(#attribute)]
                    seen: Value<i64>,
                }
            ),
            expected,
        );
    }
}

#[test]
fn event_time_says_what_it_takes() {
    for (options, expected) in [
        (
            quote!(event_time = at),
            "write event_time = timestamp, or the name of a field: event_time = \"at\"",
        ),
        (quote!(out_of_orderness = "1s"), "`out_of_orderness` needs event time"),
        (quote!(late = "drop"), "`late` needs event time"),
        (
            quote!(event_time = "at", late = "ignore"),
            "late records cannot be `ignore`: expected process or drop",
        ),
        (quote!(event_time = "at", granularity = "0ms"), "the granularity is at least 1ms"),
        (quote!(event_time = "at", out_of_orderness = "soon"), "`soon` is no span of time"),
        (quote!(event_tiem = "at"), "expected key = Type, timestamp, headers, offset, prefetch, event_time"),
    ] {
        refused(
            quote!(
                #[input(a, #options)]
                struct A {}
            ),
            expected,
        );
    }
}

#[test]
fn what_can_work_is_taken() {
    let item = quote!(
        #[input(a, key = String, event_time = "at", out_of_orderness = "0s", late = "process")]
        #[input(b, key = &str, event_time = timestamp, granularity = "1ms", prefetch)]
        struct A {
            #[state(ttl = "7d", ttl_time = "event", scope = "key", name = "seen-2")]
            seen: Value<Borrowing<'_>>,
            #[state(scope = "partition", scan = false)]
            r#all: Map<String, i64>,
            #[timers(scope = "partition")]
            timers: Timers<AnyTime>,
            #[config]
            value: Value,
        }
    );
    let tokens = crate::transform::expand(TokenStream::new(), item).expect("it can work").to_string();
    for expected in ["Value < Borrowing < 'static > >", "name : \"all\"", "__export_timed", "run_prefetching"]
    {
        assert!(tokens.contains(expected), "{expected}: {tokens}");
    }
}
