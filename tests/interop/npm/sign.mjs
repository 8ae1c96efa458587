// openid-client with a key of its own: it signs its assertions, and opens what is encrypted to it.

import * as client from 'openid-client'
import { end, wayBack } from './lines.mjs'
import { request, use } from './steps.mjs'

const [issuer, clientId, redirectUri, scope, alg] = process.argv.slice(2)
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

const kindsOfAnswers = []
config[client.customFetch] = async (url, options) => {
  const response = await fetch(url, options)
  kindsOfAnswers.push([new URL(url).pathname, response.headers.get('content-type')])
  return response
}

const { checks, parameters } = await request(redirectUri, scope)
const back = await wayBack(await client.buildAuthorizationUrlWithPAR(config, parameters))
const tokens = await client.authorizationCodeGrant(config, back, checks)
const { claims, userinfo, active } = await use(config, tokens)
end({ parts: tokens.id_token.split('.').length, claims, userinfo, active, kinds: kindsOfAnswers })
