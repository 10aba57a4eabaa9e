// node-coap as a server on the port that is its argument.
'use strict'
const coap = require('coap')

coap.updateTiming({ ackTimeout: 0.2 })
const server = coap.createServer({ type: 'udp4' })
let stored = null
let posts = 0

function body (n) {
  return Buffer.from(Array.from({ length: n }, (_, at) => (at * 7 + (at >> 8)) & 255))
}

function end (response, code, payload) {
  response.code = code
  response.end(payload)
}

server.on('request', (request, response) => {
  const path = request.url.split('?')[0].slice(1)
  const get = request.method === 'GET'
  if (path === 'small' && get) {
    response.setOption('Content-Format', 'text/plain')
    end(response, '2.05', 'hello')
  } else if (path === 'large' && get) {
    end(response, '2.05', body(20000))
  } else if (path === 'slow') {
    // node-coap acknowledges after 50 ms.
    if (!get) posts++
    setTimeout(() => end(response, get ? '2.05' : '2.04', 'at last'), 300)
  } else if (path === 'posts') {
    end(response, '2.05', String(posts))
  } else if (path.startsWith('echo') && get) {
    end(response, '2.05', request.url.slice(1))
  } else if (path === 'store' && request.method === 'PUT') {
    const code = stored === null ? '2.01' : '2.04'
    stored = Buffer.from(request.payload)
    end(response, code)
  } else if (path === 'store' && request.method === 'DELETE') {
    stored = null
    end(response, '2.02')
  } else if (path === 'store' && get && stored !== null) {
    end(response, '2.05', stored)
  } else if (path === 'store' && request.method === 'POST') {
    response.setOption('Location-Path', [Buffer.from('store'), Buffer.from('17')])
    end(response, '2.01')
  } else {
    end(response, '4.04')
  }
})
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'))
