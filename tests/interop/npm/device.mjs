// A device without a browser, by openid-client, that signs its owner in (RFC 8628). Lines of JSON go out, none come in:
// out {"verify": URL, "code": letters}, then out {"result": what the device learnt} once somebody has allowed it.

import * as client from 'openid-client'

const [issuer, clientId, scope] = process.argv.slice(2)
const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')

const config = await client.discovery(new URL(issuer), clientId, {}, client.None(), {
  execute: [client.allowInsecureRequests],
})
const started = await client.initiateDeviceAuthorization(config, { scope })
say({ verify: started.verification_uri_complete, plain: started.verification_uri, code: started.user_code })

const tokens = await client.pollDeviceAuthorizationGrant(config, started)
const claims = tokens.claims()
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub)

let again = 'accepted'
try {
  await client.pollDeviceAuthorizationGrant(config, started)
} catch (error) {
  again = error.error ?? String(error)
}
say({ result: { interval: started.interval, claims, userinfo, again } })
process.exit(0)
