//! What `#[transform]` makes of state and timers.

use proc_macro2::Span;
use proc_macro2::TokenStream;
use quote::format_ident;
use quote::quote;
use quote::quote_spanned;
use syn::Ident;
use syn::spanned::Spanned;

use crate::fields;
use crate::ports::InputPort;
use crate::state_fields::StateField;
use crate::state_fields::TimersField;

/// Pieces of the generated code. All but `declaration` and `export` are empty for a transform without
/// state and timers.
pub(crate) struct Stateful {
    /// Beside the impl.
    pub(crate) items: TokenStream,
    /// The statement that makes the scope, in `open`.
    pub(crate) scope: TokenStream,
    /// The option of a `StateDeclaration`.
    pub(crate) declaration: TokenStream,
    /// Methods of the impl.
    pub(crate) methods: TokenStream,
    /// The statement that tells the row at hand.
    pub(crate) at: TokenStream,
    /// For each input the statement before its batch.
    pub(crate) prepare: Vec<TokenStream>,
    /// The macro that makes the component.
    pub(crate) export: Ident,
}

/// The static of a store.
pub(crate) fn store_static(index: u32) -> Ident {
    format_ident!("STORE_{index}")
}

impl Stateful {
    pub(crate) fn of(
        transform: &Ident,
        inputs: &[InputPort],
        states: &[StateField],
        timers: &[TimersField],
    ) -> syn::Result<Self> {
        check_states(inputs, states)?;
        let timer = match timers {
            [] => None,
            [timer] => Some(timer),
            [_, second, ..] => {
                return Err(syn::Error::new(
                    second.ident.span(),
                    "a transform has one field of timers: tell them apart by their tags",
                ));
            }
        };
        let first = states.first().map(|state| &state.ident).or(timer.map(|timer| &timer.ident));
        let Some(first) = first else {
            return Ok(Self::none(inputs));
        };
        let key = key_type(inputs, states, timer)?;
        let checks = checks(inputs, key.is_some(), timer);
        let has_event_time = inputs.iter().any(InputPort::has_event_time);
        let stores: Vec<_> = (0..).take(states.len()).map(store_static).collect();
        let count = stores.len();
        let store_tokens = states.iter().map(|state| state.tokens(has_event_time));
        let scope_of = if states.is_empty() {
            quote!(transform.#first.scope())
        } else {
            quote!(__sdk::StateField::scope(&transform.#first))
        };
        let domains = timer.map_or(quote!(&[]), |timer| {
            let ty = &timer.ty;
            quote!(<#ty>::DOMAINS)
        });
        let kept = states.iter().map(|state| &state.ident).chain(timer.map(|timer| &timer.ident));
        let timer_key = key.as_ref().filter(|_| timer.is_some_and(|timer| !timer.partition));
        let timer_port = timer_key.map(|key| {
            quote! {
                static TIMERS: __sdk::InputPort = __sdk::InputPort::timers(
                    ::core::option::Option::Some(__sdk::Part::of::<#key>())
                );
            }
        });
        let timer_keys = fields::option(timer_key.map(|key| quote!(__sdk::TimerKeys::of::<#key>(&TIMERS))));
        let (timed, timed_impl) = match timer {
            Some(_) => timed(transform, &timer_keys),
            None => Default::default(),
        };
        Ok(Self {
            items: quote! {
                #checks
                #timer_port
                #(static #stores: __sdk::StateStore = #store_tokens;)*
                static STORES: [&__sdk::StateStore; #count] = [#(&#stores),*];

                #timed_impl

                #[inline(always)]
                fn scope_of(transform: &#transform) -> &__sdk::Scope {
                    #scope_of
                }
            },
            scope: quote!(let scope = __sdk::Scope::new();),
            declaration: quote! {
                ::core::option::Option::Some(__sdk::StateDeclaration {
                    stores: &STORES,
                    timers: #domains,
                    timer_keys: #timer_keys,
                    json: __sdk::StateDeclaration::write_json,
                })
            },
            methods: quote! {
                const STATEFUL: bool = true;

                fn states(
                    &mut self,
                    visit: &mut dyn ::core::ops::FnMut(&mut dyn __sdk::Keep) -> __sdk::Result<()>,
                ) -> __sdk::Result<()> {
                    #(visit(&mut self.#kept)?;)*
                    ::core::result::Result::Ok(())
                }

                #timed
            },
            at: quote!(scope_of(self).at(row);),
            prepare: prepare(inputs, key.is_some()),
            export: match timer {
                Some(_) => Ident::new("__export_timed", Span::call_site()),
                None => Ident::new("__export", Span::call_site()),
            },
        })
    }

    fn none(inputs: &[InputPort]) -> Self {
        Self {
            items: TokenStream::new(),
            scope: TokenStream::new(),
            declaration: quote!(::core::option::Option::None),
            methods: TokenStream::new(),
            at: TokenStream::new(),
            prepare: vec![TokenStream::new(); inputs.len()],
            export: Ident::new("__export", Span::call_site()),
        }
    }
}

/// Most state stores of one transform, as hosts have it.
const STORES_MAX: usize = 64;

fn check_states(inputs: &[InputPort], states: &[StateField]) -> syn::Result<()> {
    if let Some(state) = states.get(STORES_MAX) {
        return Err(syn::Error::new(
            state.ident.span(),
            format!("this is field {} of state; {STORES_MAX} are the most", STORES_MAX + 1),
        ));
    }
    for (index, state) in states.iter().enumerate() {
        let name = state.name.value();
        if states.iter().take(index).any(|other| other.name.value() == name) {
            return Err(syn::Error::new(
                state.name.span(),
                format!("two fields of state are named `{name}`"),
            ));
        }
        if let Some(time) = state.ttl_time.as_ref().filter(|time| time.event)
            && !inputs.iter().any(InputPort::has_event_time)
        {
            return Err(syn::Error::new(
                time.literal.span(),
                "nothing would ever expire: no input has event time. Write #[input(name, event_time = \"field\")], or ttl_time = \"processing\"",
            ));
        }
    }
    Ok(())
}

/// The type of the key that state or timers are kept by; none if all belong to the partition.
fn key_type(
    inputs: &[InputPort],
    states: &[StateField],
    timer: Option<&TimersField>,
) -> syn::Result<Option<TokenStream>> {
    let keyed = states
        .iter()
        .find(|state| !state.partition)
        .map(|state| &state.ident)
        .or(timer.filter(|timer| !timer.partition).map(|timer| &timer.ident));
    let Some(keyed) = keyed else {
        return Ok(None);
    };
    let Some(key) = inputs.iter().find_map(InputPort::key) else {
        return Err(syn::Error::new(
            keyed.span(),
            format!(
                "`{keyed}` is kept by the key of the record, but no input has one: write #[input(name, key = String)] above the transform, or scope = \"partition\" for the field"
            ),
        ));
    };
    Ok(Some(key))
}

/// Checks that only the compiler can make.
fn checks(inputs: &[InputPort], keyed: bool, timer: Option<&TimersField>) -> TokenStream {
    let mut checks = TokenStream::new();
    if keyed {
        let keys: Vec<_> = inputs.iter().filter_map(InputPort::key).collect();
        let first = keys.first();
        for key in &keys {
            checks.extend(quote_spanned! { key.span() =>
                const _: () = ::core::assert!(
                    !<#key as __sdk::AvroType>::NULLABLE,
                    "every key may be null: leave the Option out"
                );
                const _: () = ::core::assert!(
                    <#key as __sdk::AvroType>::KIND.same(<#first as __sdk::AvroType>::KIND),
                    "state is shared by the inputs, so their keys must be of one type"
                );
            });
        }
    }
    if let Some(timer) = timer.filter(|_| !inputs.iter().any(InputPort::has_event_time)) {
        let ty = &timer.ty;
        checks.extend(quote_spanned! { timer.ident.span() =>
            const _: () = ::core::assert!(
                !<#ty>::BY_EVENT,
                "these timers would never fire: no input has event time. Write #[input(name, event_time = \"field\")], or make the field `Timers<ProcessingTime>`"
            );
        });
    }
    checks
}

/// For each input the statements that give the scope the keys and the watermark of its batch.
fn prepare(inputs: &[InputPort], keyed: bool) -> Vec<TokenStream> {
    let statements = |(index, input): (usize, &InputPort)| {
        let keys = match input.key().filter(|_| keyed) {
            Some(key) => {
                let port = format_ident!("INPUT_{index}");
                quote!(__sdk::scope_batch::<#key>(scope_of(self), batch, &#port)?;)
            }
            None => {
                let name = &input.name;
                quote!(scope_of(self).without_keys(#name);)
            }
        };
        quote!(scope_of(self).at_watermark(batch.watermark); #keys)
    };
    inputs.iter().enumerate().map(statements).collect()
}

/// The method that gives the transform as one with timers, and the impl that it then has.
fn timed(transform: &Ident, keys: &TokenStream) -> (TokenStream, TokenStream) {
    let method = quote! {
        fn timed(&mut self) -> ::core::option::Option<&mut dyn __sdk::Timed> {
            ::core::option::Option::Some(self)
        }
    };
    let timed = quote! {
        #[automatically_derived]
        impl __sdk::Timed for #transform {
            fn fire(
                &mut self,
                fired: __sdk::Fired,
                host: &mut dyn __sdk::Host,
            ) -> ::core::result::Result<(), __sdk::Failure> {
                __sdk::fire(self, scope_of, fired, #keys, host)
            }
        }
    };
    (method, timed)
}
