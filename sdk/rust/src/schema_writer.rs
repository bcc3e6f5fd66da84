//! Writes Avro schemas as JSON text.

/// Writes one Avro schema. A named type is defined where it first occurs and referred to by its
/// full name afterwards.
#[derive(Debug, Default)]
pub struct SchemaWriter {
    out: String,
    namespaces: Vec<String>,
    defined: Vec<(String, &'static str)>,
    hints: Hints,
}

/// What the attributes of a field say of the type behind it. The first schema that can use a hint
/// takes it, through options, arrays and maps.
#[derive(Debug, Clone, Copy, Default)]
struct Hints {
    logical: Option<&'static str>,
    fixed: Option<Fixed>,
    null_last: bool,
}

/// The name of a fixed type, and its size where the Rust type does not give it.
#[derive(Debug, Clone, Copy)]
pub struct Fixed {
    /// With or without namespace.
    pub name: &'static str,
    /// In bytes.
    pub size: Option<usize>,
}

/// The name of a record or enum.
#[derive(Debug, Clone, Copy)]
pub struct TypeName {
    /// Without namespace.
    pub name: &'static str,
    /// None: the namespace of the enclosing type.
    pub namespace: Option<&'static str>,
    /// Earlier names.
    pub aliases: &'static [&'static str],
    /// The Rust type, to notice two types under one name.
    pub rust: &'static str,
}

/// A field of a record.
#[derive(Debug, Clone, Copy)]
pub struct FieldSchema {
    /// Its name in the schema.
    pub name: &'static str,
    /// Earlier names.
    pub aliases: &'static [&'static str],
    /// Its default as JSON.
    pub default: Option<&'static str>,
    /// A logical type on `int` or `long`.
    pub logical: Option<&'static str>,
    /// The fixed type that carries it.
    pub fixed: Option<Fixed>,
}

impl SchemaWriter {
    /// The schema of a type.
    #[must_use]
    pub fn schema_of<T: crate::AvroType>() -> String {
        let mut writer = Self::default();
        T::schema(&mut writer);
        writer.out
    }

    /// A type without attributes: `"long"`. A hint may put a logical type on it.
    pub fn primitive(&mut self, name: &str) {
        match self.hints.logical.take() {
            Some(logical) => self.logical(name, logical),
            None => string(&mut self.out, name),
        }
    }

    /// A primitive type with a logical type.
    pub fn logical(&mut self, name: &str, logical: &str) {
        self.out.push_str("{\"type\":");
        string(&mut self.out, name);
        self.out.push_str(",\"logicalType\":");
        string(&mut self.out, logical);
        self.out.push('}');
    }

    /// A decimal on bytes, or on a fixed type if the field says so.
    pub fn decimal(&mut self, precision: u32, scale: u32) {
        if let Some(Fixed { name, size: Some(size) }) = self.hints.fixed {
            self.hints.fixed = None;
            let attributes =
                format!(",\"logicalType\":\"decimal\",\"precision\":{precision},\"scale\":{scale}");
            self.named_fixed(name, size, &attributes);
            return;
        }
        self.out.push_str(&format!(
            "{{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":{precision},\"scale\":{scale}}}"
        ));
    }

    /// A UUID on a string, or on a fixed type if the field says so.
    pub fn uuid(&mut self) {
        match self.hints.fixed.take() {
            Some(fixed) => self.named_fixed(fixed.name, 16, ",\"logicalType\":\"uuid\""),
            None => self.logical("string", "uuid"),
        }
    }

    /// A fixed type, under the name that the field gives or else `name`.
    pub fn fixed(&mut self, name: &str, size: usize, logical: Option<&str>) {
        let hint = self.hints.fixed.take();
        let attribute = logical.map(|logical| format!(",\"logicalType\":\"{logical}\"")).unwrap_or_default();
        self.named_fixed(hint.map_or(name, |fixed| fixed.name), size, &attribute);
    }

    fn named_fixed(&mut self, name: &str, size: usize, attributes: &str) {
        let full = self.full_name(name, None);
        if self.refer(&full, "fixed") {
            return;
        }
        self.out.push_str("{\"type\":\"fixed\",\"name\":");
        string(&mut self.out, &full);
        self.out.push_str(&format!(",\"size\":{size}{attributes}}}"));
    }

    /// An array of what `items` writes.
    pub fn array(&mut self, items: fn(&mut Self)) {
        self.out.push_str("{\"type\":\"array\",\"items\":");
        items(self);
        self.out.push('}');
    }

