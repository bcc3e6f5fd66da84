//! `#[transform]`.

use proc_macro2::TokenStream;
use quote::format_ident;
use quote::quote;
use syn::Fields;
use syn::ItemStruct;
use syn::LitStr;
use syn::parse::Parser;

use crate::case::Case;
use crate::ports;
use crate::ports::ConfigKey;
use crate::ports::InputPort;
use crate::stateful::Stateful;
use crate::transform_fields::NextIndexes;
use crate::transform_fields::TransformField;

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let mut item: ItemStruct = syn::parse2(item).map_err(|error| {
        syn::Error::new(
            error.span(),
            "#[transform] stands on a struct, whose fields are its ports and settings",
        )
    })?;
    if !item.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(
            &item.generics,
            "a transform has no generics, since its ports are fixed; write `'_` for the lifetimes in `Output<..>`",
        ));
    }
    let name = name(arguments, &item)?;
    let description = ports::docs(&item.attrs);
    let inputs = InputPort::all(&item.attrs)?;
    let mut keys = ConfigKey::all(&item.attrs)?;
    item.attrs
        .retain(|attribute| !attribute.path().is_ident("input") && !attribute.path().is_ident("config"));

    let mut fields = Vec::new();
    match &mut item.fields {
        Fields::Named(named) => {
            for field in &mut named.named {
                fields.push(TransformField::take(field)?);
            }
        }
        Fields::Unit => {}
        Fields::Unnamed(unnamed) => {
            return Err(syn::Error::new_spanned(unnamed, "a transform has named fields"));
        }
    }

    let mut next = NextIndexes::default();
    let inits: Vec<_> = fields.iter().map(|field| field.init(&mut next)).collect();
    let mut outputs = Vec::new();
    let mut output_parts = Vec::new();
    let mut output_names: Vec<String> = Vec::new();
    let (mut states, mut timers) = (Vec::new(), Vec::new());
    for field in fields {
        match field {
            TransformField::Output { ident, ty, name, description } => {
                if output_names.contains(&name.value()) {
                    let message = format!("two outputs are named `{}`", name.value());
                    return Err(syn::Error::new(name.span(), message));
                }
                output_names.push(name.value());
                output_parts.push(quote! {{
                    let (key, value) = <#ty>::parts();
                    __sdk::OutputPort { name: #name, description: #description, key, value }
                }});
                outputs.push(ident);
            }
            TransformField::Config { key, .. } => keys.push(key),
            TransformField::Open { .. } => {}
            TransformField::State(state) => states.push(state),
            TransformField::Timers(field) => timers.push(field),
        }
    }
    duplicate_keys(&keys)?;
    let Stateful { items, scope, declaration, methods, at, prepare, export } =
        Stateful::of(&item.ident, &inputs, &states, &timers)?;

    let ident = &item.ident;
    let statics: Vec<_> = (0..inputs.len()).map(|index| format_ident!("INPUT_{index}")).collect();
    let input_tokens = inputs.iter().map(InputPort::tokens);
    let types: Vec<_> = inputs.iter().map(InputPort::ty).collect();
    let indexes: Vec<u32> = (0..).take(inputs.len()).collect();
    let key_tokens = keys.iter().map(ConfigKey::tokens);
    let runs = inputs.iter().map(|input| {
        let run = if input.prefetch { quote!(run_prefetching) } else { quote!(run) };
        let ty = input.ty();
        quote!(__sdk::#run::<Self, #ty>)
    });
    Ok(quote! {
        #item

        const _: () = {
            use ::wasmill_sdk::__private as __sdk;

            #(static #statics: __sdk::InputPort = #input_tokens;)*
            #items

            #[automatically_derived]
            impl __sdk::Transform for #ident {
                fn declaration() -> __sdk::Declaration {
                    __sdk::Declaration {
                        name: #name,
                        description: #description,
                        inputs: ::std::vec![#((&#statics, __sdk::input_part::<Self, #types>())),*],
                        outputs: ::std::vec![#(#output_parts),*],
                        config: ::std::vec![#(#key_tokens),*],
                        state: #declaration,
                    }
                }

                fn open(config: &__sdk::Config) -> __sdk::Result<Self> {
                    let _ = config;
                    #scope
                    ::core::result::Result::Ok(Self { #(#inits),* })
                }

                fn dispatch(
                    &mut self,
                    batch: &mut __sdk::Batch,
                    host: &mut dyn __sdk::Host,
                ) -> __sdk::Result<()> {
                    match batch.port {
                        #(#indexes => {
                            #prepare
                            #runs(self, batch, &#statics, host)
                        })*
                        other => ::core::result::Result::Err(__sdk::unknown_input(other)),
                    }
                }

                #[inline(always)]
                fn at(&mut self, row: u32) {
                    let _ = row;
                    #at
                    #(self.#outputs.at(row);)*
                }

                #methods

                fn outputs(
                    &mut self,
                    visit: &mut dyn ::core::ops::FnMut(&mut dyn __sdk::Port) -> __sdk::Result<()>,
                ) -> __sdk::Result<()> {
                    let _ = &visit;
                    #(visit(&mut self.#outputs)?;)*
                    ::core::result::Result::Ok(())
                }
            }
        };

        #[cfg(target_arch = "wasm32")]
        ::wasmill_sdk::#export!(#ident);
    })
}

/// `#[transform(name = "..")]`, or the name of the struct in kebab case.
fn name(arguments: TokenStream, item: &ItemStruct) -> syn::Result<String> {
    let mut name = None;
    let parser = syn::meta::parser(|meta| {
        if !meta.path.is_ident("name") {
            return Err(meta.error("expected `#[transform]` or `#[transform(name = \"..\")]`; inputs are declared with `#[input(..)]` below it"));
        }
        name = Some(meta.value()?.parse::<LitStr>()?.value());
        Ok(())
    });
    parser.parse2(arguments)?;
    Ok(name.unwrap_or_else(|| Case::Kebab.apply(item.ident.to_string().trim_start_matches("r#"))))
}

fn duplicate_keys(keys: &[ConfigKey]) -> syn::Result<()> {
    for (index, key) in keys.iter().enumerate() {
        let value = key.key.as_ref().map(LitStr::value);
        if keys.iter().take(index).any(|other| other.key.as_ref().map(LitStr::value) == value) {
            return Err(syn::Error::new_spanned(
                &key.key,
                format!("the config key `{}` is declared twice", value.unwrap_or_default()),
            ));
        }
    }
    Ok(())
}
