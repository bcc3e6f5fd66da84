//! `#[derive(Record)]` on an enum with payloads: an Avro union.

use proc_macro2::TokenStream;
use quote::ToTokens;
use quote::format_ident;
use quote::quote;
use quote::quote_spanned;
use syn::DataEnum;
use syn::Fields;
use syn::Ident;
use syn::spanned::Spanned;

use crate::attributes::Place;
use crate::attributes::RecordAttributes;
use crate::lifetimes;
use crate::record::Target;

/// A dense union has an i8 for the branch.
const BRANCHES_MAX: usize = 127;

struct Branch {
    ident: Ident,
    slot: Ident,
    /// `()` for the null branch.
    ty: TokenStream,
    ty_static: TokenStream,
    null: bool,
}

pub(crate) fn derive(target: &Target<'_>, data: &DataEnum) -> syn::Result<TokenStream> {
    let name = &target.input.ident;
    let branches = branches(target, data)?;
    let (generics, lifetime) = (&target.generics, &target.lifetime);
    let count = branches.len();
    let indexes: Vec<u8> = (0..).take(count).collect();
    let slots: Vec<_> = branches.iter().map(|branch| &branch.slot).collect();
    let types: Vec<_> = branches.iter().map(|branch| &branch.ty).collect();
    let statics: Vec<_> = branches.iter().map(|branch| &branch.ty_static).collect();
    let reads = branches.iter().zip(&indexes).map(|(branch, index)| {
        let Branch { ident, slot, ty, null, .. } = branch;
        if *null {
            quote!(#index => ::core::result::Result::Ok(Self::#ident),)
        } else {
            quote!(#index => <#ty as __sdk::Read<#lifetime>>::read(&reader.#slot, at).map(Self::#ident),)
        }
    });
    let writes = branches.iter().zip(&indexes).map(|(branch, index)| {
        let Branch { ident, slot, ty, null, .. } = branch;
        let (pattern, value) = if *null { (quote!(), quote!(&())) } else { (quote!((value)), quote!(value)) };
        quote! {
            Self::#ident #pattern => {
                builder.union.push(#index);
                <#ty as __sdk::Write>::write(#value, &mut builder.#slot);
            }
        }
    });
    let encodes = branches.iter().zip(&indexes).map(|(branch, index)| {
        let Branch { ident, ty, null, .. } = branch;
        let (pattern, value) = if *null { (quote!(), quote!(&())) } else { (quote!((value)), quote!(value)) };
        quote! {
            Self::#ident #pattern => {
                __sdk::put_long(i64::from(#index), out);
                <#ty as __sdk::Encode>::encode(#value, __sdk::Form::PLAIN, out)
            }
        }
    });
    let decodes = branches.iter().zip(0_i64..).map(|(branch, index)| {
        let Branch { ident, ty, null, .. } = branch;
        if *null {
            quote!(#index => ::core::result::Result::Ok(Self::#ident),)
        } else {
            quote! {
                #index => <#ty as __sdk::Decode<#lifetime>>::decode(__sdk::Form::PLAIN, body).map(Self::#ident),
            }
        }
    });
    let stored = target.stored();
    let first = &branches.first().map(|branch| branch.slot.clone());
    let checks = checks(&branches);
    Ok(quote! {
        #checks

        #[automatically_derived]
        impl #generics __sdk::AvroType for #name #generics {
            const KIND: __sdk::Kind = __sdk::Kind::Union;

            fn schema(writer: &mut __sdk::SchemaWriter) {
                writer.union(&[#(<#types as __sdk::AvroType>::schema),*]);
            }
        }

        #[allow(unreachable_pub, missing_debug_implementations, missing_docs)]
        pub struct __Reader<#lifetime> {
            union: __sdk::UnionReader<#lifetime, #count>,
            #(#slots: <#types as __sdk::Read<#lifetime>>::Reader,)*
        }

        #[automatically_derived]
        impl<#lifetime> __sdk::Read<#lifetime> for #name #generics {
            type Reader = __Reader<#lifetime>;

            fn reader(
                columns: __sdk::Columns<#lifetime>,
                index: u32,
                len: usize,
            ) -> ::core::result::Result<Self::Reader, __sdk::ColumnError> {
                let union = __sdk::UnionReader::new(columns, index, len)?;
                #(
                    let (index, len) = union.branch(#indexes as usize);
                    let #slots = <#types as __sdk::Read<#lifetime>>::reader(columns, index, len)?;
                )*
                ::core::result::Result::Ok(__Reader { union, #(#slots),* })
            }

            fn read(
                reader: &Self::Reader,
                row: usize,
            ) -> ::core::result::Result<Self, __sdk::ColumnError> {
                let (branch, at) = reader.union.get(row)?;
                match branch {
                    #(#reads)*
                    _ => ::core::result::Result::Err(
                        __sdk::UnionReader::<#count>::no_branch()
                    ),
                }
            }
        }

        #[derive(Default)]
        #[allow(unreachable_pub, missing_debug_implementations, missing_docs)]
        pub struct __Builder {
            union: __sdk::UnionBuilder<#count>,
            #(#slots: <#statics as __sdk::Write>::Builder,)*
        }

        #[automatically_derived]
        impl #generics __sdk::Write for #name #generics {
            type Builder = __Builder;

            fn write(&self, builder: &mut Self::Builder) {
                match self {
                    #(#writes)*
                }
            }
        }

        #stored

        #[automatically_derived]
        impl #generics __sdk::Encode for #name #generics {
            fn encode(
                &self,
                _: __sdk::Form,
                out: &mut ::std::vec::Vec<u8>,
            ) -> ::core::result::Result<(), __sdk::BodyError> {
                match self {
                    #(#encodes)*
                }
            }
        }

        #[automatically_derived]
        impl<#lifetime> __sdk::Decode<#lifetime> for #name #generics {
            fn decode(
                _: __sdk::Form,
                body: &mut __sdk::Body<#lifetime>,
            ) -> ::core::result::Result<Self, __sdk::BodyError> {
                match body.long()? {
                    #(#decodes)*
                    _ => ::core::result::Result::Err(__sdk::BodyError::new("a union has no such branch")),
                }
            }
        }

        #[automatically_derived]
        impl __sdk::Builder for __Builder {
            fn reserve(&mut self, rows: usize) {
                self.union.reserve(rows);
            }

            fn placeholder(&mut self) {
                self.union.push(0);
                __sdk::Builder::placeholder(&mut self.#first);
            }

            fn finish(
                &mut self,
                nulls: __sdk::Nulls,
                columns: &mut ::std::vec::Vec<__sdk::Column>,
            ) -> __sdk::Result<u32> {
                let Self { union, #(#slots),* } = self;
                union.finish(&nulls, columns, |columns| {
                    ::core::result::Result::Ok([
                        #(__sdk::Builder::finish(#slots, __sdk::Nulls::default(), columns)?),*
                    ])
                })
            }

            fn clear(&mut self) {
                self.union.clear();
                #(__sdk::Builder::clear(&mut self.#slots);)*
            }
        }
    })
}

fn branches(target: &Target<'_>, data: &DataEnum) -> syn::Result<Vec<Branch>> {
    let mut branches = Vec::new();
    for (index, variant) in data.variants.iter().enumerate() {
        RecordAttributes::parse(&variant.attrs, Place::Branch)?;
        let ty = match &variant.fields {
            Fields::Unit => quote!(()),
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                fields.unnamed.first().map(|field| field.ty.to_token_stream()).unwrap_or_default()
            }
            Fields::Unnamed(_) | Fields::Named(_) => {
                return Err(syn::Error::new_spanned(
                    variant,
                    "a branch of a union carries one value: write `Variant(Type)`, with a record of its own for several fields",
                ));
            }
        };
        branches.push(Branch {
            ident: variant.ident.clone(),
            slot: format_ident!("branch{index}"),
            ty_static: lifetimes::to_static(ty.clone()),
            ty,
            null: matches!(variant.fields, Fields::Unit),
        });
    }
    let nulls = branches.iter().filter(|branch| branch.null).count();
    let name = &target.input.ident;
    if nulls > 1 {
        return Err(syn::Error::new_spanned(
            name,
            "a union has at most one unit variant: it stands for null",
        ));
    }
    if nulls == 1 && branches.len() == 2 {
        return Err(syn::Error::new_spanned(
            name,
            "a union of null and one other type is an `Option`: use Option<..> in its place",
        ));
    }
    if branches.len() > BRANCHES_MAX {
        return Err(syn::Error::new_spanned(name, "a union has at most 127 branches"));
    }
    Ok(branches)
}

/// Avro knows the unnamed branches of a union only by their type.
fn checks(branches: &[Branch]) -> TokenStream {
    let mut checks = TokenStream::new();
    for (index, branch) in branches.iter().enumerate() {
        let ty = &branch.ty_static;
        checks.extend(quote_spanned! { branch.ty.span() =>
            const _: () = ::core::assert!(
                !<#ty as __sdk::AvroType>::NULLABLE
                    && !::core::matches!(<#ty as __sdk::AvroType>::KIND, __sdk::Kind::Union),
                "Avro unions do not nest: no branch is an Option or another union"
            );
        });
        for other in branches.iter().take(index) {
            let other = &other.ty_static;
            checks.extend(quote_spanned! { branch.ty.span() =>
                const _: () = ::core::assert!(
                    !<#ty as __sdk::AvroType>::KIND.same_branch(<#other as __sdk::AvroType>::KIND),
                    "two branches of a union have the same Avro type: only records, enums and fixed may repeat"
                );
            });
        }
    }
    checks
}
