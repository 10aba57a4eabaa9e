// node-coap as a client: carries out the asks of its argument (JSON), one after the other, and
// prints what each came to as a line of JSON.
'use strict'
const coap = require('coap')
const { createHash } = require('crypto')

const { port, asks } = JSON.parse(process.argv[2])
coap.updateTiming({ ackTimeout: 0.2 })
const agent = new coap.Agent({ type: 'udp4' })

function body (n) {
  return Buffer.from(Array.from({ length: n }, (_, at) => (at * 7 + (at >> 8)) & 255))
}

function ask (wish) {
  return new Promise(resolve => {
    const request = coap.request({
      hostname: '127.0.0.1',
      port,
      agent,
      method: wish.method.toUpperCase(),
      pathname: '/' + wish.path,
      query: wish.query,
      observe: wish.observe,
      proxyUri: wish.proxy,
      confirmable: wish.confirmable !== false
    })
    // An option value in bytes: Block1 and Block2 start a transfer of that size.
    for (const name of Object.keys(wish.options || {})) {
      request.setOption(name, Buffer.from(wish.options[name], 'hex'))
    }
    request.on('response', response => {
      const payload = response.payload
      resolve({
        code: response.code,
        n: payload.length,
        sha256: createHash('sha256').update(payload).digest('hex'),
        text: payload.length <= 80 ? payload.toString('latin1') : undefined
      })
      if (response.close) response.close()
    })
    request.on('timeout', () => resolve({ failed: 'no answer' }))
    request.on('error', error => resolve({ failed: String(error) }))
    request.end('body' in wish ? body(wish.body) : wish.text)
  })
}

async function main () {
  for (const wish of asks) console.log(JSON.stringify(await ask(wish)))
  process.exit()
}
main()
