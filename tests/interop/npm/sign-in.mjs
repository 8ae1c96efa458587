// One sign-in with openid-client as its own documentation shows it. Lines of JSON go out, one line comes in:
// out {"authorize": URL}, in the address the browser was sent back to, out {"result": what the client learnt}.

import * as client from 'openid-client'
import { createInterface } from 'node:readline'

const [issuer, clientId, redirectUri, scope] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')

const config = await client.discovery(
  new URL(issuer),
  clientId,
  {},
  client.ClientSecretBasic(process.env.CLIENT_SECRET),
  { execute: [client.allowInsecureRequests] },
)
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const authorize = client.buildAuthorizationUrl(config, {
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

// The same code again: the server must refuse it with the standard's own error.
let replay = 'accepted'
try {
  await client.authorizationCodeGrant(config, back, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
  })
} catch (error) {
  replay = error.error ?? String(error)
}

const logout = client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token })
say({
  result: {
    algorithm: JSON.parse(atob(tokens.id_token.split('.')[0])).alg,
    claims,
    userinfo,
    refreshed: fresh.access_token !== tokens.access_token,
    active: [live.active, dead.active],
    replay,
    logout: logout.href,
  },
})
process.exit(0)
