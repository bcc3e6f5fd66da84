use std::collections::BTreeSet;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_openapi_document_lists_every_route_and_how_it_fails() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    let document = host.get("/v1/openapi.json").await.json();
    assert_eq!(document, serde_json::to_value(crate::api::openapi()).expect("JSON"));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut found = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            found.insert(format!("{} {path}", method.to_uppercase()));
            let problem = &operation["responses"]["default"]["content"]["application/problem+json"];
            assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem", "{method} {path}");
            assert!(
                operation["summary"].is_string() && operation["operationId"].is_string(),
                "{method} {path}"
            );
            // It is a route: whatever it answers, it is not that there is none.
            let real = path.replace("{name}", "x").replace("{version}", "1");
            let answer = host.send(request(&method.to_uppercase(), &real, &[], "")).await;
            assert_ne!(answer.json_code().as_deref(), Some("route-not-found"), "{method} {path}");
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        }
    }
    let name = "/v1/tenants/default/pipelines/{name}";
    let example = &document["paths"][name]["put"]["requestBody"]["content"]["application/json"]["example"];
    assert_eq!(example["transform"]["name"], "payments-filter");
    let expected: BTreeSet<String> = [
        "GET /healthz".to_owned(),
        "GET /metrics".to_owned(),
        "GET /readyz".to_owned(),
        "GET /v1/openapi.json".to_owned(),
        "GET /v1/schemas/pipeline.json".to_owned(),
        "POST /v1/check".to_owned(),
        "GET /v1/tenants/default/transforms".to_owned(),
        "GET /v1/tenants/default/transforms/{name}/versions".to_owned(),
        "POST /v1/tenants/default/transforms/{name}/versions".to_owned(),
        "GET /v1/tenants/default/transforms/{name}/versions/{version}".to_owned(),
        "GET /v1/tenants/default/pipelines".to_owned(),
        format!("GET {name}"),
        format!("PUT {name}"),
        format!("DELETE {name}"),
        format!("POST {name}/pause"),
        format!("POST {name}/resume"),
        format!("POST {name}/restart"),
        format!("POST {name}/seek"),
        format!("GET {name}/status"),
        format!("GET {name}/logs"),
    ]
    .into();
    assert_eq!(found, expected);
}

/// Every schema that the document refers to is in it.
#[test]
fn the_openapi_document_is_closed() {
    let document = serde_json::to_value(crate::api::openapi()).expect("JSON");
    let mut open = vec![&document];
    let mut references = 0;
    while let Some(value) = open.pop() {
        match value {
            Json::Object(members) => {
                if let Some(Json::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("of this document");
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                    references += 1;
                }
                open.extend(members.values());
            }
            Json::Array(items) => open.extend(items),
            _ => {}
        }
    }
    assert!(references > 20, "{references}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schema_of_pipeline_documents_is_served() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    assert_eq!(host.get("/v1/schemas/pipeline.json").await.json(), json!({ "$schema": "x" }));
}

impl Answer {
    fn json_code(&self) -> Option<String> {
        let body: Json = serde_json::from_str(&self.text).ok()?;
        body["code"].as_str().map(str::to_owned)
    }
}
