"""Prints the records of a topic as JSON, decoded by confluent-kafka: read_outputs.py BROKERS REGISTRY TOPIC COUNT."""

import json
import sys
import time

from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def main():
    brokers, registry, topic, count = sys.argv[1:]
    decode = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": f"{topic}-reader",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([topic])
    context = SerializationContext(topic, MessageField.VALUE)
    found, deadline = 0, time.monotonic() + 60
    while found < int(count):
        if time.monotonic() > deadline:
            sys.exit(f"{found} of {count} records after a minute")
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            sys.exit(str(message.error()))
        found += 1
        headers = [[name, None if value is None else value.decode()] for name, value in message.headers() or []]
        record = {
            "key": None if message.key() is None else message.key().decode(),
            "value": decode(message.value(), context),
            "timestamp": message.timestamp()[1],
            "headers": headers,
            "partition": message.partition(),
        }
        print(json.dumps(record))
    consumer.close()


main()
