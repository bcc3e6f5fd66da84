//! The pipeline's configuration, as the transform reads it when an instance opens.

use crate::error::Error;
use crate::error::Result;

/// The values that the pipeline sets for the keys that the transform declares.
#[derive(Debug, Clone, Default)]
pub struct Config {
    entries: Vec<(String, String)>,
}

impl Config {
    /// A configuration of these keys and values.
    #[must_use]
    pub fn new(entries: Vec<(String, String)>) -> Self {
        Self { entries }
    }

    /// The text of a key; none if it is not set.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When it is not set, unless the type is an option, or when its text is no such value.
    pub fn parse<T: FromConfig>(&self, key: &str) -> Result<T> {
        self.parse_or(key, None)
    }

    /// The value of a key, or of `default` when it is not set.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_or<T: FromConfig>(&self, key: &str, default: Option<&str>) -> Result<T> {
        T::from_config(self.get(key).or(default))
            .map_err(|problem| Error::fatal(format!("config `{key}`: {problem}")))
    }
}

/// A type that a configuration value is parsed into: text, numbers, booleans, characters, options
/// of these, and vectors of these separated by commas.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be parsed from a config value",
    note = "use a number, a boolean, a String, an Option or a Vec of these, or set the field with #[open(function)]"
)]
pub trait FromConfig: Sized {
    /// Parses a text; none when the key is not set.
    ///
    /// # Errors
    /// What was found and what was expected.
    fn from_config(text: Option<&str>) -> Result<Self, String>;
}

macro_rules! parsed {
    ($($type:ty: $what:literal),+ $(,)?) => {$(
        impl FromConfig for $type {
            fn from_config(text: Option<&str>) -> Result<Self, String> {
                let text = text.ok_or_else(|| String::from(concat!("is not set; ", $what, " is expected")))?;
                text.trim().parse().map_err(|_| format!(concat!("`{}` is not ", $what), text))
            }
        }
    )+};
}

parsed! {
    bool: "true or false",
    char: "one character",
    f32: "a number",
    f64: "a number",
    i32: "a whole number from -2147483648 to 2147483647",
    i64: "a whole number of 64 bits",
    u16: "a whole number from 0 to 65535",
    u32: "a whole number from 0 to 4294967295",
    u64: "a whole number from 0",
    usize: "a whole number from 0",
}

impl FromConfig for String {
    fn from_config(text: Option<&str>) -> Result<Self, String> {
        text.map(str::to_owned).ok_or_else(|| "is not set; a text is expected".to_owned())
    }
}

impl<T: FromConfig> FromConfig for Option<T> {
    fn from_config(text: Option<&str>) -> Result<Self, String> {
        text.map(|text| T::from_config(Some(text))).transpose()
    }
}

impl<T: FromConfig> FromConfig for Vec<T> {
    fn from_config(text: Option<&str>) -> Result<Self, String> {
        let text = text.ok_or_else(|| "is not set; a list separated by commas is expected".to_owned())?;
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| T::from_config(Some(item)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_parsed_with_clear_errors() {
        let config = Config::new(vec![
            ("limit".into(), " 5.5 ".into()),
            ("names".into(), "a, b,,c".into()),
            ("flag".into(), "yes".into()),
        ]);
        assert_eq!(config.parse::<f64>("limit").expect("a number"), 5.5);
        assert_eq!(config.parse::<Vec<String>>("names").expect("a list"), ["a", "b", "c"]);
        assert_eq!(config.parse::<Option<i64>>("absent").expect("optional"), None);
        assert_eq!(config.parse_or::<i64>("absent", Some("7")).expect("a default"), 7);
        let error = config.parse::<bool>("flag").expect_err("yes is no boolean");
        assert_eq!(error.reason(), "config `flag`: `yes` is not true or false");
        let error = config.parse::<i64>("absent").expect_err("required");
        assert!(error.reason().contains("is not set"), "{error}");
    }
}
