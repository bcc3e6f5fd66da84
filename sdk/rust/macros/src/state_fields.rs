//! The fields of a transform that hold state and timers.

use proc_macro2::TokenStream;
use quote::ToTokens;
use quote::quote;
use syn::Attribute;
use syn::Field;
use syn::Ident;
use syn::LitBool;
use syn::LitStr;
use syn::Type;

use crate::case::Case;
use crate::durations;
use crate::fields;
use crate::lifetimes;
use crate::ports;

/// The types that hold state, and whether what they hold can be listed.
const STATE_TYPES: [(&str, bool); 7] = [
    ("Value", false),
    ("Map", true),
    ("List", false),
    ("Set", true),
    ("Reducing", false),
    ("Aggregate", false),
    ("Deduplicate", false),
];

/// The host's own stores.
const RESERVED: [&str; 2] = ["timers", "meta"];
/// It is a part of a topic's name.
const NAME_BYTES_MAX: usize = 63;

/// A field that holds state.
pub(crate) struct StateField {
    pub(crate) ident: Ident,
    pub(crate) ty: TokenStream,
    pub(crate) name: LitStr,
    description: String,
    pub(crate) partition: bool,
    scan: bool,
    ttl_ms: Option<u64>,
    /// Which clock the time to live goes by, if the attribute says it.
    pub(crate) ttl_time: Option<TtlTime>,
}

/// `ttl_time`, and where it stands.
pub(crate) struct TtlTime {
    pub(crate) event: bool,
    pub(crate) literal: LitStr,
}

/// A field that holds timers.
pub(crate) struct TimersField {
    pub(crate) ident: Ident,
    pub(crate) ty: TokenStream,
    pub(crate) partition: bool,
}

impl StateField {
    /// The field, if it is state.
    pub(crate) fn take(field: &mut Field, ident: &Ident) -> syn::Result<Option<Self>> {
        let attribute = find(&field.attrs, "state");
        let known = last_ident(&field.ty)
            .and_then(|name| STATE_TYPES.iter().find(|(known, _)| name == known).copied());
        let Some((type_name, lists)) = known else {
            return match attribute {
                None => Ok(None),
                Some(attribute) => Err(syn::Error::new_spanned(
                    attribute,
                    format!(
                        "the field `{ident}` holds no state: make it a Value<..>, Map<..>, List<..>, Set<..>, Reducing<..>, Aggregate<..> or Deduplicate<..>"
                    ),
                )),
            };
        };
        if attribute.is_none() && field.attrs.iter().any(is_of_another_kind) {
            return Ok(None);
        }
        let plain = Case::Kebab.apply(ident.to_string().trim_start_matches("r#"));
        let mut state = Self {
            ident: ident.clone(),
            ty: lifetimes::to_static(field.ty.to_token_stream()),
            name: LitStr::new(&plain, ident.span()),
            description: ports::docs(&field.attrs),
            partition: false,
            scan: lists,
            ttl_ms: None,
            ttl_time: None,
        };
        if let Some(attribute) = attribute {
            state.parse(attribute, type_name, lists)?;
        }
        check_name(&state.name)?;
        field.ty = Type::Verbatim(state.ty.clone());
        Ok(Some(state))
    }

