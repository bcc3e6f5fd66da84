//! The `#[record(..)]` attributes.

use syn::Attribute;
use syn::LitInt;
use syn::LitStr;
use syn::meta::ParseNestedMeta;

use crate::case::Case;
use crate::json;

/// Where an attribute stands: each place has its own keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Type,
    Field,
    Symbol,
    Branch,
}

/// What `#[record(..)]` says of a type, field or variant.
#[derive(Debug, Default)]
pub(crate) struct RecordAttributes {
    pub(crate) rename: Option<LitStr>,
    pub(crate) namespace: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) rename_all: Option<Case>,
    /// JSON.
    pub(crate) default: Option<String>,
    /// `default` without a value.
    pub(crate) is_default: bool,
    pub(crate) logical: Option<LitStr>,
    pub(crate) fixed: Option<LitStr>,
    pub(crate) size: Option<LitInt>,
}

impl RecordAttributes {
    pub(crate) fn parse(attributes: &[Attribute], place: Place) -> syn::Result<Self> {
        let mut out = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("record")) {
            attribute.parse_nested_meta(|meta| out.take(&meta, place))?;
        }
        if let (Some(size), None) = (&out.size, &out.fixed) {
            return Err(syn::Error::new_spanned(size, "`size` needs `fixed = \"Name\"` beside it"));
        }
        Ok(out)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>, place: Place) -> syn::Result<()> {
        let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match (key.as_str(), place) {
            ("rename", Place::Type | Place::Field | Place::Symbol) => self.rename = Some(name(meta, place)?),
            ("alias", Place::Type | Place::Field) => self.aliases.push(name(meta, place)?),
            ("namespace", Place::Type) => self.namespace = Some(name(meta, place)?),
            ("rename_all", Place::Type) => {
                let value: LitStr = meta.value()?.parse()?;
                self.rename_all = Some(Case::parse(&value.value(), value.span())?);
            }
            ("default", Place::Field) => self.default = Some(json::parse(meta.value()?)?),
            ("default", Place::Symbol) => self.is_default = true,
            ("logical", Place::Field) => self.logical = Some(meta.value()?.parse()?),
            ("fixed", Place::Field) => self.fixed = Some(name(meta, Place::Type)?),
            ("size", Place::Field) => self.size = Some(meta.value()?.parse()?),
            _ => {
                let known = match place {
                    Place::Type => "rename, namespace, alias, rename_all",
                    Place::Field => "rename, alias, default, logical, fixed, size",
                    Place::Symbol => "rename, default",
                    Place::Branch => "nothing: the branch of a union has no name of its own",
                };
                return Err(meta.error(format!("`{key}` does not stand here; expected {known}")));
            }
        }
        Ok(())
    }
}

/// A name as Avro allows it, in dotted form only for types.
fn name(meta: &ParseNestedMeta<'_>, place: Place) -> syn::Result<LitStr> {
    let name: LitStr = meta.value()?.parse()?;
    let text = name.value();
    let valid = |part: &str| {
        part.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let ok = match place {
        Place::Type => text.split('.').all(valid),
        _ => valid(&text),
    };
    if ok {
        Ok(name)
    } else {
        Err(syn::Error::new(
            name.span(),
            format!("`{text}` is no Avro name: letters, digits and underscores, not beginning with a digit"),
        ))
    }
}
