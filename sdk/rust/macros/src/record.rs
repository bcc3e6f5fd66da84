//! `#[derive(Record)]`: the struct case, and the way to the others.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Data;
use syn::DeriveInput;
use syn::Fields;
use syn::Lifetime;

use crate::attributes::Place;
use crate::attributes::RecordAttributes;
use crate::fields;
use crate::fields::Field;
use crate::symbols;
use crate::union;

/// What the impls of a type need to name it.
pub(crate) struct Target<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) attributes: RecordAttributes,
    /// The lifetime of what is read: the type's own, or a fresh one.
    pub(crate) lifetime: Lifetime,
    /// `<'a>` or nothing: the generics of the type.
    pub(crate) generics: TokenStream,
}

pub(crate) fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    if let Some(parameter) = input.generics.type_params().next() {
        return Err(syn::Error::new_spanned(
            parameter,
            "a record has no type parameters, since its schema is fixed",
        ));
    }
    if let Some(parameter) = input.generics.const_params().next() {
        return Err(syn::Error::new_spanned(
            parameter,
            "a record has no const parameters, since its schema is fixed",
        ));
    }
    let mut lifetimes = input.generics.lifetimes();
    let lifetime = lifetimes.next().map(|parameter| parameter.lifetime.clone());
    if let Some(second) = lifetimes.next() {
        return Err(syn::Error::new_spanned(
            second,
            "a record has at most one lifetime, that of the batch it is read from",
        ));
    }
    let target = Target {
        input,
        attributes: RecordAttributes::parse(&input.attrs, Place::Type)?,
        generics: lifetime.as_ref().map(|lifetime| quote!(<#lifetime>)).unwrap_or_default(),
        lifetime: lifetime.unwrap_or_else(|| syn::parse_quote!('__batch)),
    };
    let body = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(_) => record(&target, &data.fields)?,
            Fields::Unnamed(_) | Fields::Unit => {
                return Err(syn::Error::new_spanned(
                    &input.ident,
                    "a record has named fields: write `struct Name { field: Type }`",
                ));
            }
        },
        Data::Enum(data) if data.variants.is_empty() => {
            return Err(syn::Error::new_spanned(&input.ident, "an enum needs at least one variant"));
        }
        Data::Enum(data) if data.variants.iter().all(|variant| matches!(variant.fields, Fields::Unit)) => {
            symbols::derive(&target, data)?
        }
        Data::Enum(data) => union::derive(&target, data)?,
        Data::Union(_) => {
            return Err(syn::Error::new_spanned(
                &input.ident,
                "Record cannot be derived for a `union`: an Avro union is an enum with payloads",
            ));
        }
    };
    Ok(quote! {
        const _: () = {
            use ::wasmill_sdk::__private as __sdk;
            #body
        };
    })
}

impl Target<'_> {
    /// The impl of `Stored`: the type, and how it is borrowed.
    pub(crate) fn stored(&self) -> TokenStream {
        let name = &self.input.ident;
        let (owned, of) = if self.generics.is_empty() {
            (quote!(#name), quote!(#name))
        } else {
            (quote!(#name<'static>), quote!(#name<'__of>))
        };
        quote! {
            #[automatically_derived]
            impl __sdk::Stored for #owned {
                type Of<'__of> = #of;
                type Column = <Self as __sdk::Write>::Builder;
            }
        }
    }

    /// The `TypeName` in generated code.
    pub(crate) fn type_name(&self) -> TokenStream {
        let name = match &self.attributes.rename {
            Some(name) => name.value(),
            None => self.input.ident.to_string().trim_start_matches("r#").to_owned(),
        };
        let namespace = fields::option(self.attributes.namespace.as_ref());
        let aliases = &self.attributes.aliases;
        quote! {
            __sdk::TypeName {
                name: #name,
                namespace: #namespace,
                aliases: &[#(#aliases),*],
                rust: ::core::any::type_name::<Self>(),
            }
        }
    }
}

fn record(target: &Target<'_>, fields: &Fields) -> syn::Result<TokenStream> {
    let name = &target.input.ident;
    let (generics, lifetime) = (&target.generics, &target.lifetime);
    let type_name = target.type_name();
    let mut parsed = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let field_parsed = Field::of(field, index, target.attributes.rename_all)?;
        if parsed.iter().any(|other: &Field| other.name == field_parsed.name) {
            return Err(syn::Error::new_spanned(
                field,
                format!("two fields are named `{}` in the schema", field_parsed.name),
            ));
        }
        parsed.push(field_parsed);
    }
    let count = parsed.len();
    let schemas = parsed.iter().map(Field::schema);
    let forms: Vec<_> = parsed.iter().map(Field::form).collect();
    let stored = target.stored();
    let checks = parsed.iter().map(Field::checks).collect::<syn::Result<TokenStream>>()?;
    let idents: Vec<_> = parsed.iter().map(|field| &field.ident).collect();
    let slots: Vec<_> = parsed.iter().map(|field| &field.slot).collect();
    let types: Vec<_> = parsed.iter().map(|field| field.spanned(&field.ty)).collect();
    let statics: Vec<_> = parsed.iter().map(|field| field.spanned(&field.ty_static)).collect();
    Ok(quote! {
        #checks

        #[automatically_derived]
        impl #generics __sdk::AvroType for #name #generics {
            const KIND: __sdk::Kind = __sdk::Kind::Record;

            fn schema(writer: &mut __sdk::SchemaWriter) {
                writer.record(#type_name, |writer| {
                    let _ = &writer;
                    #(#schemas)*
                });
            }
        }

        #[automatically_derived]
        impl #generics __sdk::NotNull for #name #generics {}

        #[allow(unreachable_pub, missing_debug_implementations, missing_docs)]
        pub struct __Reader<#lifetime> {
            #(#slots: <#types as __sdk::Read<#lifetime>>::Reader,)*
            lifetime: ::core::marker::PhantomData<&#lifetime ()>,
        }

        #[automatically_derived]
        impl<#lifetime> __sdk::Read<#lifetime> for #name #generics {
            type Reader = __Reader<#lifetime>;

            fn reader(
                columns: __sdk::Columns<#lifetime>,
                index: u32,
                len: usize,
            ) -> ::core::result::Result<Self::Reader, __sdk::ColumnError> {
                let [#(#slots),*] = columns.fields::<#count>(index)?;
                ::core::result::Result::Ok(__Reader {
                    #(#slots: <#types as __sdk::Read<#lifetime>>::reader(columns, #slots, len)?,)*
                    lifetime: ::core::marker::PhantomData,
                })
            }

            #[inline(always)]
            fn read(
                reader: &Self::Reader,
                row: usize,
            ) -> ::core::result::Result<Self, __sdk::ColumnError> {
                let _ = (reader, row);
                ::core::result::Result::Ok(Self {
                    #(#idents: <#types as __sdk::Read<#lifetime>>::read(&reader.#slots, row)?,)*
                })
            }
        }

        #[derive(Default)]
        #[allow(unreachable_pub, missing_debug_implementations, missing_docs)]
        pub struct __Builder {
            #(#slots: <#statics as __sdk::Write>::Builder,)*
        }

        #[automatically_derived]
        impl #generics __sdk::Write for #name #generics {
            type Builder = __Builder;

            #[inline(always)]
            fn write(&self, builder: &mut Self::Builder) {
                let _ = &builder;
                #(<#types as __sdk::Write>::write(&self.#idents, &mut builder.#slots);)*
            }
        }

        #stored

        #[automatically_derived]
        impl #generics __sdk::Encode for #name #generics {
            #[inline(always)]
            fn encode(
                &self,
                _: __sdk::Form,
                out: &mut ::std::vec::Vec<u8>,
            ) -> ::core::result::Result<(), __sdk::BodyError> {
                let _ = &out;
                #(<#types as __sdk::Encode>::encode(&self.#idents, const { #forms }, out)?;)*
                ::core::result::Result::Ok(())
            }
        }

        #[automatically_derived]
        impl<#lifetime> __sdk::Decode<#lifetime> for #name #generics {
            #[inline(always)]
            fn decode(
                _: __sdk::Form,
                body: &mut __sdk::Body<#lifetime>,
            ) -> ::core::result::Result<Self, __sdk::BodyError> {
                let _ = &body;
                ::core::result::Result::Ok(Self {
                    #(#idents: <#types as __sdk::Decode<#lifetime>>::decode(const { #forms }, body)?,)*
                })
            }
        }

        #[automatically_derived]
        impl __sdk::Builder for __Builder {
            fn reserve(&mut self, rows: usize) {
                let _ = rows;
                #(__sdk::Builder::reserve(&mut self.#slots, rows);)*
            }

            fn placeholder(&mut self) {
                #(__sdk::Builder::placeholder(&mut self.#slots);)*
            }

            fn finish(
                &mut self,
                nulls: __sdk::Nulls,
                columns: &mut ::std::vec::Vec<__sdk::Column>,
            ) -> __sdk::Result<u32> {
                let index = __sdk::place(columns);
                let children = ::std::vec![
                    #(__sdk::Builder::finish(&mut self.#slots, __sdk::Nulls::default(), columns)?),*
                ];
                let buffers = ::std::vec![nulls.bits];
                __sdk::put(
                    columns,
                    index,
                    __sdk::Column { buffers, children, null_count: nulls.count },
                );
                ::core::result::Result::Ok(index)
            }

            fn clear(&mut self) {
                #(__sdk::Builder::clear(&mut self.#slots);)*
            }
        }
    })
}
