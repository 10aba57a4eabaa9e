// node-coap as a device on the port that is its argument: /3303/0/5700, a text that is observed;
// /26241/0/5, bytes that are kept, and are the answer to a FETCH too; /26241/0/11 and 12, which count,
// the second with an answer that is separate.
'use strict'
const coap = require('coap')

coap.updateTiming({ ackTimeout: 0.2 })
const server = coap.createServer({ type: 'udp4' })
const observers = new Set()
let text = '21.5'
let stored = Buffer.alloc(0)
let posts = 0

function end (response, code, format, payload) {
  response.code = code
  if (format !== undefined) response.setOption('Content-Format', format)
  response.end(payload)
}

server.on('request', (request, response) => {
  const path = request.url.split('?')[0]
  const get = request.method === 'GET'
  if (path === '/3303/0/5700' && get && request.headers.Observe === 0) {
    response.setOption('Content-Format', 'text/plain')
    observers.add(response)
    response.on('finish', () => observers.delete(response))
    response.write(text)
  } else if (path === '/3303/0/5700' && get) {
    end(response, '2.05', 'text/plain', text)
  } else if (path === '/3303/0/5700') {
    text = request.payload.toString()
    for (const observer of observers) observer.write(text)
    end(response, '2.04')
  } else if (path === '/26241/0/5' && request.method === 'PUT') {
    stored = Buffer.from(request.payload)
    end(response, '2.04')
  } else if (path === '/26241/0/5') {
    end(response, '2.05', 'application/octet-stream', stored)
  } else if (path === '/26241/0/12' && get) {
    end(response, '2.05', 'text/plain', String(posts))
  } else if (path === '/26241/0/11') {
    posts++
    end(response, '2.04')
  } else if (path === '/26241/0/12') {
    posts++
    setTimeout(() => end(response, '2.04'), 100) // node-coap acknowledges after 50 ms
  } else {
    end(response, '4.04')
  }
})
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'))
