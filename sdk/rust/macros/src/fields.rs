//! The fields of a record.

use proc_macro2::TokenStream;
use quote::ToTokens;
use quote::format_ident;
use quote::quote;
use quote::quote_spanned;
use syn::Ident;
use syn::spanned::Spanned;

use crate::attributes::Place;
use crate::attributes::RecordAttributes;
use crate::case::Case;
use crate::lifetimes;

/// A field, as the code for it is written.
pub(crate) struct Field {
    /// The Rust name.
    pub(crate) ident: Ident,
    /// The name in readers and builders.
    pub(crate) slot: Ident,
    /// The type as it stands.
    pub(crate) ty: TokenStream,
    /// The type with `'static` lifetimes.
    pub(crate) ty_static: TokenStream,
    /// The Avro name.
    pub(crate) name: String,
    attributes: RecordAttributes,
}

impl Field {
    pub(crate) fn of(field: &syn::Field, index: usize, case: Option<Case>) -> syn::Result<Self> {
        let Some(ident) = field.ident.clone() else {
            return Err(syn::Error::new_spanned(field, "a record has named fields"));
        };
        let attributes = RecordAttributes::parse(&field.attrs, Place::Field)?;
        let plain = ident.to_string().trim_start_matches("r#").to_owned();
        let name = match (&attributes.rename, case) {
            (Some(name), _) => name.value(),
            (None, Some(case)) => case.apply(&plain),
            (None, None) => plain,
        };
        let ty = field.ty.to_token_stream();
        let ty_static = lifetimes::to_static(ty.clone());
        Ok(Self { ident, slot: format_ident!("field{index}"), ty, ty_static, name, attributes })
    }

    /// The statement that writes the field into the schema.
    pub(crate) fn schema(&self) -> TokenStream {
        let (name, ty) = (&self.name, &self.ty);
        let aliases = &self.attributes.aliases;
        let default = option(self.attributes.default.as_ref());
        let logical = option(self.attributes.logical.as_ref());
        let size = option(self.attributes.size.as_ref());
        let fixed = option(
            self.attributes.fixed.as_ref().map(|name| quote!(__sdk::Fixed { name: #name, size: #size })),
        );
        quote! {
            writer.field::<#ty>(__sdk::FieldSchema {
                name: #name,
                aliases: &[#(#aliases),*],
                default: #default,
                logical: #logical,
                fixed: #fixed,
            });
        }
    }

    /// The `Form` of the field's body in generated code: what [`Self::schema`] says in the schema.
    pub(crate) fn form(&self) -> TokenStream {
        let size = self.attributes.size.as_ref().map_or(quote!(0), ToTokens::to_token_stream);
        let fixed = option(self.attributes.fixed.as_ref().map(|_| size));
        let null_last = self.attributes.default.as_deref().is_some_and(|default| default != "null");
        quote!(__sdk::Form { fixed: #fixed, null_last: #null_last })
    }

    /// Checks of the attributes against the type, which only the compiler knows.
    pub(crate) fn checks(&self) -> syn::Result<TokenStream> {
        let ty = &self.ty_static;
        let mut checks = TokenStream::new();
        if let Some(logical) = &self.attributes.logical {
            let kind = match logical.value().as_str() {
                "date" | "time-millis" => quote!(Int),
                "time-micros"
                | "timestamp-millis"
                | "timestamp-micros"
                | "timestamp-nanos"
                | "local-timestamp-millis"
                | "local-timestamp-micros"
                | "local-timestamp-nanos" => quote!(Long),
                other => {
                    return Err(syn::Error::new(
                        logical.span(),
                        format!(
                            "`{other}` is no logical type of a number: expected date, time-millis, time-micros, timestamp-millis, timestamp-micros, timestamp-nanos or local-timestamp-..; for decimal, uuid and duration use the types of wasmill_sdk::types"
                        ),
                    ));
                }
            };
            let message = format!("the logical type {} needs i32 or i64 (Avro: {})", logical.value(), kind);
            checks.extend(quote_spanned! { logical.span() =>
                const _: () = ::core::assert!(
                    ::core::matches!(<#ty as __sdk::AvroType>::KIND, __sdk::Kind::#kind),
                    #message
                );
            });
        }
        if let Some(fixed) = &self.attributes.fixed {
            let kinds = if self.attributes.size.is_some() {
                quote!(__sdk::Kind::Decimal128 | __sdk::Kind::Decimal256)
            } else {
                quote!(__sdk::Kind::Fixed | __sdk::Kind::Uuid | __sdk::Kind::Duration)
            };
            checks.extend(quote_spanned! { fixed.span() =>
                const _: () = ::core::assert!(
                    ::core::matches!(<#ty as __sdk::AvroType>::KIND, #kinds),
                    "`fixed` names the type of [u8; N], Uuid and Duration, and with `size` that of a decimal"
                );
            });
        }
        Ok(checks)
    }

    /// The type, at the place of the field for the compiler's messages.
    pub(crate) fn spanned(&self, tokens: &TokenStream) -> TokenStream {
        quote_spanned!(self.ty.span() => #tokens)
    }
}

/// `Some(..)` or `None` in generated code.
pub(crate) fn option(value: Option<impl ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
