//! Names in paths, and queries.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::extract::Path;
use axum::extract::Query;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::de::Error as _;
use utoipa::IntoParams;
use utoipa::ToSchema;

use crate::api::problem::Problem;
use crate::control::limits::PAGE_ITEMS_MAX;
use crate::control::page::Page;

/// Part of a path; a problem when it is not what the path needs.
pub(crate) struct InPath<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value))
            .map_err(|error| Problem::malformed("invalid-path", told("path", &error.body_text())))
    }
}

/// What is wrong with a part of the URL, without the words of the library.
fn told(part: &str, error: &str) -> String {
    let reason = ["Invalid URL: ", "Failed to deserialize query string: "]
        .iter()
        .find_map(|prefix| error.strip_prefix(prefix))
        .unwrap_or(error);
    format!("The {part} is not understood: {reason}. What it takes is described at /v1/openapi.json.")
}

/// The query; a problem when it has a key that is not known, so that a misspelt `dry_run` changes
/// nothing.
pub(crate) struct InQuery<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await;
        query
            .map(|Query(value)| Self(value))
            .map_err(|error| Problem::malformed("invalid-query", told("query", &error.body_text())))
    }
}

/// Where a page of a list begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// Items at most. Default and most: 200.
    #[serde(default = "page_items", deserialize_with = "page_limit::<_, PAGE_ITEMS_MAX>")]
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: usize,
}

impl PageQuery {
    pub(crate) fn after<K: FromStr<Err: Display>>(&self) -> Result<Option<K>, Problem> {
        let after = self.after.as_deref().map(str::parse).transpose();
        after.map_err(|error| {
            Problem::malformed("invalid-cursor", format!("The cursor `after` is not one: {error}."))
        })
    }
}

/// How many items of a page are asked for, from 1 to the most.
pub(crate) fn page_limit<'de, D: Deserializer<'de>, const MOST: usize>(
    deserializer: D,
) -> Result<usize, D::Error> {
    let limit = usize::deserialize(deserializer)?;
    if (1..=MOST).contains(&limit) {
        return Ok(limit);
    }
    Err(D::Error::custom(format!("found {limit}, expected a number from 1 to {MOST}")))
}

fn page_items() -> usize {
    PAGE_ITEMS_MAX
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListView<T> {
    pub(crate) items: Vec<T>,
    /// To be given as `after` for the next page; null on the last.
    pub(crate) next: Option<String>,
}

impl<T> ListView<T> {
    pub(crate) fn of<K: ToString>(page: Page<K, T>) -> Self {
        Self { items: page.items, next: page.next.map(|key| key.to_string()) }
    }
}
