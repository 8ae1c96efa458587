// Makes and uses passkeys (WebAuthn level 3). Everything it needs stands in data attributes of a form:
//
//   <form method="post" action="…" data-passkey="create" or "get">
//     data-options      the options as JSON (what py_webauthn's options_to_json gives), or instead
//     data-options-url  where to POST for them just before use (the form's own fields go along, the CSRF token too)
//     data-finish-url   leave out to send the form itself with the answer in its hidden field "credential";
//                       given, the answer is posted there as JSON and {"location": "/…"} is followed
//     data-autofill     present: also offer passkeys in the sign-in name's suggestions ("get" only)
//     data-busy data-cancelled data-held data-failed data-unsupported   sentences for [data-passkey-status], and
//     data-reference, which stands before the number of a refusal
//   <input type="hidden" name="credential">  <button type="button" data-passkey-start>  <p data-passkey-status role="status">
//
// [data-passkey-only] elements are hidden until the browser is known to support passkeys. The page of one's own passkeys
// has <… data-passkey-accepted="{rpId, userId, allAcceptedCredentialIds}"> and data-passkey-owner="{rpId, userId, name,
// displayName}": devices then forget what was removed and learn a new name (WebAuthn level 3, 5.1.10).
"use strict";

const decode = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0)).buffer;
const encode = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const named = (list) => (list || []).map((one) => ({ ...one, id: decode(one.id) }));

const fromJson = (options) => {
  const made = { ...options, challenge: decode(options.challenge) };
  if (options.user) made.user = { ...options.user, id: decode(options.user.id) };
  if (options.excludeCredentials) made.excludeCredentials = named(options.excludeCredentials);
  if (options.allowCredentials) made.allowCredentials = named(options.allowCredentials);
  return made;
};

const toJson = (credential) => {
  const answer = credential.response;
  const response = { clientDataJSON: encode(answer.clientDataJSON) };
  for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (answer[part]) response[part] = encode(answer[part]);
  }
  if (answer.getTransports) response.transports = answer.getTransports();
  return {
    id: credential.id, rawId: encode(credential.rawId), type: credential.type, response,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
};

const csrf = (form) => form.querySelector("input[name=csrf_token]")?.value ?? "";

const post = async (form, url, body, type) => {
  const answer = await fetch(url, {
    method: "POST", body, credentials: "same-origin",
    headers: { "Content-Type": type, Accept: "application/json", "X-CSRF-Token": csrf(form) },
  });
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  const reference = said.reference ? `${form.dataset.reference} ${said.reference}` : "";
  throw Object.assign(new Error(), { told: said.title, about: said.type, reference });
};

// The service's own words, or the page's: a browser's are in its language, for whoever wrote the page.
const sentence = ({ cancelled, held, failed }, problem) => ({
  NotAllowedError: cancelled, AbortError: cancelled, InvalidStateError: held,
}[problem.name] ?? (problem.told || failed));

const signal = (name, facts) => window.PublicKeyCredential?.[name]?.(facts).catch(() => {});

const optionsFor = async (form) => {
  if (form.dataset.options) return fromJson(JSON.parse(form.dataset.options));
  const typed = new URLSearchParams(new FormData(form));
  const said = await post(form, form.dataset.optionsUrl, typed, "application/x-www-form-urlencoded");
  return fromJson(said.publicKey ?? said);
};

const finish = async (form, credential) => {
  const answer = JSON.stringify(toJson(credential));
  if (!form.dataset.finishUrl) {
    form.elements.credential.value = answer;
    form.submit();
    return;
  }
  const said = await post(form, form.dataset.finishUrl, answer, "application/json").catch((problem) => {
    if (problem.about === "urn:erti:problem:passkey-unknown") {
      signal("signalUnknownCredential", { rpId: location.hostname, credentialId: credential.id });
    }
    throw problem;
  });
  const next = new URL(said.location ?? "/", location.href);
  if (next.origin === location.origin) location.assign(next);
};

const setUp = (form) => {
  const status = form.querySelector("[data-passkey-status]");
  const button = form.querySelector("[data-passkey-start]");
  const say = (text) => {
    status.textContent = text ?? "";
    status.classList.remove("error");
  };
  const tell = (problem) => {
    say(sentence(form.dataset, problem));
    status.classList.add("error");
    const note = document.createElement("small");
    note.textContent = problem.reference ?? "";
    status.append(" ", note);
  };
  let stop = null; // the AbortController of the suggestion that waits in the sign-in name's field
  // Done when it has let go, since a browser answers one request at a time; true when it has signed somebody in.
  let suggestion = Promise.resolve(false);

  const ask = async (publicKey, extra) => (form.dataset.passkey === "create"
    ? navigator.credentials.create({ publicKey, ...extra })
    : navigator.credentials.get({ publicKey, ...extra }));

  const start = async () => {
    button.disabled = true;
    say(form.dataset.busy);
    try {
      stop?.abort();
      if (await suggestion) return;
      const credential = await ask(await optionsFor(form), {});
      await finish(form, credential);
    } catch (problem) {
      button.disabled = false;
      tell(problem);
      offer();
    }
  };

  const suggest = async () => {
    const { signal: stopped } = stop = new AbortController();
    try {
      if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return false;
      const options = await optionsFor(form);
      if (stopped.aborted) return false;
      const credential = await ask(options, { mediation: "conditional", signal: stopped });
      say(form.dataset.busy);
      await finish(form, credential);
      return true;
    } catch (problem) {
      if (problem.name !== "AbortError" && problem.name !== "NotAllowedError") tell(problem);
      return false;
    }
  };

  // At most once more after a failure by hand; the suggestion's own failure does not begin another.
  const offer = () => {
    if ("autofill" in form.dataset && form.dataset.passkey === "get") suggestion = suggest();
  };

  if (!window.PublicKeyCredential) {
    say(form.dataset.unsupported);
    return;
  }
  for (const part of form.querySelectorAll("[data-passkey-only]")) part.hidden = false;
  button.disabled = false; // a page that was gone back to may have kept it as it was
  button.addEventListener("click", start);
  form.addEventListener("submit", (event) => { event.preventDefault(); start(); });
  offer();
};

document.querySelectorAll("form[data-passkey]").forEach(setUp);
const told = document.querySelector("[data-passkey-accepted]");
if (told) {
  signal("signalAllAcceptedCredentials", JSON.parse(told.dataset.passkeyAccepted));
  signal("signalCurrentUserDetails", JSON.parse(told.dataset.passkeyOwner));
}
