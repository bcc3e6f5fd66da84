//! Which properties of the Kafka client a pipeline may set, and why the others are refused.

/// What a pipeline may set. Everything else is the host's or the engine's.
pub(crate) const ALLOWED: &[&str] = &[
    "batch.num.messages",
    "batch.size",
    "check.crcs",
    "client.rack",
    "compression.level",
    "compression.type",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "heartbeat.interval.ms",
    "linger.ms",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "message.max.bytes",
    "metadata.max.age.ms",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queued.max.messages.kbytes",
    "receive.message.max.bytes",
    "request.timeout.ms",
    "session.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "topic.metadata.refresh.interval.ms",
    "transaction.timeout.ms",
];

/// Why a property that the client knows may not be set by a pipeline.
pub(crate) fn refusal(property: &str) -> Option<&'static str> {
    let reason = match property {
        "bootstrap.servers" | "metadata.broker.list" | "client.id" => {
            "the address of the brokers is a setting of the host, so that a pipeline file runs anywhere"
        }
        "group.id" | "group.instance.id" | "transactional.id" => {
            "Wasmill derives it from the tenant, the pipeline, the host and the worker; fencing rests on it"
        }
        "group.protocol" | "group.remote.assignor" | "partition.assignment.strategy" => {
            "Wasmill chooses the assignment, so that a task owns partition n of every input"
        }
        "enable.auto.commit" | "enable.auto.offset.store" | "auto.commit.interval.ms" => {
            "offsets are committed with the outputs, in one transaction"
        }
        "auto.offset.reset" => "the key `start` says where a pipeline begins",
        "isolation.level" => "records of open and aborted transactions are never read",
        "enable.idempotence"
        | "acks"
        | "request.required.acks"
        | "max.in.flight"
        | "retries"
        | "max.in.flight.requests.per.connection"
        | "message.timeout.ms"
        | "delivery.timeout.ms" => {
            "the delivery guarantee rests on it; the key `delivery` chooses the guarantee"
        }
        "partitioner" | "sticky.partitioning.linger.ms" => {
            "the key `partition_by` of an output chooses the partition"
        }
        "security.protocol" => "how to connect is a setting of the host",
        _ if property.starts_with("ssl.")
            || property.starts_with("sasl.")
            || property.starts_with("enable.ssl") =>
        {
            "credentials and TLS are settings of the host"
        }
        _ if property.ends_with("_cb") || property.starts_with("statistics.") || property == "debug" => {
            "the host watches the client itself"
        }
        _ => return None,
    };
    Some(reason)
}
