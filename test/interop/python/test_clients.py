"""Clients that are not written in Go, against the real binary: kcat (C), confluent-kafka (librdkafka), kafka-python (pure Python).

Needs TROUPE_BIN (the binary), kcat on the path, and ../agents/python/requirements.txt installed.
"""

import os
import subprocess

import confluent_kafka
import kafka
import pytest

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
RECORDS = 500


def create(broker, topic):
    subprocess.run([os.environ["TROUPE_BIN"], "topic", "create", topic, "--partitions", "1", "--bootstrap", broker], check=True, timeout=30)


def lines(prefix):
    return [f"{prefix}-{i}-{'x' * 50}" for i in range(RECORDS)]


@pytest.mark.parametrize("acks", ["0", "1", "all"])
@pytest.mark.parametrize("codec", CODECS)
def test_kcat(broker, tmp_path, codec, acks):
    topic = f"kcat-{codec}-{acks}"
    create(broker, topic)
    source = tmp_path / "in"
    source.write_text("\n".join(lines(codec)) + "\n")
    idempotent = ["-X", "enable.idempotence=true"] if acks == "all" else []
    subprocess.run(["kcat", "-q", "-b", broker, "-P", "-t", topic, "-p", "0", "-z", codec, "-X", f"acks={acks}", *idempotent, "-l", str(source)], check=True, timeout=60)

    def read(*position):
        return subprocess.run(["kcat", "-q", "-b", broker, "-C", "-t", topic, "-p", "0", "-e", *position], check=True, timeout=60, capture_output=True, text=True).stdout.splitlines()

    assert read("-o", "beginning") == lines(codec)
    assert read("-o", "123") == lines(codec)[123:]
    assert read("-o", "-10") == lines(codec)[-10:]
    assert read("-o", "s@0") == lines(codec)


@pytest.mark.parametrize("codec", CODECS)
def test_confluent_kafka(broker, codec):
    topic = f"confluent-{codec}"
    create(broker, topic)
    errors = []
    producer = confluent_kafka.Producer({"bootstrap.servers": broker, "compression.codec": codec, "enable.idempotence": True})
    for line in lines(codec):
        producer.produce(topic, value=line, key=line[:5], headers={"h": "v"}, on_delivery=lambda err, _: err and errors.append(err))
    assert producer.flush(30) == 0 and not errors, errors
    consumer = confluent_kafka.Consumer({"bootstrap.servers": broker, "group.id": "unused", "enable.auto.commit": False})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
    got = []
    while len(got) < RECORDS:
        message = consumer.poll(20)
        assert message is not None and message.error() is None, message and message.error()
        assert message.offset() == len(got) and message.headers() == [("h", b"v")]
        got.append(message.value().decode())
    consumer.close()
    assert got == lines(codec)


@pytest.mark.parametrize("acks", [0, 1, "all"])
@pytest.mark.parametrize("codec", [None, "gzip"])  # the others need libraries of their own
def test_kafka_python(broker, codec, acks):
    topic = f"python-{codec}-{acks}"
    create(broker, topic)
    producer = kafka.KafkaProducer(bootstrap_servers=broker, compression_type=codec, acks=acks, enable_idempotence=acks == "all")
    futures = [producer.send(topic, value=line.encode(), partition=0) for line in lines("p")]
    producer.flush(30)
    if acks != 0:
        assert [f.get(20).offset for f in futures] == list(range(RECORDS))
    producer.close()
    consumer = kafka.KafkaConsumer(bootstrap_servers=broker, enable_auto_commit=False, consumer_timeout_ms=20000)
    partition = kafka.TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    got = []
    for record in consumer:
        got.append(record.value.decode())
        if len(got) == RECORDS:
            break
    assert got == lines("p")
    assert consumer.end_offsets([partition]) == {partition: RECORDS}
    consumer.close()
