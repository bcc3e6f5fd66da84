use std::path::Path;

use super::*;
use crate::control::fake_runner;

const MIB: usize = 1 << 20;

async fn catalog(folder: &Path) -> Catalog {
    let folder = Arc::new(Folder::open(folder.to_owned()).expect("a folder"));
    Catalog::load(folder, TenantName::default_tenant()).await.expect("read")
}

/// A version with a manifest of about so many bytes.
fn version(digest: &str, manifest_bytes: usize, size: u64) -> VersionRecord {
    let mut manifest = fake_runner::manifest();
    manifest.description = "x".repeat(manifest_bytes);
    VersionRecord {
        name: TransformName::new("t").expect("a name"),
        version: TransformVersion(0),
        digest: digest.to_owned(),
        size,
        manifest,
        uploaded_at_ms: 0,
        warnings: Vec::new(),
    }
}

fn pipeline(name: &str, bytes: usize) -> PipelineRecord {
    PipelineRecord {
        name: PipelineName::new(name).expect("a name"),
        revision: 0,
        desired: Desired::Running,
        transform: crate::control::pipeline_record::PinnedTransform {
            label: "t@1".to_owned(),
            digest: "sha256:1".to_owned(),
        },
        changed_at_ms: 0,
        state: Default::default(),
        spec: serde_json::json!({ "x": "x".repeat(bytes) }),
    }
}

fn code<T: std::fmt::Debug>(outcome: Result<T, ControlError>) -> &'static str {
    match outcome {
        Err(ControlError::Conflict(conflict)) => conflict.code.0,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_record_that_could_not_be_read_again_is_not_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let catalog = catalog(dir.path()).await;
    let large = version("sha256:1", 17 * MIB, 1);
    assert_eq!(code(catalog.room_for_version(&large)), "record-too-large");
    assert_eq!(code(catalog.add_version(large).await), "record-too-large");
    assert_eq!(code(catalog.put_pipeline(pipeline("p", 17 * MIB)).await), "record-too-large");
    let again = self::catalog(dir.path()).await;
    assert!(again.broken().is_empty() && again.all_pipelines().is_empty());
}

#[tokio::test]
async fn versions_are_bounded_in_bytes_also_after_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut catalog = catalog(dir.path()).await;
    for number in 0..4 {
        let record = version(&format!("sha256:{number}"), 15 * MIB, 1 << 30);
        catalog.room_for_version(&record).expect("room");
        catalog.add_version(record).await.expect("kept");
    }
    for _ in 0..2 {
        assert_eq!(
            code(catalog.room_for_version(&version("sha256:9", 5 * MIB, 1))),
            "too-many-manifest-bytes"
        );
        catalog.room_for_version(&version("sha256:9", 0, 16 << 30)).expect("4 GiB are taken");
        let over = version("sha256:9", 0, (16 << 30) + 1);
        assert_eq!(code(catalog.room_for_version(&over)), "too-many-component-bytes");
        // A component that is there takes no more room.
        catalog.room_for_version(&version("sha256:1", 0, u64::MAX)).expect("room");
        catalog = self::catalog(dir.path()).await;
    }
    // A page of such versions is cut, and the next goes on behind it.
    let name = TransformName::new("t").expect("a name");
    let page = catalog.versions(&name, None, 200).expect("versions");
    assert_eq!((page.items.len(), page.next), (1, Some(1)));
    let page = catalog.versions(&name, Some(3), 200).expect("versions");
    assert_eq!((page.items.len(), page.next), (1, None));
}

#[tokio::test]
async fn pipelines_are_bounded_in_bytes_and_can_be_paused_all_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    let catalog = catalog(dir.path()).await;
    for number in 0..4 {
        catalog.put_pipeline(pipeline(&format!("p{number}"), 16 * MIB - 300)).await.expect("room");
    }
    assert_eq!(code(catalog.put_pipeline(pipeline("more", MIB)).await), "too-many-pipeline-bytes");
    let first = catalog.pipeline(&PipelineName::new("p0").expect("a name")).expect("there");
    catalog.put_pipeline(PipelineRecord { desired: Desired::Paused, ..first }).await.expect("paused");
    catalog.remove_pipeline(&PipelineName::new("p1").expect("a name")).await.expect("removed");
    catalog.put_pipeline(pipeline("more", MIB)).await.expect("room");
}
