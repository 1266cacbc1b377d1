"""kafka-python: pure Python; its codecs come from python-snappy, lz4 and zstandard."""

import sys
import time

import kafka
from kafka.admin import KafkaAdminClient, NewTopic

import glue


class Client:
    def __init__(self, broker):
        self.broker = broker

    def create(self, topic, partitions):
        admin = KafkaAdminClient(bootstrap_servers=self.broker)
        admin.create_topics([NewTopic(name=topic, num_partitions=partitions, replication_factor=1)])
        admin.close()

    def produce(self, topic, codec, numbers, pace):
        producer = kafka.KafkaProducer(bootstrap_servers=self.broker, compression_type=None if codec == "none" else codec, linger_ms=5)
        sent = []
        for n in numbers:
            sent.append((n, producer.send(topic, key=glue.key(n).encode(), value=glue.value(n).encode())))
            time.sleep(pace)
        for n, future in sent:
            try:
                made = future.get(60)
                glue.acked(n, made.partition, made.offset)
            except Exception as e:
                glue.unacked(n, e)
        producer.close()

    def consume(self, topic, count):
        consumer = kafka.KafkaConsumer(bootstrap_servers=self.broker, enable_auto_commit=False, auto_offset_reset="earliest", consumer_timeout_ms=30000)
        consumer.assign([kafka.TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)])
        for _ in range(count):
            r = next(consumer)
            glue.record(r.partition, r.offset, r.key, r.value)
        consumer.close()

    def member(self, group, topic, protocol, leave):
        consumer = kafka.KafkaConsumer(topic, bootstrap_servers=self.broker, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
                                       session_timeout_ms=6000, heartbeat_interval_ms=1000)
        while not leave.is_set():
            try:
                got = False
                for records in consumer.poll(timeout_ms=200).values():
                    for r in records:
                        glue.record(r.partition, r.offset, r.key, r.value)
                        got = True
                if got:
                    consumer.commit()
            except kafka.errors.KafkaError as e:
                glue.say("note", glue.one_line(e))
        consumer.close()


glue.run(kafka.__version__, Client(sys.argv[1]))
