// @confluentinc/kafka-javascript: librdkafka in JavaScript, through its promise interface. It reads through groups only, so "alone"
// is a group of one.
const { KafkaJS } = require('@confluentinc/kafka-javascript')
const { version } = require('@confluentinc/kafka-javascript/package.json')
const { record, paced, serve, say, oneLine } = require('./glue')

const kafka = new KafkaJS.Kafka({ kafkaJS: { brokers: [process.argv[2]], logLevel: KafkaJS.logLevel.NOTHING } })

async function reader(config, topic, each, stop) {
  const consumer = kafka.consumer({ 'auto.offset.reset': 'earliest', 'enable.auto.commit': false, ...config })
  await consumer.connect()
  await consumer.subscribe({ topic })
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      record(partition, message.offset, message.key, message.value)
      await each(consumer, partition, message)
    },
  })
  await stop
  await consumer.disconnect()
}

serve(version, {
  async create(topic, partitions) {
    const admin = kafka.admin()
    await admin.connect()
    const made = await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }] })
    await admin.disconnect()
    if (!made) throw new Error('the topic is there already')
  },
  async produce(topic, codec, all, pace) {
    const producer = kafka.producer({ 'compression.codec': codec, 'enable.idempotence': true, 'linger.ms': 5 })
    await producer.connect()
    await paced(all, pace, slice => producer.send({ topic, messages: slice.map(({ key, value }) => ({ key, value })) }))
    await producer.disconnect()
  },
  async consume(topic, count) {
    let finished
    const stop = new Promise(resolve => { finished = resolve })
    await reader({ 'group.id': `alone-${topic}` }, topic, async () => { if (--count === 0) finished() }, stop)
  },
  async member(group, topic, protocol, leave) {
    const own = protocol === 'consumer' ? { 'group.protocol': 'consumer' } : { 'session.timeout.ms': 6000, 'heartbeat.interval.ms': 1000 }
    await reader({ 'group.id': group, ...own }, topic, async (consumer, partition, message) => {
      try {
        await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }])
      } catch (e) {
        say('note commit:', oneLine(e))
      }
    }, leave)
  },
})