    fn parse(&mut self, attribute: &Attribute, type_name: &str, lists: bool) -> syn::Result<()> {
        if matches!(attribute.meta, syn::Meta::Path(_)) {
            return Ok(());
        }
        attribute.parse_nested_meta(|meta| {
            let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            match key.as_str() {
                "ttl" => {
                    let text: LitStr = meta.value()?.parse()?;
                    self.ttl_ms = Some(durations::positive_millis(&text, "the time to live")?);
                }
                "ttl_time" => {
                    let literal: LitStr = meta.value()?.parse()?;
                    let event = match literal.value().as_str() {
                        "event" => true,
                        "processing" => false,
                        other => {
                            let message = format!(
                                "a time to live cannot go by `{other}`: expected event or processing"
                            );
                            return Err(syn::Error::new(literal.span(), message));
                        }
                    };
                    self.ttl_time = Some(TtlTime { event, literal });
                }
                "scope" => self.partition = scope(&meta.value()?.parse()?)?,
                "scan" => {
                    let scan: LitBool = meta.value()?.parse()?;
                    if !lists {
                        return Err(
                            meta.error(format!("a {type_name} is never listed: `scan` is for Map and Set"))
                        );
                    }
                    self.scan = scan.value;
                }
                "name" => self.name = meta.value()?.parse()?,
                other => {
                    return Err(meta.error(format!(
                        "unknown option `{other}`: expected ttl, ttl_time, scope, scan or name"
                    )));
                }
            }
            Ok(())
        })?;
        match &self.ttl_time {
            Some(time) if self.ttl_ms.is_none() => {
                Err(syn::Error::new(time.literal.span(), "`ttl_time` needs `ttl = \"7d\"` beside it"))
            }
            _ => Ok(()),
        }
    }

    /// The `StateStore` in generated code. A time to live goes by event time where there is any.
    pub(crate) fn tokens(&self, has_event_time: bool) -> TokenStream {
        let Self { ty, name, description, partition, scan, .. } = self;
        let event = self.ttl_time.as_ref().map_or(has_event_time, |time| time.event);
        let time = if event { quote!(Event) } else { quote!(Processing) };
        let ttl = fields::option(
            self.ttl_ms.map(|ms| quote!(__sdk::TimeToLive { ms: #ms, time: __sdk::TimeDomain::#time })),
        );
        quote! {
            __sdk::StateStore {
                name: #name,
                description: #description,
                value: __sdk::stored_schema::<#ty>,
                partition: #partition,
                scan: #scan && <#ty as __sdk::StateField>::SCAN,
                ttl: #ttl,
            }
        }
    }
}

impl TimersField {
    /// The field, if it is timers.
    pub(crate) fn take(field: &mut Field, ident: &Ident) -> syn::Result<Option<Self>> {
        let attribute = find(&field.attrs, "timers");
        if last_ident(&field.ty).is_none_or(|name| name != "Timers") {
            return match attribute {
                None => Ok(None),
                Some(attribute) => Err(syn::Error::new_spanned(
                    attribute,
                    format!(
                        "the field `{ident}` holds no timers: make it `Timers`, `Timers<ProcessingTime>` or `Timers<AnyTime>`"
                    ),
                )),
            };
        }
        let mut partition = false;
        if let Some(attribute) = attribute {
            attribute.parse_nested_meta(|meta| {
                if !meta.path.is_ident("scope") {
                    return Err(meta.error("expected `#[timers(scope = \"partition\")]`"));
                }
                partition = scope(&meta.value()?.parse()?)?;
                Ok(())
            })?;
        }
        Ok(Some(Self { ident: ident.clone(), ty: field.ty.to_token_stream(), partition }))
    }
}

/// Whether a scope is that of the partition.
fn scope(literal: &LitStr) -> syn::Result<bool> {
    match literal.value().as_str() {
        "key" => Ok(false),
        "partition" => Ok(true),
        other => Err(syn::Error::new(
            literal.span(),
            format!("there is no scope `{other}`: expected key (of the record) or partition"),
        )),
    }
}

fn check_name(name: &LitStr) -> syn::Result<()> {
    let text = name.value();
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let why = if text.is_empty() || !text.chars().all(valid) {
        "expected a-z, 0-9 and `-`"
    } else if text.len() > NAME_BYTES_MAX {
        "63 characters are the most"
    } else if RESERVED.contains(&text.as_str()) {
        "the host has a store of this name"
    } else {
        return Ok(());
    };
    let message = format!("`{text}` cannot be the name of state: {why}. Write #[state(name = \"..\")]");
    Err(syn::Error::new(name.span(), message))
}

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| attribute.path().is_ident(name))
}

/// Whether an attribute makes a field something else than state.
fn is_of_another_kind(attribute: &Attribute) -> bool {
    ["output", "config", "open", "timers"].iter().any(|name| attribute.path().is_ident(name))
}

fn last_ident(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| &last.ident),
        _ => None,
    }
}
