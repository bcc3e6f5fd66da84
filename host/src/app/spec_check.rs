//! The checks of a pipeline that ask neither a broker nor the registry.

use crate::app::contract::Contract;
use crate::app::topics;
use crate::config::secret::SecretSources;
use crate::config::secret::resolve_config;
use crate::config::settings::LimitCeilings;
use crate::kafka::overrides::Overrides;
use crate::kafka::timeouts;
use crate::model::failure::Refusal;
use crate::model::ids::PipelineId;
use crate::model::manifest::Manifest;
use crate::model::pipeline_spec::PipelineSpec;
use crate::sink::sink_settings::check_queue;

/// What the checks found.
#[derive(Debug)]
pub struct SpecCheck {
    /// Every reason to refuse the pipeline, not only the first.
    pub refusals: Vec<Refusal>,
    /// Whole only without refusals.
    pub overrides: Overrides,
    /// Whole only without refusals; none without a manifest.
    pub contract: Option<Contract>,
}

/// Checks a pipeline against itself, the host's settings and the transform. Without a manifest, because
/// there is no component or it is refused, all but the last.
#[must_use]
pub fn check(
    id: &PipelineId,
    spec: &PipelineSpec,
    manifest: Option<&Manifest>,
    ceilings: &LimitCeilings,
    secrets: &SecretSources,
) -> SpecCheck {
    let mut refusals = ceilings.check(spec).err().unwrap_or_default();
    let overrides = Overrides::new(&spec.kafka, &mut refusals);
    timeouts::check(spec, &overrides, &mut refusals);
    check_queue(&overrides, &mut refusals);
    refusals.extend(topics::check(spec));
    let config = resolve_config(spec, secrets, &mut refusals);
    let contract = manifest.map(|manifest| Contract::bind(id, spec, &config, manifest, &mut refusals));
    SpecCheck { refusals, overrides, contract }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::pipeline_file::FileFormat;
    use crate::config::pipeline_file::parse;
    use crate::model::ids::TenantName;

    const TEXT: &str = "
version: 1
name: p
transform: { file: t.wasm }
inputs: { in: { topic: t1, value: raw }, other: { topic: t2, value: raw } }
outputs: { out: { topic: t1, value: int64 } }
limits: { invocation_ms_max: 99999 }
workers: 17
config: { known: { secret: not-there }, unknown: x }
kafka: { acks: '1', linger.ms: soon, transaction.timeout.ms: '60000' }
";

    fn manifest() -> Manifest {
        let document = serde_json::json!({
            "manifest_version": 1,
            "name": "fake",
            "inputs": [{ "name": "in", "value": { "kind": "raw" } }],
            "outputs": [{ "name": "out", "value": { "kind": "typed", "schema": "string" } }, { "name": "more", "value": { "kind": "raw" } }],
            "config": [{ "key": "known", "required": true }, { "key": "needed", "required": true }],
        });
        serde_json::from_value(document).expect("a manifest")
    }

    fn found(manifest: Option<&Manifest>) -> Vec<(String, &'static str)> {
        let spec = parse(TEXT, FileFormat::Yaml, None).expect("well-formed");
        let id = PipelineId { tenant: TenantName::default_tenant(), pipeline: spec.name.clone() };
        let check = check(&id, &spec, manifest, &LimitCeilings::default(), &SecretSources::default());
        assert_eq!(check.contract.is_some(), manifest.is_some());
        check.refusals.into_iter().map(|refusal| (refusal.field, refusal.code.0)).collect()
    }

    #[test]
    fn every_refusal_is_told_at_once() {
        let of = |field: &str, code| (field.to_owned(), code);
        let mut expected = vec![
            of("limits.invocation_ms_max", "limit-above-ceiling"),
            of("workers", "limit-above-ceiling"),
            of("kafka.acks", "kafka-property"),
            of("kafka.linger.ms", "kafka-property-value"),
            of("kafka.transaction.timeout.ms", "kafka-timeouts"),
            of("outputs.out.topic", "topic-loop"),
            of("config.known", "secret-missing"),
        ];
        assert_eq!(found(None), expected);
        expected.extend([
            of("inputs.other", "port-unknown"),
            of("outputs.out.value", "format-unsupported"),
            of("outputs.more", "port-unbound"),
            of("config.unknown", "config-unknown"),
            of("config.needed", "config-missing"),
        ]);
        assert_eq!(found(Some(&manifest())), expected);
    }
}
