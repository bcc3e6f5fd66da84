//! `#[derive(Record)]` on an enum without payloads: an Avro enum.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DataEnum;

use crate::attributes::Place;
use crate::attributes::RecordAttributes;
use crate::fields;
use crate::record::Target;

pub(crate) fn derive(target: &Target<'_>, data: &DataEnum) -> syn::Result<TokenStream> {
    let name = &target.input.ident;
    if let Some(lifetime) = target.input.generics.lifetimes().next() {
        return Err(syn::Error::new_spanned(lifetime, "an enum without payloads has no lifetime"));
    }
    let mut symbols: Vec<String> = Vec::new();
    let mut default = None;
    for variant in &data.variants {
        let attributes = RecordAttributes::parse(&variant.attrs, Place::Symbol)?;
        let plain = variant.ident.to_string().trim_start_matches("r#").to_owned();
        let symbol = match (&attributes.rename, target.attributes.rename_all) {
            (Some(name), _) => name.value(),
            (None, Some(case)) => case.apply(&plain),
            (None, None) => plain,
        };
        if symbols.contains(&symbol) {
            return Err(syn::Error::new_spanned(variant, format!("two symbols are named `{symbol}`")));
        }
        if attributes.is_default && default.replace(symbol.clone()).is_some() {
            return Err(syn::Error::new_spanned(variant, "an enum has at most one default symbol"));
        }
        symbols.push(symbol);
    }
    let type_name = target.type_name();
    let default = fields::option(default);
    let variants: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let indexes: Vec<i32> = (0..).take(variants.len()).collect();
    let stored = target.stored();
    Ok(quote! {
        #[automatically_derived]
        impl __sdk::AvroType for #name {
            const KIND: __sdk::Kind = __sdk::Kind::Enum;

            fn schema(writer: &mut __sdk::SchemaWriter) {
                writer.enumeration(#type_name, &[#(#symbols),*], #default);
            }
        }

        #[automatically_derived]
        impl __sdk::NotNull for #name {}

        #[automatically_derived]
        impl<'__batch> __sdk::Read<'__batch> for #name {
            type Reader = <i32 as __sdk::Read<'__batch>>::Reader;

            fn reader(
                columns: __sdk::Columns<'__batch>,
                index: u32,
                len: usize,
            ) -> ::core::result::Result<Self::Reader, __sdk::ColumnError> {
                <i32 as __sdk::Read<'__batch>>::reader(columns, index, len)
            }

            #[inline]
            fn read(
                reader: &Self::Reader,
                row: usize,
            ) -> ::core::result::Result<Self, __sdk::ColumnError> {
                match <i32 as __sdk::Read<'__batch>>::read(reader, row)? {
                    #(#indexes => ::core::result::Result::Ok(Self::#variants),)*
                    _ => ::core::result::Result::Err(__sdk::ColumnError::new("an enum index has no symbol")),
                }
            }
        }

        #[automatically_derived]
        impl __sdk::Write for #name {
            type Builder = __sdk::FixedBuilder<4>;

            #[inline]
            fn write(&self, builder: &mut Self::Builder) {
                let index: i32 = match self {
                    #(Self::#variants => #indexes,)*
                };
                builder.push(index.to_le_bytes());
            }
        }

        #stored

        #[automatically_derived]
        impl __sdk::Encode for #name {
            #[inline]
            fn encode(
                &self,
                _: __sdk::Form,
                out: &mut ::std::vec::Vec<u8>,
            ) -> ::core::result::Result<(), __sdk::BodyError> {
                let index: i32 = match self {
                    #(Self::#variants => #indexes,)*
                };
                __sdk::put_long(index.into(), out);
                ::core::result::Result::Ok(())
            }
        }

        #[automatically_derived]
        impl<'__batch> __sdk::Decode<'__batch> for #name {
            #[inline]
            fn decode(
                _: __sdk::Form,
                body: &mut __sdk::Body<'__batch>,
            ) -> ::core::result::Result<Self, __sdk::BodyError> {
                match body.int()? {
                    #(#indexes => ::core::result::Result::Ok(Self::#variants),)*
                    _ => ::core::result::Result::Err(__sdk::BodyError::new("an enum index has no symbol")),
                }
            }
        }
    })
}
