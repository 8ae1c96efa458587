// openid-client with a key of its own: it signs its assertions, and opens what is encrypted to it.
// Lines of JSON go out, one line comes in: out {"authorize": URL}, in the address the browser was sent back to,
// out {"result": what the client learnt}.

import * as client from 'openid-client'
import { createInterface } from 'node:readline'

const [issuer, clientId, redirectUri, scope, alg] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')

const kinds = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
  Ed25519: { name: 'Ed25519' },
}
const { signing, opening } = JSON.parse(process.env.KEYS)
const key = await crypto.subtle.importKey('jwk', signing, kinds[alg], false, ['sign'])
const own = await crypto.subtle.importKey('jwk', opening, { name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveBits'])

const config = await client.discovery(
  new URL(issuer),
  clientId,
  {
    id_token_signed_response_alg: 'PS256',
    userinfo_signed_response_alg: 'ES256',
    introspection_signed_response_alg: 'ES256',
  },
  client.PrivateKeyJwt({ key, kid: signing.kid }),
  { execute: [client.allowInsecureRequests] },
)
client.enableDecryptingResponses(config, ['A128CBC-HS256', 'A256GCM'], { key: own, kid: opening.kid })

const kinds_of_answers = []
config[client.customFetch] = async (url, options) => {
  const response = await fetch(url, options)
  kinds_of_answers.push([new URL(url).pathname, response.headers.get('content-type')])
  return response
}

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const authorize = await client.buildAuthorizationUrlWithPAR(config, {
  redirect_uri: redirectUri,
  scope,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
  prompt: 'consent',
})
say({ authorize: authorize.href })

const back = new URL((await lines.next()).value)
const tokens = await client.authorizationCodeGrant(config, back, {
  pkceCodeVerifier: verifier,
  expectedState: state,
  expectedNonce: nonce,
  idTokenExpected: true,
})
const claims = tokens.claims()
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
const fresh = await client.refreshTokenGrant(config, tokens.refresh_token)
const live = await client.tokenIntrospection(config, fresh.access_token)
await client.tokenRevocation(config, fresh.access_token)
const dead = await client.tokenIntrospection(config, fresh.access_token)
say({
  result: {
    parts: tokens.id_token.split('.').length,
    claims,
    userinfo,
    active: [live.active, dead.active],
    kinds: kinds_of_answers,
  },
})
process.exit(0)
