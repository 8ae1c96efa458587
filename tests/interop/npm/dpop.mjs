// One sign-in with tokens bound to a key (RFC 9449), by openid-client, for a client without a secret.
// No nonce is known at the start: the client has to be sent for one by the server, and to keep it.

import * as client from 'openid-client'
import { end, wayBack } from './lines.mjs'
import { errorOf, request } from './steps.mjs'

const [issuer, clientId, redirectUri, scope, alg] = process.argv.slice(2)

const config = await client.discovery(new URL(issuer), clientId, {}, client.None(), {
  execute: [client.allowInsecureRequests],
})
const server = config.serverMetadata()

// What the server says on the way, to be told at the end.
const refusals = []
config[client.customFetch] = async (url, options) => {
  const response = await fetch(url, options)
  if (response.status >= 400) {
    const challenge = response.headers.get('www-authenticate') ?? ''
    const { error } = await response.clone().json()
    refusals.push([new URL(url).pathname, response.status, error, challenge.split(' ')[0]])
  }
  return response
}

const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair(alg))
const { checks, parameters } = await request(redirectUri, scope)
const pushes = Boolean(server.pushed_authorization_request_endpoint)
const authorize = pushes
  ? await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP })
  : client.buildAuthorizationUrl(config, { ...parameters, dpop_jkt: await DPoP.calculateThumbprint() })
const back = await wayBack(authorize)
const tokens = await client.authorizationCodeGrant(config, back, checks, undefined, { DPoP })
const claims = tokens.claims()
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP })
const fresh = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
const again = await client.fetchUserInfo(config, fresh.access_token, claims.sub, { DPoP })
const before = refusals.length

// The same token without its key, and with somebody else's; then the refresh token with somebody else's.
const thief = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
const bare = await errorOf(() => client.fetchUserInfo(config, fresh.access_token, claims.sub))
const stolen = await errorOf(() =>
  client.fetchUserInfo(config, fresh.access_token, claims.sub, { DPoP: thief }),
)
const refreshed = await errorOf(() =>
  client.refreshTokenGrant(config, fresh.refresh_token, undefined, { DPoP: thief }),
)

end({
  algorithms: server.dpop_signing_alg_values_supported,
  pushes,
  type: tokens.token_type,
  claims,
  userinfo,
  again,
  refusals: refusals.slice(0, before),
  bare,
  stolen,
  refreshed,
})
