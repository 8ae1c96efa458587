// An application that lives in the browser alone, with oidc-client-ts as its documentation shows it. /settings.json
// says where the provider is. Each page of it does what the address asks for: come back, renew in a frame, or nothing.

const show = (id, text) => { document.getElementById(id).textContent = text }
const fail = (error) => show('error', `${error.error ?? error.name}: ${error.message}`)

async function begin() {
  const given = await (await fetch('/settings.json')).json()
  const here = location.origin
  const manager = new oidc.UserManager({
    authority: given.issuer,
    client_id: given.client_id,
    redirect_uri: `${here}/back`,
    silent_redirect_uri: `${here}/silent`,
    post_logout_redirect_uri: `${here}/`,
    scope: given.scope,
    loadUserInfo: !given.dpop,
    // The key stays in the browser: no script can take it away, not even this one (RFC 9449).
    ...(given.dpop ? { dpop: { store: new oidc.IndexedDbDPoPStore(), bind_authorization_code: true } } : {}),
    automaticSilentRenew: true,
    accessTokenExpiringNotificationTimeInSeconds: given.renew_before_seconds,
    userStore: new oidc.WebStorageStateStore({ store: window.sessionStorage }),
  })
  // UserInfo with a proof; the first answer brings the nonce that the second proof needs.
  const ask = async (user, nonce) => {
    const url = `${given.issuer}/userinfo`
    const proof = await manager.dpopProof(url, user, 'GET', nonce)
    const answer = await fetch(url, { headers: { Authorization: `DPoP ${user.access_token}`, DPoP: proof } })
    const fresh = answer.headers.get('DPoP-Nonce')
    return answer.status === 401 && fresh && !nonce ? ask(user, fresh) : answer.json()
  }
  let renewed = 0
  const say = (user) => {
    show('who', user?.profile.sub ?? 'nobody')
    show('name', user?.profile.given_name ?? '')
    if (user && given.dpop) ask(user).then((claims) => show('name', claims.given_name)).catch(fail)
    show('token', user?.access_token ?? '')
  }
  if (location.pathname === '/silent') return manager.signinSilentCallback()
  manager.events.addUserLoaded((user) => { renewed += 1; show('renewed', String(renewed)); say(user) })
  manager.events.addSilentRenewError(fail)
  document.getElementById('sign-in').onclick = () => manager.signinRedirect(given.ask).catch(fail)
  document.getElementById('renew').onclick = () => manager.signinSilent().catch(fail)
  document.getElementById('sign-out').onclick = () => manager.signoutRedirect().catch(fail)
  if (location.pathname === '/back') {
    say(await manager.signinRedirectCallback())
    history.replaceState({}, '', '/')
  } else {
    say(await manager.getUser())
  }
}

begin().catch(fail)
