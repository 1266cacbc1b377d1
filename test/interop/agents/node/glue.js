// The loop that the JavaScript glue shares: commands come on standard input, answers go to standard output (../README.md).
const readline = require('node:readline')

const say = (...words) => process.stdout.write(words.join(' ') + '\n')
const oneLine = e => String((e && e.stack) || e).split('\n').slice(0, 3).join(' ')
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

// messages makes the records first … first+count-1.
const messages = (first, count) => Array.from({ length: count }, (_, i) => ({ n: first + i, key: `key-${first + i}`, value: `value-${first + i}-${'x'.repeat(100)}` }))

// paced cuts the records in slices, so that a pace is kept and a batch holds several; send gets one slice at a time.
async function paced(all, pace, send) {
  const size = pace ? 20 : all.length
  for (let i = 0; i < all.length; i += size) {
    const slice = all.slice(i, i + size)
    try {
      await send(slice)
      slice.forEach(m => say('acked', m.n, -1, -1))
    } catch (e) {
      slice.forEach(m => say('unacked', m.n, oneLine(e)))
    }
    await sleep(pace * slice.length)
  }
}

const record = (partition, offset, key, value) => say('record', partition, offset, key.toString(), value.toString())

// serve answers the commands with client's methods create, produce, consume and member.
async function serve(version, client) {
  say('version', version)
  const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    const [command, ...args] = next.value.trim().split(' ')
    try {
      if (command === 'create') await client.create(args[0], Number(args[1]))
      else if (command === 'produce') await client.produce(args[0], args[1], messages(Number(args[2]), Number(args[3])), Number(args[4]))
      else if (command === 'consume') await client.consume(args[0], Number(args[1]))
      else if (command === 'member') await client.member(args[0], args[1], args[2], lines.next())
      else throw new Error(`command ${command}`)
      say('done')
    } catch (e) {
      say('failed', oneLine(e))
    }
  }
  process.exit(0)
}

process.on('unhandledRejection', e => say('note', 'unhandled rejection:', oneLine(e)))

module.exports = { say, oneLine, paced, record, serve, sleep }
