// @platformatic/kafka: its own implementation of the protocol.
const { Admin, Producer, Consumer, stringSerializers, stringDeserializers } = require('@platformatic/kafka')
const path = require('node:path')
const { version } = require(path.join(path.dirname(require.resolve('@platformatic/kafka')), '..', 'package.json'))
const { record, paced, serve, say, oneLine, sleep } = require('./glue')

const common = { clientId: 'interop', bootstrapBrokers: [process.argv[2]], retries: 100, retryDelay: 200 }

const consumerOf = (groupId, own) => new Consumer({ ...common, groupId, deserializers: stringDeserializers, autocommit: false, maxWaitTime: 200, ...own })

serve(version, {
  async create(topic, partitions) {
    const admin = new Admin(common)
    await admin.createTopics({ topics: [topic], partitions, replicas: 1 })
    await admin.close()
  },
  async produce(topic, codec, all, pace) {
    const producer = new Producer({ ...common, serializers: stringSerializers, compression: codec, acks: -1 })
    await paced(all, pace, slice => producer.send({ messages: slice.map(({ key, value }) => ({ topic, key, value })) }))
    await producer.close()
  },
  async consume(topic, count) {
    const consumer = consumerOf(`alone-${topic}`)
    const stream = await consumer.consume({ topics: [topic], mode: 'earliest' })
    for await (const m of stream) {
      record(m.partition, m.offset, m.key, m.value)
      if (--count === 0) break
    }
    await consumer.close(true)
  },
  async member(group, topic, protocol, leave) {
    const own = protocol === 'consumer' ? { groupProtocol: 'consumer' } : { sessionTimeout: 6000, heartbeatInterval: 1000, rebalanceTimeout: 20000 }
    let left = false
    const end = leave.then(() => { left = true })
    while (!left) {
      const consumer = consumerOf(group, own)
      try {
        const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' })
        end.then(() => stream.close())
        for await (const m of stream) {
          record(m.partition, m.offset, m.key, m.value)
          await m.commit()
        }
      } catch (e) {
        say('note', oneLine(e))
        await sleep(300)
      }
      await consumer.close(true).catch(e => say('note close:', oneLine(e)))
    }
  },
})
