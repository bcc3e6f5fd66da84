//! Defaults in attributes, as JSON.

use proc_macro2::Delimiter;
use proc_macro2::TokenStream;
use proc_macro2::TokenTree;
use syn::LitStr;
use syn::parse::ParseStream;

/// Takes the tokens up to the next comma and makes JSON of them.
pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<String> {
    let mut text = String::new();
    let start = input.span();
    while !input.is_empty() && !input.peek(syn::Token![,]) {
        write(input.parse::<TokenTree>()?, &mut text);
    }
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(syn::Error::new(
            start,
            format!(
                "the default `{text}` is not JSON ({error}): write null, true, 1.5, \"text\", [] or {{}}"
            ),
        )),
    }
}

fn write(tree: TokenTree, out: &mut String) {
    match tree {
        TokenTree::Group(group) => {
            let (open, close) = match group.delimiter() {
                Delimiter::Brace => ("{", "}"),
                Delimiter::Bracket => ("[", "]"),
                Delimiter::Parenthesis => ("(", ")"),
                Delimiter::None => ("", ""),
            };
            out.push_str(open);
            group.stream().into_iter().for_each(|tree| write(tree, out));
            out.push_str(close);
        }
        TokenTree::Literal(literal) => {
            let tokens = TokenStream::from(TokenTree::Literal(literal.clone()));
            match syn::parse2::<LitStr>(tokens) {
                // Rust escapes more than JSON.
                Ok(string) => out.push_str(&serde_json::Value::from(string.value()).to_string()),
                Err(_) => out.push_str(&literal.to_string()),
            }
        }
        other => out.push_str(&other.to_string()),
    }
}
