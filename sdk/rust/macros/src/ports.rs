//! Input ports and configuration keys: the attributes above a transform.

use proc_macro2::Span;
use proc_macro2::TokenStream;
use quote::ToTokens;
use quote::quote;
use syn::Attribute;
use syn::Ident;
use syn::LitStr;
use syn::Token;
use syn::Type;
use syn::parse::Parse;
use syn::parse::ParseStream;

use crate::durations;
use crate::fields;
use crate::lifetimes;

/// `#[input(name: Type, key = Type, timestamp, headers, offset, prefetch, event_time = "field", ..)]`.
pub(crate) struct InputPort {
    pub(crate) name: LitStr,
    description: String,
    /// None: inferred.
    ty: Option<Type>,
    key: Option<Type>,
    timestamp: bool,
    headers: bool,
    offset: bool,
    /// Whether `Prefetch` is called.
    pub(crate) prefetch: bool,
    event_time: Option<EventTime>,
}

/// Where event time comes from, and what follows from it.
struct EventTime {
    /// None: the record's timestamp.
    field: Option<LitStr>,
    out_of_orderness_ms: u64,
    granularity_ms: u64,
    drop_late: bool,
}

impl EventTime {
    /// `timestamp`, or the name of a field.
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let field = if input.peek(LitStr) {
            Some(input.parse()?)
        } else {
            let ident: Ident = input.parse()?;
            if ident != "timestamp" {
                let message =
                    format!("write event_time = timestamp, or the name of a field: event_time = \"{ident}\"");
                return Err(syn::Error::new(ident.span(), message));
            }
            None
        };
        Ok(Self { field, out_of_orderness_ms: 0, granularity_ms: 100, drop_late: false })
    }

    /// Takes an option that goes with event time.
    fn take(&mut self, option: &Ident, value: &LitStr) -> syn::Result<()> {
        match option.to_string().as_str() {
            "out_of_orderness" => self.out_of_orderness_ms = durations::millis(value)?,
            "granularity" => self.granularity_ms = durations::positive_millis(value, "the granularity")?,
            _ => {
                self.drop_late = match value.value().as_str() {
                    "process" => false,
                    "drop" => true,
                    other => {
                        let message = format!(
                            "late records cannot be `{other}`: expected process or drop; a pipeline can also send them to a topic"
                        );
                        return Err(syn::Error::new(value.span(), message));
                    }
                };
            }
        }
        Ok(())
    }

    fn tokens(&self) -> TokenStream {
        let Self { out_of_orderness_ms, granularity_ms, drop_late, .. } = self;
        let field = fields::option(self.field.as_ref());
        quote! {
            __sdk::EventTimeDeclaration {
                event_time: __sdk::EventTime {
                    field: #field,
                    out_of_orderness_ms: #out_of_orderness_ms,
                    granularity_ms: #granularity_ms,
                    drop_late: #drop_late,
                },
                json: __sdk::EventTime::write_json,
            }
        }
    }
}

impl Parse for InputPort {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = port_name(input)?;
        let ty = if input.parse::<Option<Token![:]>>()?.is_some() { Some(input.parse()?) } else { None };
        let mut port = Self { ty, ..Self::unnamed() };
        port.name = name;
        let mut of_event_time: Vec<(Ident, LitStr)> = Vec::new();
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let option: Ident = input.parse()?;
            match option.to_string().as_str() {
                "key" => {
                    input.parse::<Token![=]>()?;
                    port.key = Some(input.parse()?);
                }
                "timestamp" => port.timestamp = true,
                "headers" => port.headers = true,
                "offset" => port.offset = true,
                "prefetch" => port.prefetch = true,
                "event_time" => {
                    input.parse::<Token![=]>()?;
                    port.event_time = Some(EventTime::parse(input)?);
                }
                "out_of_orderness" | "granularity" | "late" => {
                    input.parse::<Token![=]>()?;
                    of_event_time.push((option, input.parse()?));
                }
                other => {
                    return Err(syn::Error::new(
                        option.span(),
                        format!(
                            "unknown option `{other}`: expected key = Type, timestamp, headers, offset, prefetch, event_time, out_of_orderness, granularity or late"
                        ),
                    ));
                }
            }
        }
        for (option, value) in of_event_time {
            let Some(event_time) = &mut port.event_time else {
                return Err(syn::Error::new(
                    option.span(),
                    format!(
                        "`{option}` needs event time: write event_time = \"field\" or event_time = timestamp beside it"
                    ),
                ));
            };
            event_time.take(&option, &value)?;
        }
        if input.is_empty() {
            Ok(port)
        } else {
            Err(input.error("expected `#[input(name: Type, key = Type, timestamp, headers, offset, ..)]`"))
        }
    }
}

/// A port's name: an identifier, or a string for names that are none.
fn port_name(input: ParseStream<'_>) -> syn::Result<LitStr> {
    if input.peek(LitStr) {
        return input.parse();
    }
    let ident: Ident = input.parse()?;
    Ok(LitStr::new(ident.to_string().trim_start_matches("r#"), ident.span()))
}

impl InputPort {
    /// The port of a transform that names none.
    pub(crate) fn unnamed() -> Self {
        Self {
            name: LitStr::new("input", Span::call_site()),
            description: String::new(),
            ty: None,
            key: None,
            timestamp: false,
            headers: false,
            offset: false,
            prefetch: false,
            event_time: None,
        }
    }

