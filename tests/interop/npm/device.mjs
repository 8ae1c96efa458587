// A device without a browser, by openid-client, that signs its owner in (RFC 8628). It says what it shows its owner, and
// what it learnt once somebody has allowed it.

import * as client from 'openid-client'
import { end, say } from './lines.mjs'
import { errorOf } from './steps.mjs'

const [issuer, clientId, scope] = process.argv.slice(2)

const config = await client.discovery(new URL(issuer), clientId, {}, client.None(), {
  execute: [client.allowInsecureRequests],
})
const started = await client.initiateDeviceAuthorization(config, { scope })
say({ verify: started.verification_uri_complete, plain: started.verification_uri, code: started.user_code })

const tokens = await client.pollDeviceAuthorizationGrant(config, started)
const claims = tokens.claims()
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub)

const again = await errorOf(() => client.pollDeviceAuthorizationGrant(config, started))
end({ interval: started.interval, claims, userinfo, again })
