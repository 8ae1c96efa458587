// One sign-in with openid-client as its own documentation shows it.

import * as client from 'openid-client'
import { end, wayBack } from './lines.mjs'
import { errorOf, request, use } from './steps.mjs'

const [issuer, clientId, redirectUri, scope] = process.argv.slice(2)
const config = await client.discovery(
  new URL(issuer),
  clientId,
  {},
  client.ClientSecretBasic(process.env.CLIENT_SECRET),
  { execute: [client.allowInsecureRequests] },
)
const { checks, parameters } = await request(redirectUri, scope)
const back = await wayBack(client.buildAuthorizationUrl(config, parameters))
const tokens = await client.authorizationCodeGrant(config, back, checks)
const { claims, userinfo, fresh, active } = await use(config, tokens)

// The same code again: the server must refuse it with the standard's own error.
const replay = await errorOf(() => client.authorizationCodeGrant(config, back, checks))

end({
  algorithm: JSON.parse(atob(tokens.id_token.split('.')[0])).alg,
  claims,
  userinfo,
  refreshed: fresh.access_token !== tokens.access_token,
  active,
  replay,
  logout: client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token }).href,
})
