// openid-client with a certificate, as its own documentation shows it, save that requests go through node:https.
// Lines of JSON go out, one line comes in: out {"authorize": URL}, in the address the browser was sent back to,
// out {"result": what the client learnt}.

import * as client from 'openid-client'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { createInterface } from 'node:readline'

const [issuer, clientId, redirectUri, scope] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')
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
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const build = process.env.PUSHED ? client.buildAuthorizationUrlWithPAR : client.buildAuthorizationUrl
const authorize = await build(config, {
  redirect_uri: redirectUri,
  scope,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  prompt: 'consent',
})
say({ authorize: authorize.href })

const back = new URL((await lines.next()).value)
const tokens = await client.authorizationCodeGrant(config, back, {
  pkceCodeVerifier: verifier,
  expectedState: state,
  idTokenExpected: true,
})
const claims = tokens.claims()
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
const fresh = await client.refreshTokenGrant(config, tokens.refresh_token)
const live = await client.tokenIntrospection(config, fresh.access_token)
await client.tokenRevocation(config, fresh.access_token)
const dead = await client.tokenIntrospection(config, fresh.access_token)
say({ result: { token: tokens.access_token, userinfo, cnf: live.cnf, active: [live.active, dead.active], ports: [...ports] } })
process.exit(0)
