"""Writes seven payments to the topic `payments`: three large ones, two small ones, two bad ones.

Needs: pip install 'confluent-kafka[avro,schemaregistry]'
Usage: python produce.py ADDRESSES.json, a file such as `wasmill dev --ready-file` writes.
"""

import json
import math
import sys
import time

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

SCHEMA = """{"type": "record", "name": "Payment", "namespace": "com.example.payments", "fields": [
  {"name": "id", "type": "long"},
  {"name": "account", "type": "string"},
  {"name": "amount", "type": "double"},
  {"name": "country", "type": "string"},
  {"name": "ts", "type": "long"},
  {"name": "card_present", "type": "boolean"}
]}"""
VALUE = SerializationContext("payments", MessageField.VALUE)

with open(sys.argv[1]) as file:
    addresses = json.load(file)
to_avro = AvroSerializer(SchemaRegistryClient({"url": addresses["registry"]}), SCHEMA)
producer = Producer({"bootstrap.servers": addresses["kafka"]})
for number, amount in enumerate([12.5, 700.0, 501.0, math.nan, 500.0, 1200.0], start=1):
    payment = {
        "id": number,
        "account": f"acct-{number % 2}",
        "amount": amount,
        "country": "NO",
        "ts": int(time.time() * 1000),
        "card_present": number % 2 == 0,
    }
    producer.produce("payments", key=payment["account"], value=to_avro(payment, VALUE))
producer.produce("payments", key="acct-9", value=b"not Avro at all")
producer.flush()
print("7 records written to payments")
