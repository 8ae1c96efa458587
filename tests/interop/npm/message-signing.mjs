// One sign-in with oauth4webapi as FAPI 2.0 Message Signing wants it: a signed request that is pushed, a signed answer,
// private_key_jwt, tokens bound to a key, and introspection that is signed. The client's key comes in the
// environment.

import * as oauth from 'oauth4webapi'
import { end, wayBack } from './lines.mjs'

const [address, clientId, redirectUri, scope] = process.argv.slice(2)
const insecure = { [oauth.allowInsecureRequests]: true }

const issuer = new URL(address)
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure))
const client = {
  client_id: clientId,
  id_token_signed_response_alg: 'ES256',
  authorization_signed_response_alg: 'ES256',
  introspection_signed_response_alg: 'ES256',
}
const jwk = JSON.parse(process.env.CLIENT_KEY)
const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
const signer = { key, kid: jwk.kid }
const proven = oauth.PrivateKeyJwt(signer)
const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
let sentForNonce = 0

// A call that comes again, once, where the server asks for its nonce.
async function bound(call, read) {
  try {
    return await read(await call())
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    sentForNonce += 1
    return read(await call())
  }
}

const verifier = oauth.generateRandomCodeVerifier()
const state = oauth.generateRandomState()
const nonce = oauth.generateRandomNonce()
const asked = new URLSearchParams({
  client_id: clientId,
  redirect_uri: redirectUri,
  response_type: 'code',
  response_mode: 'jwt',
  scope,
  state,
  nonce,
  prompt: 'consent',
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
})
const request = await oauth.issueRequestObject(as, client, asked, signer)
const pushed = await bound(
  () => oauth.pushedAuthorizationRequest(as, client, proven, { client_id: clientId, request }, { DPoP, ...insecure }),
  (response) => oauth.processPushedAuthorizationResponse(as, client, response),
)
const authorize = new URL(as.authorization_endpoint)
authorize.searchParams.set('client_id', clientId)
authorize.searchParams.set('request_uri', pushed.request_uri)
const back = await wayBack(authorize)
const answer = await oauth.validateJwtAuthResponse(as, client, back, state, insecure)
const tokens = await bound(
  () => oauth.authorizationCodeGrantRequest(as, client, proven, answer, redirectUri, verifier, { DPoP, ...insecure }),
  (response) =>
    oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, requireIdToken: true }),
)
const claims = oauth.getValidatedIdTokenClaims(tokens)
const userinfo = await bound(
  () => oauth.userInfoRequest(as, client, tokens.access_token, { DPoP, ...insecure }),
  (response) => oauth.processUserInfoResponse(as, client, claims.sub, response),
)
const fresh = await bound(
  () => oauth.refreshTokenGrantRequest(as, client, proven, tokens.refresh_token, { DPoP, ...insecure }),
  (response) => oauth.processRefreshTokenResponse(as, client, response),
)
const introspect = async (token) => {
  const response = await oauth.introspectionRequest(as, client, proven, token, insecure)
  const kind = response.headers.get('content-type')
  return [kind, await oauth.processIntrospectionResponse(as, client, response)]
}
const [kind, live] = await introspect(fresh.access_token)
await oauth.processRevocationResponse(
  await oauth.revocationRequest(as, client, proven, fresh.access_token, insecure),
)
const [, dead] = await introspect(fresh.access_token)

end({
  answered: [...back.searchParams.keys()],
  type: tokens.token_type,
  claims,
  userinfo,
  refreshed: fresh.access_token !== tokens.access_token,
  kept: !fresh.refresh_token || fresh.refresh_token === tokens.refresh_token,
  introspection: kind,
  active: [live.active, dead.active],
  bound: Boolean(live.cnf?.jkt),
  sentForNonce,
})
