"""Random records by fastavro, and what became of them.

fastavro_peer.py write BROKERS TOPIC SCHEMA_FILE SCHEMA_ID SEED COUNT
fastavro_peer.py compare BROKERS INPUT OUTPUT SCHEMA_FILE SEED COUNT

Keys are `python-<number>` for records written here and `rust-<number>` for those of the other writer.
"""

import datetime
import decimal
import io
import json
import math
import random
import struct
import sys
import time
import uuid

import fastavro
from confluent_kafka import Consumer, Producer, TopicPartition

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
TEXTS = ["", "a", "na\u00efve \u20ac \U0001f600", "\n\"", "x" * 300]
LONGS = [-(2**63), 2**63 - 1, 0, -1, 63, 64, -64, -65]


def by_name(schema, names):
    """Collects the named types of a parsed schema."""
    if isinstance(schema, list):
        for branch in schema:
            by_name(branch, names)
    elif isinstance(schema, dict):
        if schema["type"] in ("record", "enum", "fixed"):
            names[schema["name"]] = schema
        for field in schema.get("fields", []):
            by_name(field["type"], names)
        by_name(schema.get("items"), names)
        by_name(schema.get("values"), names)
    return names


def plain(schema):
    """The same schema without its logical types: values are what lies in the bytes."""
    if isinstance(schema, list):
        return [plain(branch) for branch in schema]
    if isinstance(schema, dict):
        return {key: plain(value) for key, value in schema.items() if key not in ("logicalType", "precision", "scale")}
    return schema


class Values:
    """Random values of a schema, in Python's own types where fastavro knows the logical type."""

    def __init__(self, schema, seed):
        self.names = by_name(schema, {})
        self.random = random.Random(seed)
        self.entries_max = 3

    def value(self, schema):
        if isinstance(schema, list):
            return self.branch(schema)
        if isinstance(schema, str) and schema in self.names:
            return self.value(self.names[schema])
        kind = schema if isinstance(schema, str) else schema["type"]
        logical = None if isinstance(schema, str) else schema.get("logicalType")
        if logical is not None:
            found = self.logical(kind, logical, schema)
            if found is not None:
                return found
        return getattr(self, f"a_{kind}")(schema)

    def branch(self, schema):
        branch = self.random.choice(schema)
        named = self.names.get(branch) if isinstance(branch, str) else branch
        value = self.value(branch)
        # An enum is text, as is a string: its name tells it apart.
        if isinstance(named, dict) and named["type"] in ("enum", "record", "fixed"):
            return (named["name"], value)
        return value

    def logical(self, kind, logical, schema):
        pick, span = self.random.choice, self.random.randint
        if logical == "decimal":
            digits = span(1, schema["precision"])
            unscaled = pick([0, -1, 10 ** schema["precision"] - 1, span(-(10**digits) + 1, 10**digits - 1)])
            with decimal.localcontext() as context:
                context.prec = 100
                return decimal.Decimal(unscaled).scaleb(-schema.get("scale", 0))
        if logical == "date":
            return datetime.date.fromordinal(pick([1, 719163, 3652059, span(1, 3652059)]))
        if logical == "time-millis":
            at = pick([0, 86_399_999, span(0, 86_399_999)]) * 1000
            return (datetime.datetime.min + datetime.timedelta(microseconds=at)).time()
        if logical == "time-micros":
            at = pick([0, 86_399_999_999, span(0, 86_399_999_999)])
            return (datetime.datetime.min + datetime.timedelta(microseconds=at)).time()
        if logical in ("timestamp-millis", "local-timestamp-millis"):
            at = EPOCH + datetime.timedelta(milliseconds=pick([-62_135_596_800_000, -1, 0, span(-(10**13), 10**14)]))
        elif logical in ("timestamp-micros", "local-timestamp-micros"):
            at = EPOCH + datetime.timedelta(microseconds=pick([-62_135_596_800_000_000, -1, 0, span(-(10**16), 10**17)]))
        elif logical == "uuid" and kind == "string":
            return uuid.UUID(int=pick([0, 2**128 - 1, span(0, 2**128 - 1)]))
        else:
            # Nanoseconds, durations, uuids in fixed: fastavro leaves what lies in the bytes.
            return None
        return at.replace(tzinfo=None) if logical.startswith("local") else at

    def a_null(self, _):
        return None

    def a_boolean(self, _):
        return self.random.random() < 0.5

    def a_int(self, _):
        return self.random.choice([-(2**31), 2**31 - 1, 0, self.random.randint(-(2**31), 2**31 - 1)])

    def a_long(self, _):
        return self.random.choice(LONGS + [self.random.randint(-(2**63), 2**63 - 1)])

    def a_float(self, _):
        number = struct.unpack("<f", self.random.randbytes(4))[0]
        return self.random.choice([0.0, -0.0, math.inf, -math.inf, math.nan, number])

    def a_double(self, _):
        number = struct.unpack("<d", self.random.randbytes(8))[0]
        return self.random.choice([0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, number])

    def a_bytes(self, _):
        return self.random.randbytes(self.random.choice([0, 1, 7, 200]))

    def a_string(self, _):
        return self.random.choice(TEXTS)

    def a_fixed(self, schema):
        if schema.get("logicalType") == "duration":
            # Months and days of columns are signed.
            return struct.pack("<III", *(self.random.choice([0, 2**31 - 1, self.random.getrandbits(31)]) for _ in range(3)))
        return self.random.randbytes(schema["size"])

    def a_enum(self, schema):
        return self.random.choice(schema["symbols"])

    def a_array(self, schema):
        return [self.value(schema["items"]) for _ in range(self.random.choice([0, 1, 3]))]

    def a_map(self, schema):
        keys = self.random.sample(TEXTS, self.random.randint(0, self.entries_max))
        return {key: self.value(schema["values"]) for key in keys}

    def a_record(self, schema):
        return {field["name"]: self.value(field["type"]) for field in schema["fields"]}


