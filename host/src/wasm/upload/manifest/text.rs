//! JSON of a manifest, read with the path of what is wrong.

use serde::de::DeserializeOwned;
use serde_json::Map;
use serde_json::Value as Json;

use crate::model::failure::Refusal;
use crate::wasm::upload::refusal::refuse;

/// Most ports of each direction, and most config keys.
pub(super) const ITEMS_MAX: usize = 256;

/// An object, with its path.
pub(super) type Located<'a> = (String, &'a Map<String, Json>);

/// The objects of a list of at most `items_max`, with the path of each; none without the list.
pub(super) fn list<'a>(
    parent: &'a Map<String, Json>,
    name: &str,
    items_max: usize,
) -> Result<Vec<Located<'a>>, Refusal> {
    let path = format!("manifest.{name}");
    let items = bare_list(parent, name, items_max)?;
    items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let path = format!("{path}[{index}]");
            object(item, &path).map(|item| (path, item))
        })
        .collect()
}

/// The items of a list of at most `items_max`; none without the list.
pub(super) fn bare_list<'a>(
    parent: &'a Map<String, Json>,
    name: &str,
    items_max: usize,
) -> Result<&'a [Json], Refusal> {
    let Some(items) = parent.get(name) else {
        return Ok(&[]);
    };
    let path = format!("manifest.{name}");
    let Some(items) = items.as_array() else {
        return Err(invalid(&path, "this is no list", kind_of(items), "a list"));
    };
    if items.len() > items_max {
        let (found, expected) = (items.len().to_string(), format!("at most {items_max}"));
        return Err(invalid(&path, "the list is too long", &found, &expected));
    }
    Ok(items)
}

/// Refuses keys that are not known.
pub(super) fn check_keys(object: &Map<String, Json>, path: &str, known: &[&str]) -> Result<(), Refusal> {
    for key in object.keys() {
        if !known.contains(&key.as_str()) {
            return Err(refuse(
                "manifest-invalid",
                format!("{path}.{key}"),
                "there is no such key in manifests of version 1",
                format!("`{key}`"),
                format!("one of {}", known.join(", ")),
                nearest(key, known).map_or_else(remedy, |key| format!("Did you mean `{key}`?")),
            ));
        }
    }
    Ok(())
}

/// Refuses a text, if there is one, that is none of `words`.
pub(super) fn check_word(
    object: &Map<String, Json>,
    key: &str,
    path: &str,
    words: &[&str],
) -> Result<(), Refusal> {
    object.get(key).map_or(Ok(()), |word| check_is_word(word, &format!("{path}.{key}"), words))
}

/// Refuses what is none of `words`.
pub(super) fn check_is_word(json: &Json, path: &str, words: &[&str]) -> Result<(), Refusal> {
    let expected = format!("one of {}", words.join(", "));
    let Some(word) = json.as_str() else {
        return Err(invalid(path, "this is no text", kind_of(json), &expected));
    };
    if words.contains(&word) {
        return Ok(());
    }
    Err(refuse(
        "manifest-invalid",
        path,
        "this word is not known here",
        format!("`{word}`"),
        expected,
        nearest(word, words).map_or_else(remedy, |word| format!("Did you mean `{word}`?")),
    ))
}

/// Refuses a number, if there is one, that is no whole number from `min` to `max`.
pub(super) fn check_number(
    object: &Map<String, Json>,
    key: &str,
    path: &str,
    min: u64,
    max: u64,
) -> Result<(), Refusal> {
    match object.get(key) {
        None => Ok(()),
        Some(number) if number.as_u64().is_some_and(|number| (min..=max).contains(&number)) => Ok(()),
        Some(other) => {
            let expected = format!("a whole number from {min} to {max}");
            Err(invalid(
                &format!("{path}.{key}"),
                "the number is out of range",
                &other.to_string(),
                &expected,
            ))
        }
    }
}

/// The known word that is most like `word`, if one is like it.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3 + 1)
        .min()
        .map(|(_, candidate)| candidate)
}

pub(super) fn object<'a>(json: &'a Json, path: &str) -> Result<&'a Map<String, Json>, Refusal> {
    json.as_object().ok_or_else(|| invalid(path, "this is no object", kind_of(json), "an object"))
}

pub(super) fn typed<T: DeserializeOwned>(json: &Json, path: &str) -> Result<T, Refusal> {
    T::deserialize(json).map_err(|error| {
        invalid(
            path,
            "a value is missing or of another type",
            &error.to_string(),
            "see `wit/manifest.schema.json`",
        )
    })
}

fn kind_of(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

fn remedy() -> String {
    "Correct what `describe` returns; the SDKs write it themselves.".to_owned()
}

pub(super) fn invalid(path: &str, message: &str, found: &str, expected: &str) -> Refusal {
    refuse("manifest-invalid", path, message, found, expected, remedy())
}
