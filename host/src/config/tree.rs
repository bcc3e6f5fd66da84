//! A YAML or JSON document as a tree whose nodes know where they stand.
//!
//! Deserializing straight into structs would stop at the first error and lose the place of every
//! value. From this tree all errors of a document are found in one go.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error as _;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde_saphyr::Spanned;

use crate::model::failure::Code;
use crate::model::failure::Refusal;

/// Line and column from 1; none when unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place(Option<(u64, u64)>);

impl Place {
    #[cfg(test)]
    pub(crate) fn at(line: u64, column: u64) -> Self {
        Self(Some((line, column)))
    }

    fn of<T>(spanned: &Spanned<T>) -> Self {
        let (line, column) = (spanned.referenced.line(), spanned.referenced.column());
        Self((line > 0).then_some((line, column)))
    }
}

/// Empty, or ` (line 3, column 5)`: to be put behind a clause.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((line, column)) => write!(f, " (line {line}, column {column})"),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the document's order; keys may stand twice in JSON.
    Map(Vec<(Key, Node)>),
}

/// A key of a map. Numbers and booleans are taken as they would be written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) text: String,
}

/// The form of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileFormat {
    Yaml,
    Json,
}

impl Node {
    /// Parses one document.
    ///
    /// # Errors
    /// When the text is not well-formed, with the place.
    pub(crate) fn parse(text: &str, format: FileFormat) -> Result<Self, Box<Refusal>> {
        let (message, name) = match format {
            FileFormat::Yaml => match serde_saphyr::from_str::<Self>(text) {
                Ok(node) => return Ok(node),
                Err(error) => {
                    let line = error.without_snippet().to_string();
                    (line.lines().next().unwrap_or("not well-formed").to_owned(), "YAML")
                }
            },
            FileFormat::Json => match serde_json::from_str::<Plain>(text) {
                Ok(plain) => return Ok(plain.into()),
                Err(error) => (error.to_string(), "JSON"),
            },
        };
        Err(Box::new(Refusal {
            code: Code(if name == "YAML" { "invalid-yaml" } else { "invalid-json" }),
            field: "document".to_owned(),
            message: format!("this is not well-formed {name}"),
            found: message,
            expected: format!("one {name} document"),
            remedy: "Mend the document at the place named.".to_owned(),
        }))
    }

    /// What was found, for an error: short, and without the text itself where it is long.
    pub(crate) fn found(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Boolean(value) => format!("`{value}`"),
            Value::Integer(value) => format!("`{value}`"),
            Value::Float(value) => format!("`{value}`"),
            Value::Text(text) => format!("`{}`", cut(text, 80)),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Map(_) => "a map".to_owned(),
        }
    }
}

/// The first `max` characters.
pub(crate) fn cut(text: &str, max: usize) -> String {
    let mut out: String = text.chars().take(max).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Placed>::deserialize(deserializer)?;
        Ok(Self { place: Place::of(&spanned), value: spanned.value.0 })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Placed>::deserialize(deserializer)?;
        let place = Place::of(&spanned);
        let text = match spanned.value.0 {
            Value::Text(text) => text,
            Value::Integer(value) => value.to_string(),
            Value::Boolean(value) => value.to_string(),
            _ => return Err(D::Error::custom(format!("a key must be text{place}"))),
        };
        Ok(Self { place, text })
    }
}

/// A value whose children know their place: YAML.
struct Placed(Value);

impl<'de> Deserialize<'de> for Placed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor::<Node, Key>(PhantomData)).map(Self)
    }
}

/// A value without places: JSON, whose parser knows none.
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor::<Self, String>(PhantomData)).map(Self)
    }
}

impl From<Plain> for Node {
    fn from(plain: Plain) -> Self {
        Self { place: Place::default(), value: plain.0 }
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self { place: Place::default(), text }
    }
}

/// Builds a value from children `N` and keys `K`.
struct ValueVisitor<N, K>(PhantomData<(N, K)>);

impl<'de, N, K> Visitor<'de> for ValueVisitor<N, K>
where
    N: Deserialize<'de> + Into<Node>,
    K: Deserialize<'de> + Into<Key>,
{
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Value, E> {
        i128::try_from(value).map(Value::Integer).map_err(|_| E::custom("a number beyond all bounds"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<N>()? {
            list.push(item.into());
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry::<K, N>()? {
            map.push((key.into(), value.into()));
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_nodes_know_their_place() {
        let node = Node::parse("a: 1\nb:\n  - x\n  - 2.5\n0: true\n", FileFormat::Yaml).expect("well-formed");
        let Value::Map(entries) = node.value else { panic!("a map") };
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0].0.text, "a");
        assert_eq!(entries[0].1, Node { place: Place::at(1, 4), value: Value::Integer(1) });
        assert_eq!(entries[1].0.place, Place::at(2, 1));
        let Value::List(items) = &entries[1].1.value else { panic!("a list") };
        assert_eq!(items[1], Node { place: Place::at(4, 5), value: Value::Float(2.5) });
        assert_eq!(entries[2].0.text, "0");
    }

    #[test]
    fn json_gives_the_same_tree_without_places() {
        let node =
            Node::parse(r#"{"a": [1, "x", null, {}], "b": -5}"#, FileFormat::Json).expect("well-formed");
        let Value::Map(entries) = &node.value else { panic!("a map") };
        let Value::List(items) = &entries[0].1.value else { panic!("a list") };
        let values: Vec<_> = items.iter().map(|item| item.value.clone()).collect();
        assert_eq!(
            values,
            [Value::Integer(1), Value::Text("x".to_owned()), Value::Null, Value::Map(Vec::new())]
        );
        assert_eq!(entries[1].1.value, Value::Integer(-5));
        assert_eq!(node.place.to_string(), "");
    }

    #[test]
    fn what_is_not_well_formed_is_refused_with_its_place() {
        let yaml = Node::parse("a: [1\nb: 2\n", FileFormat::Yaml).expect_err("open list");
        assert_eq!(yaml.code.0, "invalid-yaml");
        assert!(yaml.found.contains("line"), "{yaml}");
        let json = Node::parse("{\"a\": }", FileFormat::Json).expect_err("no value");
        assert_eq!(json.code.0, "invalid-json");
        assert!(json.found.contains("line 1"), "{json}");
    }
}