    /// The type of the keys, with `'static` lifetimes.
    pub(crate) fn key(&self) -> Option<TokenStream> {
        self.key.as_ref().map(|key| lifetimes::to_static(key.to_token_stream()))
    }

    pub(crate) fn has_event_time(&self) -> bool {
        self.event_time.is_some()
    }

    /// The ports that the attributes of a struct declare.
    pub(crate) fn all(attributes: &[Attribute]) -> syn::Result<Vec<Self>> {
        let mut ports: Vec<Self> = Vec::new();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("input")) {
            let port: Self = attribute.parse_args()?;
            if ports.iter().any(|other| other.name.value() == port.name.value()) {
                return Err(syn::Error::new(
                    port.name.span(),
                    format!("two inputs are named `{}`", port.name.value()),
                ));
            }
            ports.push(port);
        }
        if ports.is_empty() {
            ports.push(Self::unnamed());
        }
        Ok(ports)
    }

    /// The type of the values, or `_` for the compiler to infer.
    pub(crate) fn ty(&self) -> TokenStream {
        self.ty.as_ref().map_or_else(|| quote!(_), ToTokens::to_token_stream)
    }

    /// The `InputPort` in generated code.
    pub(crate) fn tokens(&self) -> TokenStream {
        let Self { name, description, timestamp, headers, offset, .. } = self;
        let key = fields::option(self.key.as_ref().map(|key| quote!(__sdk::Part::of::<#key>())));
        let event_time = fields::option(self.event_time.as_ref().map(EventTime::tokens));
        quote! {
            __sdk::InputPort {
                name: #name,
                description: #description,
                key: #key,
                timestamp: #timestamp,
                headers: #headers,
                offset: #offset,
                event_time: #event_time,
            }
        }
    }
}

/// `#[config(key = "..", default = .., required, description = "..")]`.
#[derive(Default)]
pub(crate) struct ConfigKey {
    pub(crate) key: Option<LitStr>,
    pub(crate) description: Option<String>,
    pub(crate) required: bool,
    /// Text.
    pub(crate) default: Option<String>,
}

impl ConfigKey {
    pub(crate) fn parse(attribute: &Attribute) -> syn::Result<Self> {
        let mut out = Self::default();
        if matches!(attribute.meta, syn::Meta::Path(_)) {
            return Ok(out);
        }
        attribute.parse_nested_meta(|meta| {
            let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            match key.as_str() {
                "key" => out.key = Some(meta.value()?.parse()?),
                "description" => out.description = Some(meta.value()?.parse::<LitStr>()?.value()),
                "required" => out.required = true,
                "default" => out.default = Some(text(meta.value()?)?),
                other => {
                    return Err(meta.error(format!(
                        "unknown option `{other}`: expected key, default, required or description"
                    )));
                }
            }
            Ok(())
        })?;
        if out.required && out.default.is_some() {
            return Err(syn::Error::new_spanned(attribute, "a key with a default is never required"));
        }
        Ok(out)
    }

    /// The keys that the attributes of a struct declare.
    pub(crate) fn all(attributes: &[Attribute]) -> syn::Result<Vec<Self>> {
        let mut keys = Vec::new();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("config")) {
            let key = Self::parse(attribute)?;
            if key.key.is_none() {
                return Err(syn::Error::new_spanned(attribute, "expected `#[config(key = \"..\")]` here"));
            }
            keys.push(key);
        }
        Ok(keys)
    }

    /// The `ConfigKey` in generated code.
    pub(crate) fn tokens(&self) -> TokenStream {
        let key = &self.key;
        let description = self.description.as_deref().unwrap_or_default();
        let required = self.required;
        let default = fields::option(self.default.as_ref());
        quote! {
            __sdk::ConfigKey { key: #key, description: #description, required: #required, default: #default }
        }
    }
}

/// A literal as the text that a pipeline would set.
fn text(input: ParseStream<'_>) -> syn::Result<String> {
    if input.peek(LitStr) {
        return Ok(input.parse::<LitStr>()?.value());
    }
    let minus = input.parse::<Option<Token![-]>>()?.map_or("", |_| "-");
    let literal: syn::Lit = input.parse().map_err(|error| {
        syn::Error::new(error.span(), "the default of a config key is a literal: 500.0, true or \"text\"")
    })?;
    Ok(match literal {
        syn::Lit::Int(number) => format!("{minus}{}", number.base10_digits()),
        syn::Lit::Float(number) => format!("{minus}{}", number.base10_digits()),
        syn::Lit::Bool(value) => value.value.to_string(),
        syn::Lit::Char(value) => value.value().to_string(),
        other => {
            return Err(syn::Error::new_spanned(other, "expected a number, a boolean or a text"));
        }
    })
}

/// The text of the doc comments among some attributes.
pub(crate) fn docs(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        if let syn::Meta::NameValue(meta) = &attribute.meta
            && let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(line), .. }) = &meta.value
        {
            lines.push(line.value().trim().to_owned());
        }
    }
    // The first paragraph is what a list of transforms has room for.
    lines.split(String::is_empty).next().map(|paragraph| paragraph.join(" ")).unwrap_or_default()
}
