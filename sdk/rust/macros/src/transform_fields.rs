//! The fields of a transform: output ports, state and timers, and what is set when an instance opens.

use proc_macro2::TokenStream;
use quote::ToTokens;
use quote::quote;
use syn::Expr;
use syn::Field;
use syn::Ident;
use syn::LitStr;
use syn::Type;

use crate::fields;
use crate::lifetimes;
use crate::ports;
use crate::ports::ConfigKey;
use crate::state_fields::StateField;
use crate::state_fields::TimersField;
use crate::stateful;

pub(crate) enum TransformField {
    Output { ident: Ident, ty: TokenStream, name: LitStr, description: String },
    Config { ident: Ident, ty: Type, key: ConfigKey },
    Open { ident: Ident, function: Expr },
    State(StateField),
    Timers(TimersField),
}

/// The indexes of the next output port and the next store.
#[derive(Default)]
pub(crate) struct NextIndexes {
    output: u32,
    store: u32,
}

impl TransformField {
    /// Takes a field and removes the attributes that are not Rust's.
    pub(crate) fn take(field: &mut Field) -> syn::Result<Self> {
        let Some(ident) = field.ident.clone() else {
            return Err(syn::Error::new_spanned(field, "a transform has named fields"));
        };
        let description = ports::docs(&field.attrs);
        let taken = if let Some(state) = StateField::take(field, &ident)? {
            Self::State(state)
        } else if let Some(timers) = TimersField::take(field, &ident)? {
            Self::Timers(timers)
        } else {
            Self::take_other(field, ident, description)?
        };
        field.attrs.retain(|attribute| {
            !["output", "config", "open", "state", "timers"]
                .iter()
                .any(|name| attribute.path().is_ident(name))
        });
        Ok(taken)
    }

    fn take_other(field: &mut Field, ident: Ident, description: String) -> syn::Result<Self> {
        let attribute = |name: &str| field.attrs.iter().find(|attribute| attribute.path().is_ident(name));
        Ok(if is_output(&field.ty) {
            let plain = ident.to_string().trim_start_matches("r#").to_owned();
            let mut name = LitStr::new(&plain, ident.span());
            if let Some(attribute) = attribute("output") {
                attribute.parse_nested_meta(|meta| {
                    if !meta.path.is_ident("name") {
                        return Err(meta.error("expected `#[output(name = \"..\")]`"));
                    }
                    name = meta.value()?.parse()?;
                    Ok(())
                })?;
            }
            let ty = lifetimes::to_static(field.ty.to_token_stream());
            field.ty = Type::Verbatim(ty.clone());
            Self::Output { ident, ty, name, description }
        } else if let Some(attribute) = attribute("config") {
            let mut key = ConfigKey::parse(attribute)?;
            let plain = ident.to_string().trim_start_matches("r#").to_owned();
            key.key.get_or_insert_with(|| LitStr::new(&plain, ident.span()));
            key.description.get_or_insert(description);
            key.required = key.default.is_none() && !is_named(&field.ty, "Option");
            Self::Config { ident, ty: field.ty.clone(), key }
        } else if let Some(attribute) = attribute("open") {
            let function = attribute.parse_args().map_err(|error| {
                syn::Error::new(error.span(), "expected `#[open(function)]`, a `fn(&Config) -> Result<T>`")
            })?;
            Self::Open { ident, function }
        } else {
            return Err(syn::Error::new_spanned(
                &*field,
                format!(
                    "the field `{ident}` is neither a port nor set when the instance opens: make it an `Output<..>`, state such as `Value<..>`, or mark it #[config] or #[open(function)]. An instance may be dropped between any two batches, so nothing else may live in its fields"
                ),
            ));
        })
    }

    /// How `open` sets the field.
    pub(crate) fn init(&self, next: &mut NextIndexes) -> TokenStream {
        match self {
            Self::Output { ident, ty, .. } => {
                let index = next.output;
                next.output += 1;
                quote!(#ident: <#ty>::new(#index))
            }
            Self::State(StateField { ident, ty, .. }) => {
                let index = next.store;
                next.store += 1;
                let store = stateful::store_static(index);
                quote!(#ident: <#ty as __sdk::StateField>::new(#index, &#store, &scope))
            }
            Self::Timers(TimersField { ident, ty, partition }) => {
                quote!(#ident: <#ty>::new(#partition, &scope))
            }
            Self::Config { ident, ty, key } => {
                let name = &key.key;
                let default = fields::option(key.default.as_ref());
                quote!(#ident: config.parse_or::<#ty>(#name, #default)?)
            }
            Self::Open { ident, function } => quote!(#ident: (#function)(config)?),
        }
    }
}

fn is_output(ty: &Type) -> bool {
    is_named(ty, "Output")
}

fn is_named(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}
