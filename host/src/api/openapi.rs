//! The OpenAPI document, made from the handlers.

use utoipa::Modify;
use utoipa::OpenApi;
use utoipa::openapi::Content;
use utoipa::openapi::Ref;
use utoipa::openapi::ResponseBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::security::HttpAuthScheme;
use utoipa::openapi::security::HttpBuilder;
use utoipa::openapi::security::SecurityScheme;

use crate::api::problem::FieldProblem;
use crate::api::problem::ProblemDocument;
use crate::api::router;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Wasmill",
        description = "Runs transforms compiled to WebAssembly components on Kafka streams.\n\n\
            Errors are problem documents (RFC 9457) with a stable `code`. Lists page by cursor. Changes of a \
            pipeline take `If-Match`. Nothing is applied half.",
    ),
    components(schemas(ProblemDocument, FieldProblem)),
    modifiers(&BearerToken),
    security(("token" = [])),
    tags(
        (name = "transforms", description = "Uploaded components and their versions"),
        (name = "pipelines", description = "What runs, and how it is doing"),
        (name = "documents", description = "What the API says of itself"),
        (name = "health", description = "Probes and metrics"),
    ),
)]
pub(crate) struct Document;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of the host. Not asked for on a host without tokens, on loopback."));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}

/// The OpenAPI document of the API.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, mut document) = router::routes().split_for_parts();
    complete(&mut document);
    document
}

/// Adds what is the same for every operation: how it fails.
pub(crate) fn complete(document: &mut utoipa::openapi::OpenApi) {
    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
    let problem = ResponseBuilder::new()
        .description("What went wrong, as a problem document")
        .content("application/problem+json", problem)
        .build();
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        operation.responses.responses.insert("default".to_owned(), problem.clone().into());
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().filter_map(Option::as_mut)
}
