//! A small JSON reader, for schema texts.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

/// Nesting beyond this is refused.
const DEPTH_MAX: usize = 128;

/// A JSON value. Numbers keep their text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool,
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Why a text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JsonError(&'static str);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Json {
    pub(crate) fn parse(text: &str) -> Result<Self, JsonError> {
        let mut parser = Parser { chars: text.chars().peekable() };
        let value = parser.value(0)?;
        match parser.next_token() {
            None => Ok(value),
            Some(_) => Err(JsonError("there is more after the end")),
        }
    }

    /// The value of a key of an object.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text of a string.
    pub(crate) fn str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

struct Parser<'a> {
    chars: Peekable<Chars<'a>>,
}

impl Parser<'_> {
    /// The next character that is no white space, left in place.
    fn next_token(&mut self) -> Option<char> {
        while self.chars.next_if(|c| matches!(c, ' ' | '\t' | '\n' | '\r')).is_some() {}
        self.chars.peek().copied()
    }

    fn expect(&mut self, expected: char, message: &'static str) -> Result<(), JsonError> {
        self.next_token();
        self.chars.next_if_eq(&expected).map(|_| ()).ok_or(JsonError(message))
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        if depth > DEPTH_MAX {
            return Err(JsonError("it is nested deeper than 128 levels"));
        }
        match self.next_token() {
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('"') => self.string().map(Json::String),
            Some('n') => self.word("null", Json::Null),
            Some('t') => self.word("true", Json::Bool),
            Some('f') => self.word("false", Json::Bool),
            Some(c) if c == '-' || c.is_ascii_digit() => Ok(self.number()),
            _ => Err(JsonError("a value is missing")),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, JsonError> {
        for expected in word.chars() {
            self.chars.next_if_eq(&expected).ok_or(JsonError("expected null, true or false"))?;
        }
        Ok(value)
    }

    fn number(&mut self) -> Json {
        let mut text = String::new();
        while let Some(c) =
            self.chars.next_if(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E'))
        {
            text.push(c);
        }
        Json::Number(text)
    }

    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.chars.next();
        let mut items = Vec::new();
        if self.next_token() == Some(']') {
            self.chars.next();
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.next_token() == Some(',') {
                self.chars.next();
            } else {
                self.expect(']', "an array does not end")?;
                return Ok(Json::Array(items));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.chars.next();
        let mut entries = Vec::new();
        if self.next_token() == Some('}') {
            self.chars.next();
            return Ok(Json::Object(entries));
        }
        loop {
            if self.next_token() != Some('"') {
                return Err(JsonError("a key is missing"));
            }
            let key = self.string()?;
            self.expect(':', "a key has no value")?;
            entries.push((key, self.value(depth + 1)?));
            if self.next_token() == Some(',') {
                self.chars.next();
            } else {
                self.expect('}', "an object does not end")?;
                return Ok(Json::Object(entries));
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        const OPEN: JsonError = JsonError("a string does not end");
        const ESCAPE: JsonError = JsonError("a string has an unknown escape");
        self.chars.next();
        let mut text = String::new();
        loop {
            match self.chars.next().ok_or(OPEN)? {
                '"' => return Ok(text),
                '\\' => text.push(match self.chars.next().ok_or(OPEN)? {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'u' => self.unicode()?,
                    c @ ('"' | '\\' | '/') => c,
                    _ => return Err(ESCAPE),
                }),
                c => text.push(c),
            }
        }
    }

    /// The character of a `\u` escape, or of two that make a surrogate pair.
    fn unicode(&mut self) -> Result<char, JsonError> {
        const ESCAPE: JsonError = JsonError("a string has a wrong \\u escape");
        let high = self.hex().ok_or(ESCAPE)?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high).ok_or(ESCAPE);
        }
        self.chars.next_if_eq(&'\\').ok_or(ESCAPE)?;
        self.chars.next_if_eq(&'u').ok_or(ESCAPE)?;
        let low = self.hex().filter(|low| (0xdc00..0xe000).contains(low)).ok_or(ESCAPE)?;
        char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)).ok_or(ESCAPE)
    }

    fn hex(&mut self) -> Option<u32> {
        let mut value = 0;
        for _ in 0..4 {
            value = value * 16 + self.chars.next()?.to_digit(16)?;
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read() {
        let text = " {\"a\" : [1, -2.5e3, null,true ,false], \"b\":{\"\\u00e4\\ud83d\\ude00\\n\":\"\"} } ";
        let json = Json::parse(text).expect("valid");
        let Some(Json::Array(items)) = json.get("a") else { panic!("no array: {json:?}") };
        assert_eq!(items.len(), 5);
        assert_eq!(items[1], Json::Number("-2.5e3".into()));
        assert_eq!(json.get("b").and_then(|b| b.get("ä😀\n")).and_then(Json::str), Some(""));
    }

    #[test]
    fn broken_texts_are_refused() {
        for bad in ["", "{", "[1,]", "{\"a\"}", "\"\\x\"", "\"\\ud800\"", "nul", "1 2", "{\"a\":1,}", "\"abc"]
        {
            assert!(Json::parse(bad).is_err(), "{bad}");
        }
        assert!(Json::parse(&"[".repeat(100_000)).is_err());
    }
}
