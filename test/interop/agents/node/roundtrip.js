// kafkajs against one broker: node roundtrip.js HOST:PORT. Creates topics, produces with each codec and each acks, reads back and
// verifies, then the admin client's calls. kafkajs consumes through groups only, so reading goes through its own inner
// cluster and broker, whose fetch decodes as its consumer does. Ends with "ok", or a non-zero exit.
const assert = require('node:assert')
const { Kafka, logLevel } = require('kafkajs')
const Cluster = require('kafkajs/src/cluster')
const { createLogger } = require('kafkajs/src/loggers')
const consoleLogger = require('kafkajs/src/loggers/console')
const defaultSocketFactory = require('kafkajs/src/network/socketFactory')
const { ready, types: codecs } = require('./codecs')

const RECORDS = 300
const value = i => `value-${i}-${'x'.repeat(200)}`
const ways = { 0: { acks: 0 }, 1: { acks: 1 }, all: { acks: -1 }, idempotent: { acks: -1, idempotent: true } }

async function read(cluster, topic, from) {
  await cluster.addTargetTopic(topic)
  const leaders = cluster.findLeaderForPartitions(topic, [0])
  const broker = await cluster.findBroker({ nodeId: Object.keys(leaders)[0] })
  const got = []
  for (let offset = from, tries = 0; got.length < RECORDS - from; tries++) {
    assert(tries < 100, `${topic}: ${got.length} records came`)
    const { responses } = await broker.fetch({ maxWaitTime: 200, minBytes: 1, maxBytes: 1 << 20, topics: [{ topic, partitions: [{ partition: 0, fetchOffset: offset, maxBytes: 1 << 20 }] }] })
    for (const m of responses[0].partitions[0].messages) {
      if (Number(m.offset) < offset) continue
      got.push(m)
      offset = Number(m.offset) + 1
    }
  }
  got.forEach((m, i) => {
    assert.equal(Number(m.offset), from + i)
    assert.equal(m.key.toString(), `key-${from + i}`)
    assert.equal(m.value.toString(), value(from + i))
    assert.equal(m.headers.n.toString(), String(from + i))
  })
}

async function main() {
  await ready
  const brokers = [process.argv[2]]
  const kafka = new Kafka({ clientId: 'interop', brokers, logLevel: logLevel.ERROR })
  const admin = kafka.admin()
  await admin.connect()
  const cluster = new Cluster({ logger: createLogger({ level: logLevel.ERROR, logCreator: consoleLogger }), socketFactory: defaultSocketFactory(), brokers,
    clientId: 'interop', connectionTimeout: 5000, requestTimeout: 10000, enforceRequestTimeout: true, metadataMaxAge: 300000, retry: { retries: 5 },
    allowAutoTopicCreation: false, maxInFlightRequests: null, offsets: new Map() })
  await cluster.connect()
  for (const [codec, compression] of Object.entries(codecs)) {
    for (const [name, way] of Object.entries(ways)) {
      const topic = `kafkajs-${codec}-${name}`
      assert(await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1 }] }))
      const producer = kafka.producer({ idempotent: !!way.idempotent, allowAutoTopicCreation: false })
      await producer.connect()
      const messages = Array.from({ length: RECORDS }, (_, i) => ({ key: `key-${i}`, value: value(i), partition: 0, headers: { n: String(i) } }))
      for (let i = 0; i < RECORDS; i += 100) await producer.send({ topic, compression, acks: way.acks, messages: messages.slice(i, i + 100) })
      await producer.disconnect()
      await read(cluster, topic, 0)
      await read(cluster, topic, 123)
      const [end] = await admin.fetchTopicOffsets(topic)
      assert.deepEqual([end.low, end.high], ['0', String(RECORDS)])
    }
  }
  const topic = 'kafkajs-none-all'
  await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
  const described = await admin.fetchTopicMetadata({ topics: [topic] })
  assert.equal(described.topics[0].partitions.length, 3)
  await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic, configEntries: [{ name: 'retention.ms', value: '60000' }] }] })
  const configs = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: topic, configNames: ['retention.ms'] }] })
  assert.equal(configs.resources[0].configEntries[0].configValue, '60000')
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '40' }] })
  assert.equal((await admin.fetchTopicOffsets(topic)).find(p => p.partition === 0).low, '40')
  assert.equal((await admin.describeCluster()).brokers.length, 1)
  await admin.deleteTopics({ topics: [topic] })
  assert(!(await admin.listTopics()).includes(topic))
  await cluster.disconnect()
  await admin.disconnect()
  console.log('ok')
}

main().catch(e => { console.error(e); process.exit(1) })
