//! The nearest known word to a misspelt one.

/// Longest text in bytes that a known word is looked for: longer than any of them, and the search takes time
/// by the product of both.
const FOUND_BYTES_MAX: usize = 64;

/// The known word that `found` most likely stands for, if any is near enough to be worth naming.
pub(crate) fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if found.len() > FOUND_BYTES_MAX {
        return None;
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '.', ' '], "_");
    let wanted = plain(found);
    known
        .into_iter()
        .map(|word| {
            let candidate = plain(word);
            let score = strsim::jaro_winkler(&wanted, &candidate);
            let edits = strsim::damerau_levenshtein(&wanted, &candidate);
            (word, score, edits)
        })
        .filter(|(word, score, edits)| *score >= 0.84 || *edits * 3 <= word.len())
        .min_by(|a, b| a.2.cmp(&b.2).then(b.1.total_cmp(&a.1)))
        .map(|(word, _, _)| word)
}

/// "Did you mean `x`?", or the list of what is known.
pub(crate) fn remedy(found: &str, known: &[&str]) -> String {
    match nearest(found, known.iter().copied()) {
        Some(word) => format!("Did you mean `{word}`?"),
        None => format!("Known here: {}.", list(known)),
    }
}

/// `a`, `b`, `c`.
pub(crate) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_wins_and_a_far_one_is_not_named() {
        let known = ["topic", "key", "value", "partition_by", "memory_bytes_max"];
        assert_eq!(nearest("topc", known), Some("topic"));
        assert_eq!(nearest("partitionBy", known), Some("partition_by"));
        assert_eq!(nearest("memory-bytes-max", known), Some("memory_bytes_max"));
        assert_eq!(nearest("frobnicate", known), None);
        assert_eq!(nearest(&"topic".repeat(20), ["topic".repeat(20).as_str()]), None, "too long to look for");
    }
}