def datums(schema, seed, count):
    """The encoded records of a seed. In half of them no map has more than one entry."""
    values = Values(schema, int(seed))
    for number in range(int(count)):
        values.entries_max = 1 if number % 2 == 0 else 3
        value = values.value(schema)
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, value)
        yield out.getvalue(), values.entries_max == 1


def read_all(brokers, topic):
    """Key and value of every committed record."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": f"{topic}-compare",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    partition = TopicPartition(topic, 0, 0)
    _, end = consumer.get_watermark_offsets(partition, timeout=30)
    consumer.assign([partition])
    found, deadline = {}, time.monotonic() + 60
    while True:
        at = consumer.position([partition])[0].offset
        if at >= end:
            break
        if time.monotonic() > deadline:
            sys.exit(f"{topic}: at {at} of {end} after a minute")
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error():
            sys.exit(str(message.error()))
        found[message.key().decode()] = message.value()
    consumer.close()
    return found


def same(left, right):
    if isinstance(left, float) and isinstance(right, float):
        return struct.pack("<d", left) == struct.pack("<d", right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


def read(schema, body):
    stream = io.BytesIO(body)
    value = fastavro.schemaless_reader(stream, schema, return_named_type=True)
    if stream.read(1):
        sys.exit("bytes follow a value")
    return value


def check(what, schema, body_in, body_out, is_canonical):
    left, right = read(schema, body_in), read(schema, body_out)
    if not same(left, right):
        sys.exit(f"{what}: found {right!r}, expected {left!r}")
    if is_canonical and body_in != body_out:
        sys.exit(f"{what}: other bytes of {left!r}: found {body_out.hex()}, expected {body_in.hex()}")


def write(brokers, topic, schema_file, schema_id, seed, count):
    with open(schema_file, encoding="utf-8") as file:
        schema = fastavro.parse_schema(json.load(file))
    frame = struct.pack(">bI", 0, int(schema_id))
    failed = []
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5})
    for number, (body, _) in enumerate(datums(schema, seed, count)):
        delivered = lambda error, _: failed.append(error) if error is not None else None
        producer.produce(topic, key=f"python-{number}", value=frame + body, on_delivery=delivered)
        producer.poll(0)
    producer.flush(30)
    if failed:
        sys.exit(f"not delivered: {failed[0]}")


def compare(brokers, source, target, schema_file, seed, count):
    with open(schema_file, encoding="utf-8") as file:
        text = json.load(file)
    schema, bare = fastavro.parse_schema(text), fastavro.parse_schema(plain(text))
    written, found = read_all(brokers, source), read_all(brokers, target)
    if written.keys() != found.keys():
        sys.exit(f"other keys: {sorted(written.keys() ^ found.keys())}")
    bodies = {key: value[5:] for key, value in found.items()}
    for number, (body, is_canonical) in enumerate(datums(schema, seed, count)):
        check(f"python-{number}", schema, body, bodies[f"python-{number}"], is_canonical)
    # The other writer's times go beyond Python's.
    for key, value in written.items():
        check(key, bare, value[5:], bodies[key], False)
    print(f"{len(found)} records are equal")


if __name__ == "__main__":
    {"write": write, "compare": compare}[sys.argv[1]](*sys.argv[2:])
