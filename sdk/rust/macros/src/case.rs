//! Spellings of names.

use proc_macro2::Span;

/// How the names of a type are spelled in its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Snake,
    Camel,
    Pascal,
    ScreamingSnake,
    Kebab,
    Lower,
    Upper,
}

impl Case {
    pub(crate) fn parse(name: &str, span: Span) -> syn::Result<Self> {
        Ok(match name {
            "snake_case" => Self::Snake,
            "camelCase" => Self::Camel,
            "PascalCase" => Self::Pascal,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            _ => {
                return Err(syn::Error::new(
                    span,
                    format!(
                        "unknown case `{name}`: expected snake_case, camelCase, PascalCase, SCREAMING_SNAKE_CASE, kebab-case, lowercase or UPPERCASE"
                    ),
                ));
            }
        })
    }

    /// Spells a Rust identifier in this way.
    pub(crate) fn apply(self, name: &str) -> String {
        let words = words(name);
        let capital = |word: &String| {
            let mut chars = word.chars();
            chars
                .next()
                .map(|first| first.to_ascii_uppercase().to_string() + chars.as_str())
                .unwrap_or_default()
        };
        match self {
            Self::Snake => words.join("_"),
            Self::Kebab => words.join("-"),
            Self::Lower => words.concat(),
            Self::Upper => words.concat().to_uppercase(),
            Self::ScreamingSnake => words.join("_").to_uppercase(),
            Self::Pascal => words.iter().map(capital).collect(),
            Self::Camel => {
                let (first, rest) = words.split_first().map_or(("", [].as_slice()), |(f, r)| (f.as_str(), r));
                first.to_owned() + &rest.iter().map(capital).collect::<String>()
            }
        }
    }
}

/// The words of an identifier in lower case: they begin at underscores and capitals.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous_lower = false;
    for c in name.chars() {
        if c == '_' || (c.is_ascii_uppercase() && previous_lower) {
            words.push(String::new());
        }
        previous_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        if c != '_'
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::Case;

    #[test]
    fn identifiers_are_respelled() {
        for (case, from, to) in [
            (Case::Camel, "card_present", "cardPresent"),
            (Case::Pascal, "card_present", "CardPresent"),
            (Case::ScreamingSnake, "InTransit", "IN_TRANSIT"),
            (Case::Snake, "InTransit", "in_transit"),
            (Case::Kebab, "PaymentsFilter", "payments-filter"),
            (Case::Lower, "InTransit", "intransit"),
            (Case::Upper, "InTransit", "INTRANSIT"),
        ] {
            assert_eq!(case.apply(from), to);
        }
    }
}
