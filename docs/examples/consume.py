"""Shows everything in some topics: values as Avro, dead letters with their cause.

Needs: pip install 'confluent-kafka[avro,schemaregistry]'
Usage: python consume.py ADDRESSES.json TOPIC..., the file as `wasmill dev --ready-file` writes it.
"""

import json
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

with open(sys.argv[1]) as file:
    addresses = json.load(file)
from_avro = AvroDeserializer(SchemaRegistryClient({"url": addresses["registry"]}))
consumer = Consumer(
    {
        "bootstrap.servers": addresses["kafka"],
        "group.id": "not-joined",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
    }
)
unread = {
    (topic, partition): TopicPartition(topic, partition, OFFSET_BEGINNING)
    for topic in sys.argv[2:]
    for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions
}
consumer.assign(list(unread.values()))
while unread:
    record = consumer.poll(1)
    if record is None:
        continue
    if record.error():
        if record.error().code() != KafkaError._PARTITION_EOF:
            sys.exit(str(record.error()))
        unread.pop((record.topic(), record.partition()), None)
        continue
    headers = dict(record.headers() or [])
    if "wasmill.code" in headers:
        cause = headers["__connect.errors.exception.message"].decode()
        print(f"{record.topic()}  {record.key().decode()}  {headers['wasmill.code'].decode()}: {cause}")
    else:
        value = from_avro(record.value(), SerializationContext(record.topic(), MessageField.VALUE))
        print(f"{record.topic()}  {record.key().decode()}  {value}")
consumer.close()
