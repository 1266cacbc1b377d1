"""aiokafka: asyncio; its codecs come from cramjam."""

import asyncio
import sys

import aiokafka
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

import glue


class Client:
    def __init__(self, broker):
        self.broker = broker

    def create(self, *args):
        asyncio.run(self._create(*args))

    def produce(self, *args):
        asyncio.run(self._produce(*args))

    def consume(self, *args):
        asyncio.run(self._consume(*args))

    def member(self, *args):
        asyncio.run(self._member(*args))

    async def _create(self, topic, partitions):
        admin = AIOKafkaAdminClient(bootstrap_servers=self.broker)
        await admin.start()
        answer = await admin.create_topics([NewTopic(name=topic, num_partitions=partitions, replication_factor=1)])
        await admin.close()
        code = answer.topic_errors[0][1]
        if code:
            raise RuntimeError(f"error code {code}")

    async def _produce(self, topic, codec, numbers, pace):
        producer = aiokafka.AIOKafkaProducer(bootstrap_servers=self.broker, compression_type=None if codec == "none" else codec, enable_idempotence=True, linger_ms=5)
        await producer.start()
        sent = []
        for n in numbers:
            sent.append((n, await producer.send(topic, key=glue.key(n).encode(), value=glue.value(n).encode())))
            if pace:
                await asyncio.sleep(pace)
        for n, future in sent:
            try:
                made = await future
                glue.acked(n, made.partition, made.offset)
            except Exception as e:
                glue.unacked(n, e)
        await producer.stop()

    async def _consume(self, topic, count):
        consumer = aiokafka.AIOKafkaConsumer(topic, bootstrap_servers=self.broker, enable_auto_commit=False, auto_offset_reset="earliest")
        await consumer.start()
        for _ in range(count):
            r = await asyncio.wait_for(consumer.getone(), 30)
            glue.record(r.partition, r.offset, r.key, r.value)
        await consumer.stop()

    async def _member(self, group, topic, protocol, leave):
        consumer = aiokafka.AIOKafkaConsumer(topic, bootstrap_servers=self.broker, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
                                             session_timeout_ms=6000, heartbeat_interval_ms=1000)
        await consumer.start()
        while not leave.is_set():
            try:
                got = False
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for r in records:
                        glue.record(r.partition, r.offset, r.key, r.value)
                        got = True
                if got:
                    await consumer.commit()
            except aiokafka.errors.KafkaError as e:
                glue.say("note", glue.one_line(e))
        await consumer.stop()


glue.run(aiokafka.__version__, Client(sys.argv[1]))
