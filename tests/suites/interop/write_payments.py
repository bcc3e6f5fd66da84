"""Writes payments with the serializers of confluent-kafka: write_payments.py BROKERS REGISTRY TOPIC COUNT."""

import sys

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext, StringSerializer

PAYMENT = """{"type":"record","name":"Payment","namespace":"payments","fields":[
{"name":"id","type":"long"},{"name":"account","type":"string"},{"name":"amount","type":"double"},
{"name":"country","type":"string"},{"name":"ts","type":"long"},{"name":"card_present","type":"boolean"}]}"""
# A later version, as other teams add what they need: other order, other types, more fields.
PAYMENT_V2 = """{"type":"record","name":"Payment","namespace":"payments","doc":"second version","fields":[
{"name":"tags","type":{"type":"map","values":["null","string"]},"default":{}},
{"name":"account","type":"string"},{"name":"amount","type":"float"},{"name":"id","type":"int"},
{"name":"country","type":"string"},{"name":"card_present","type":"boolean"},{"name":"ts","type":"long"},
{"name":"note","type":["null","string"],"default":null}]}"""


def payment(number):
    return {
        "id": number,
        "account": f"acct-{number % 7}-\u00e4\u20ac\U0001f600",
        "amount": number * 0.5,
        "country": ["DE", "FR", "US"][number % 3],
        "ts": 1_700_000_000_000 + number,
        "card_present": number % 2 == 0,
    }


def main():
    brokers, registry, topic, count = sys.argv[1:]
    client = SchemaRegistryClient({"url": registry})
    values = [AvroSerializer(client, PAYMENT), AvroSerializer(client, PAYMENT_V2)]
    keys = StringSerializer("utf_8")
    failed = []

    def delivered(error, _):
        if error is not None:
            failed.append(error)

    producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random", "compression.type": "zstd"})
    context = SerializationContext(topic, MessageField.VALUE)
    for number in range(int(count)):
        value = payment(number)
        later = number % 5 == 3
        if later:
            value["tags"] = {"shop": "a", "till": None}
            value["note"] = None if number % 2 else "gift"
        producer.produce(
            topic,
            key=keys(value["account"]),
            value=values[later](value, context),
            timestamp=value["ts"],
            headers=[("number", str(number).encode()), ("empty", None), ("number", b"again")],
            on_delivery=delivered,
        )
        producer.poll(0)
    # A tombstone at the end.
    producer.produce(topic, key=keys("gone"), value=None, on_delivery=delivered)
    producer.flush(30)
    if failed:
        sys.exit(f"not delivered: {failed[0]}")


main()
