"""confluent-kafka: librdkafka in Python."""

import sys
import time

import confluent_kafka
from confluent_kafka.admin import AdminClient

import glue


class Client:
    def __init__(self, broker):
        self.broker = broker

    def create(self, topic, partitions):
        admin = AdminClient({"bootstrap.servers": self.broker})
        for future in admin.create_topics([confluent_kafka.admin.NewTopic(topic, num_partitions=partitions, replication_factor=1)]).values():
            future.result(30)

    def produce(self, topic, codec, numbers, pace):
        producer = confluent_kafka.Producer({"bootstrap.servers": self.broker, "compression.codec": codec, "enable.idempotence": True})

        def delivered(error, message):
            n = int(message.key().decode().removeprefix("key-"))
            glue.unacked(n, error) if error else glue.acked(n, message.partition(), message.offset())

        for n in numbers:
            producer.produce(topic, key=glue.key(n), value=glue.value(n), on_delivery=delivered)
            producer.poll(pace)
        left = producer.flush(60)
        if left:
            raise TimeoutError(f"{left} records have no delivery report after 60 s")

    def consume(self, topic, count):
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.broker, "group.id": "unused", "enable.auto.commit": False, "check.crcs": True})
        partitions = consumer.list_topics(topic, 10).topics[topic].partitions
        consumer.assign([confluent_kafka.TopicPartition(topic, p, confluent_kafka.OFFSET_BEGINNING) for p in partitions])
        for _ in range(count):
            m = consumer.poll(30)
            if m is None or m.error():
                raise RuntimeError(m and m.error())
            glue.record(m.partition(), m.offset(), m.key(), m.value())
        consumer.close()

    def member(self, group, topic, protocol, leave):
        config = {"bootstrap.servers": self.broker, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
        if protocol == "consumer":
            config["group.protocol"] = "consumer"
        else:
            config |= {"session.timeout.ms": 6000, "heartbeat.interval.ms": 1000}
        consumer = confluent_kafka.Consumer(config)
        consumer.subscribe([topic])
        while not leave.is_set():
            m = consumer.poll(0.1)
            if m is None or m.error():
                continue
            glue.record(m.partition(), m.offset(), m.key(), m.value())
            try:
                consumer.commit(m, asynchronous=False)
            except confluent_kafka.KafkaException as e:
                glue.say("note", glue.one_line(e))
        consumer.close()


glue.run(confluent_kafka.__version__, Client(sys.argv[1]))
