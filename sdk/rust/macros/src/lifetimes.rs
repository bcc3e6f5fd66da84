//! Lifetimes in types.

use proc_macro2::Group;
use proc_macro2::Ident;
use proc_macro2::Punct;
use proc_macro2::Spacing;
use proc_macro2::Span;
use proc_macro2::TokenStream;
use proc_macro2::TokenTree;

/// A type with every lifetime replaced by `'static`, also elided ones.
pub(crate) fn to_static(tokens: TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(tree) = tokens.next() {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                tokens.next();
                out.extend(lifetime());
            }
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                out.extend([TokenTree::Punct(punct)]);
                let named = matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'');
                if !named {
                    out.extend(lifetime());
                }
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), to_static(group.stream()));
                inner.set_span(group.span());
                out.extend([TokenTree::Group(inner)]);
            }
            other => out.extend([other]),
        }
    }
    out
}

fn lifetime() -> [TokenTree; 2] {
    [
        TokenTree::Punct(Punct::new('\'', Spacing::Joint)),
        TokenTree::Ident(Ident::new("static", Span::call_site())),
    ]
}

#[cfg(test)]
mod tests {
    use quote::quote;

    #[test]
    fn every_lifetime_becomes_static() {
        let out = super::to_static(quote!(Output<(Alert<'_>, &str, &'a [u8])>));
        assert_eq!(
            out.to_string(),
            quote!(Output<(Alert<'static>, &'static str, &'static [u8])>).to_string()
        );
    }
}
