// openid-client with a certificate, as its own documentation shows it, save that requests go through node:https.

import * as client from 'openid-client'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { end, wayBack } from './lines.mjs'
import { request as ask, use } from './steps.mjs'

const [issuer, clientId, redirectUri, scope] = process.argv.slice(2)
const [cert, key, ca] = ['CERTIFICATE', 'KEY', 'AUTHORITY'].map((name) => readFileSync(process.env[name]))
const ports = new Set()

const withCertificate = (url, options) =>
  new Promise((resolve, reject) => {
    const { method, headers, body } = options
    ports.add(new URL(url).port)
    const sent = request(url, { method, headers: Object.fromEntries(new Headers(headers)), cert, key, ca }, (answer) => {
      const parts = []
      answer.on('data', (part) => parts.push(part))
      answer.on('end', () => {
        const given = Object.entries(answer.headers).map(([name, value]) => [name, String(value)])
        resolve(new Response(Buffer.concat(parts), { status: answer.statusCode, headers: given }))
      })
    })
    sent.on('error', reject)
    sent.end(body === undefined || body === null ? undefined : String(body))
  })

const config = await client.discovery(
  new URL(issuer),
  clientId,
  { use_mtls_endpoint_aliases: true },
  client.TlsClientAuth(),
  { [client.customFetch]: withCertificate },
)
config[client.customFetch] = withCertificate
const { checks, parameters } = await ask(redirectUri, scope)
const build = process.env.PUSHED ? client.buildAuthorizationUrlWithPAR : client.buildAuthorizationUrl
const back = await wayBack(await build(config, parameters))
const tokens = await client.authorizationCodeGrant(config, back, checks)
const { userinfo, live, active } = await use(config, tokens)
end({ token: tokens.access_token, userinfo, cnf: live.cnf, active, ports: [...ports] })