    /// A map to what `values` writes.
    pub fn map(&mut self, values: fn(&mut Self)) {
        self.out.push_str("{\"type\":\"map\",\"values\":");
        values(self);
        self.out.push('}');
    }

    /// A union of null and what `other` writes.
    pub fn nullable(&mut self, other: fn(&mut Self)) {
        if std::mem::take(&mut self.hints.null_last) {
            self.out.push('[');
            other(self);
            self.out.push_str(",\"null\"]");
        } else {
            self.out.push_str("[\"null\",");
            other(self);
            self.out.push(']');
        }
    }

    /// A union of what each of `branches` writes.
    pub fn union(&mut self, branches: &[fn(&mut Self)]) {
        self.out.push('[');
        for (index, branch) in branches.iter().enumerate() {
            self.comma(index);
            branch(self);
        }
        self.out.push(']');
    }

    /// An enum.
    pub fn enumeration(&mut self, name: TypeName, symbols: &[&str], default: Option<&str>) {
        let full = self.full_name(name.name, name.namespace);
        if self.refer(&full, name.rust) {
            return;
        }
        self.out.push_str("{\"type\":\"enum\",\"name\":");
        string(&mut self.out, &full);
        self.strings("aliases", name.aliases);
        self.out.push_str(",\"symbols\":");
        list(&mut self.out, symbols);
        if let Some(default) = default {
            self.out.push_str(",\"default\":");
            string(&mut self.out, default);
        }
        self.out.push('}');
    }

    /// A record with what `fields` writes.
    pub fn record(&mut self, name: TypeName, fields: fn(&mut Self)) {
        let full = self.full_name(name.name, name.namespace);
        if self.refer(&full, name.rust) {
            return;
        }
        self.out.push_str("{\"type\":\"record\",\"name\":");
        string(&mut self.out, &full);
        self.strings("aliases", name.aliases);
        self.out.push_str(",\"fields\":[");
        let namespace = full.rsplit_once('.').map_or("", |(namespace, _)| namespace);
        self.namespaces.push(namespace.to_owned());
        fields(self);
        self.namespaces.pop();
        self.out.push_str("]}");
    }

    /// A field of the record being written.
    pub fn field<T: crate::AvroType>(&mut self, field: FieldSchema) {
        self.field_of(field, T::NULLABLE, T::schema);
    }

    fn field_of(&mut self, field: FieldSchema, nullable: bool, schema: fn(&mut Self)) {
        let first = self.out.ends_with('[');
        self.comma(usize::from(!first));
        self.out.push_str("{\"name\":");
        string(&mut self.out, field.name);
        self.strings("aliases", field.aliases);
        self.out.push_str(",\"type\":");
        let default = field.default.or(nullable.then_some("null"));
        self.hints = Hints {
            logical: field.logical,
            fixed: field.fixed,
            // The default of a union is a value of its first branch.
            null_last: nullable && default != Some("null"),
        };
        schema(self);
        self.hints = Hints::default();
        if let Some(default) = default {
            self.out.push_str(",\"default\":");
            self.out.push_str(default);
        }
        self.out.push('}');
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.out.push(',');
        }
    }

    fn strings(&mut self, name: &str, values: &[&str]) {
        if !values.is_empty() {
            self.out.push_str(&format!(",\"{name}\":"));
            list(&mut self.out, values);
        }
    }

    fn full_name(&self, name: &str, namespace: Option<&str>) -> String {
        let enclosing = self.namespaces.last().map(String::as_str);
        match namespace.or(enclosing) {
            Some(namespace) if !namespace.is_empty() && !name.contains('.') => format!("{namespace}.{name}"),
            _ => name.to_owned(),
        }
    }

    /// Refers to a type that is already defined, or notes that it now will be.
    fn refer(&mut self, full: &str, rust: &'static str) -> bool {
        if let Some((_, other)) = self.defined.iter().find(|(name, _)| name == full) {
            assert!(
                *other == rust,
                "`{rust}` and `{other}` are both named `{full}` in the schema: rename one with #[record(rename = \"..\")]"
            );
            string(&mut self.out, full);
            return true;
        }
        self.defined.push((full.to_owned(), rust));
        false
    }
}

fn list(out: &mut String, values: &[&str]) {
    out.push('[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        string(out, value);
    }
    out.push(']');
}

/// Appends a JSON string.
pub(crate) fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
