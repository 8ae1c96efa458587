// What each client by openid-client does: it asks with PKCE, state and nonce, checks the answer, and uses its tokens.

import * as client from 'openid-client'

export async function request(redirectUri, scope) {
  const checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    idTokenExpected: true,
  }
  const parameters = {
    redirect_uri: redirectUri,
    scope,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    prompt: 'consent',
  }
  return { checks, parameters }
}

export async function use(config, tokens) {
  const claims = tokens.claims()
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
  const fresh = await client.refreshTokenGrant(config, tokens.refresh_token)
  const live = await client.tokenIntrospection(config, fresh.access_token)
  await client.tokenRevocation(config, fresh.access_token)
  const dead = await client.tokenIntrospection(config, fresh.access_token)
  return { claims, userinfo, fresh, live, active: [live.active, dead.active] }
}

export async function errorOf(call) {
  try {
    await call()
    return 'accepted'
  } catch (error) {
    return error.error ?? error.cause?.[0]?.parameters?.error ?? String(error)
  }
}
