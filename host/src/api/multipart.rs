//! Bodies of several parts (`multipart/form-data`, RFC 7578), which are in memory as a whole.

use bytes::Bytes;

/// One part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// In lower case, without parameters.
    pub(crate) media_type: Option<String>,
    pub(crate) body: Bytes,
}

/// Longest headers of one part, in bytes.
const HEADERS_BYTES_MAX: usize = 8 << 10;

/// The boundary that a `Content-Type` names.
pub(crate) fn boundary(content_type: &str) -> Option<String> {
    parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty() && boundary.len() <= 70)
}

/// The parts of a body, at most so many.
///
/// # Errors
/// What is wrong with the body, as a sentence.
pub(crate) fn parts(body: &Bytes, boundary: &str, parts_max: usize) -> Result<Vec<Part>, String> {
    let delimiter = format!("\r\n--{boundary}");
    let (delimiter, first) = (delimiter.as_bytes(), delimiter.as_bytes().get(2..).unwrap_or_default());
    // What stands before the first delimiter is no part.
    let mut at = if body.starts_with(first) {
        first.len()
    } else {
        find(body, delimiter, 0).ok_or("The body has no part with the boundary that it names.")?
            + delimiter.len()
    };
    let mut parts = Vec::new();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        if parts.len() == parts_max {
            return Err(format!("The body has more than {parts_max} parts."));
        }
        let after = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if !rest.get(after..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
            return Err("A boundary in the body is not followed by a line break.".to_owned());
        }
        // The line break belongs to the headers, which may be none.
        let headers = at + after;
        let end = find(body, b"\r\n\r\n", headers).filter(|end| end - headers <= HEADERS_BYTES_MAX);
        let end = end.ok_or("The headers of a part do not end.")?;
        let content = end + 4;
        let next = find(body, delimiter, end + 2).ok_or("The last part of the body does not end.")?;
        let text = String::from_utf8_lossy(body.get(headers..end).unwrap_or_default()).into_owned();
        let body = body.slice(content.min(next)..next);
        parts.push(part(&text, body)?);
        at = next + delimiter.len();
    }
}

fn part(headers: &str, body: Bytes) -> Result<Part, String> {
    let header = |wanted: &str| {
        headers.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let name = header("content-disposition").and_then(|value| parameter(value, "name"));
    let name = name.ok_or("A part of the body has no name.")?;
    let media_type = header("content-type")
        .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    Ok(Part { name, media_type, body })
}

/// A parameter of a header's value, `form-data; name="x"`, without its quotes.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (found, next) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (found, next) = after.split_once(';').unwrap_or((after, ""));
                (found.trim().to_owned(), next)
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(found);
        }
        rest = next.trim_start_matches([' ', '\t', ';']);
    }
}

/// A text up to its closing quote, and what follows.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut found = String::new();
    let mut escaped = false;
    for (index, char) in text.char_indices() {
        match char {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return Some((found, text.get(index + 1..)?)),
            _ => {
                found.push(char);
                escaped = false;
            }
        }
    }
    None
}

/// Where a text first stands at or after a place. It begins with a byte that is rare in components.
fn find(body: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let first = *wanted.first()?;
    let mut at = from;
    loop {
        at += body.get(at..)?.iter().position(|byte| *byte == first)?;
        if body.get(at..)?.starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<(String, Option<String>, String)>, String> {
        let parts = parts(&Bytes::from(body.to_owned()), "b", 2)?;
        let text = |body: Bytes| String::from_utf8(body.to_vec()).expect("text");
        Ok(parts.into_iter().map(|part| (part.name, part.media_type, text(part.body))).collect())
    }

    #[test]
    fn parts_are_read_with_their_names_and_types() {
        let body = "ignored\r\n--b\r\nContent-Disposition: form-data; filename=\"a;name=x\"; name=\"one\"\r\n\
                    content-type: Application/YAML; charset=utf-8\r\n\r\nline\r\n\r\n--c\r\n--b \r\n\
                    Content-Disposition: form-data; name=two\r\n\r\n\r\n--b--\r\nignored";
        let one = ("one".to_owned(), Some("application/yaml".to_owned()), "line\r\n\r\n--c".to_owned());
        assert_eq!(read(body), Ok(vec![one, ("two".to_owned(), None, String::new())]));
        assert_eq!(read("--b--"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_body_of_parts_is_told() {
        let part = "Content-Disposition: form-data; name=\"x\"\r\n\r\n1";
        for (body, expected) in [
            (String::new(), "no part"),
            ("{}".to_owned(), "no part"),
            (format!("--b\r\n{part}"), "does not end"),
            ("--b\r\nContent-Disposition: form-data; name=\"x\"".to_owned(), "headers of a part"),
            ("--b\r\n\r\n1\r\n--b--".to_owned(), "has no name"),
            (format!("--bc\r\n{part}\r\n--b--"), "not followed"),
            (format!("--b\r\n{part}\r\n--b\r\n{part}\r\n--b\r\n{part}\r\n--b--"), "more than 2 parts"),
        ] {
            let error = read(&body).expect_err(&body);
            assert!(error.contains(expected), "{body:?}: {error}");
        }
    }

    #[test]
    fn the_boundary_is_a_parameter_of_the_type() {
        assert_eq!(boundary("multipart/form-data; boundary=x"), Some("x".to_owned()));
        assert_eq!(boundary("multipart/form-data; charset=utf-8; Boundary=\"x y\""), Some("x y".to_owned()));
        for none in
            ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"x"]
        {
            assert_eq!(boundary(none), None, "{none}");
        }
        assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "x".repeat(71))), None);
    }
}
