use std::collections::HashMap;

use apache_avro::Schema as Avro;

/// An Avro schema with everything its names stand for.
#[derive(Debug, Clone)]
pub(super) struct Parsed {
    pub(super) root: Avro,
    /// Of the schemas it refers to.
    others: Vec<Avro>,
}

pub(super) type Names<'a> = HashMap<String, &'a Avro>;

impl Parsed {
    pub(super) fn new(text: &str, references: &[String]) -> Result<Self, String> {
        if references.is_empty() {
            let root = Avro::parse_str(text).map_err(|error| error.to_string())?;
            return Ok(Self { root, others: Vec::new() });
        }
        let (root, others) =
            Avro::parse_str_with_list(text, references).map_err(|error| error.to_string())?;
        Ok(Self { root, others })
    }

    /// Every named type, by its full name.
    pub(super) fn names(&self) -> Names<'_> {
        let mut names = HashMap::new();
        for schema in self.others.iter().chain([&self.root]) {
            collect(schema, &mut names);
        }
        names
    }
}

fn collect<'a>(schema: &'a Avro, names: &mut Names<'a>) {
    if let Some(name) = schema.name()
        && !matches!(schema, Avro::Ref { .. })
    {
        names.insert(name.fullname(None), schema);
    }
    match schema {
        Avro::Array(array) => collect(&array.items, names),
        Avro::Map(map) => collect(&map.types, names),
        Avro::Union(union) => union.variants().iter().for_each(|branch| collect(branch, names)),
        Avro::Record(record) => record.fields.iter().for_each(|field| collect(&field.schema, names)),
        _ => {}
    }
}
