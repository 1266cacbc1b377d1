// kafkajs. Its consumer reads through groups only, so "alone" is a group of one.
const { Kafka, logLevel } = require('kafkajs')
const { version } = require('kafkajs/package.json')
const { record, paced, serve, say, oneLine } = require('./glue')
const codecs = require('./codecs')

const kafka = new Kafka({ clientId: 'interop', brokers: [process.argv[2]], logLevel: logLevel.NOTHING, retry: { retries: 100, initialRetryTime: 100, maxRetryTime: 500 } })

// reader runs a consumer until stop resolves.
async function reader(groupId, topic, autoCommit, each, stop) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 1000, rebalanceTimeout: 20000, maxWaitTimeInMs: 200 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit,
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
    const made = await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }], waitForLeaders: true })
    await admin.disconnect()
    if (!made) throw new Error('the topic is there already')
  },
  async produce(topic, codec, all, pace) {
    await codecs.ready
    const producer = kafka.producer({ allowAutoTopicCreation: false })
    await producer.connect()
    await paced(all, pace, slice => producer.send({ topic, acks: -1, compression: codecs.types[codec], messages: slice.map(({ key, value }) => ({ key, value })) }))
    await producer.disconnect()
  },
  async consume(topic, count) {
    await codecs.ready
    let finished
    const stop = new Promise(resolve => { finished = resolve })
    await reader(`alone-${topic}`, topic, false, async () => { if (--count === 0) finished() }, stop)
  },
  async member(group, topic, protocol, leave) {
    await reader(group, topic, false, async (consumer, partition, message) => {
      try {
        await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }])
      } catch (e) {
        say('note commit:', oneLine(e))
      }
    }, leave)
  },
})
