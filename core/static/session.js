// Warns two minutes before a session ends, and lets it go on (WCAG 2.2.1). The clock here only says when to ask; what
// counts is the service's answer, because another tab may have used the session, or this one may have been asleep.
"use strict";

const dialog = document.getElementById("session-dialog");
if (dialog?.showModal) {
  const warnBefore = Number(dialog.dataset.warnBefore);
  const form = dialog.querySelector("form");
  let ends = Date.now() + Number(dialog.dataset.left) * 1000, timer = 0, asking = false;

  const after = (seconds) => {
    clearTimeout(timer);
    timer = setTimeout(check, Math.max(1, seconds) * 1000);
  };

  const show = (state) => {
    for (const part of dialog.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(state);
    for (const time of dialog.querySelectorAll("time")) {
      time.textContent = new Date(ends).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
    }
    if (dialog.dataset.state === state && dialog.open) return;
    dialog.dataset.state = state;
    if (dialog.open) dialog.close();
    dialog.showModal();
    dialog.querySelector("button:not([hidden]), a:not([hidden])").focus();
  };

  const apply = ({ signed_in: signedIn, left, longest }) => {
    if (!signedIn) {
      clearTimeout(timer);
      show("over");
      return;
    }
    ends = Date.now() + left * 1000;
    if (left > warnBefore) {
      if (dialog.open) dialog.close();
      after(left - warnBefore);
    } else {
      show(longest > left ? "soon" : "last");
      after(left + 1);
    }
  };

  const ask = async (address, options) => {
    if (asking) return;
    asking = true;
    try {
      const answer = await fetch(address, { headers: { Accept: "application/json" }, cache: "no-store", ...options });
      if (!answer.ok) throw new Error(String(answer.status));
      apply(await answer.json());
    } catch {
      if (Date.now() >= ends - warnBefore * 1000) show("unknown");
      after(15);
    } finally {
      asking = false;
    }
  };

  const check = () => ask("/session/state");

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.submitter?.value === "close") dialog.close();
    else ask(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  });
  const awake = () => {
    if (document.visibilityState === "visible" && Date.now() >= ends - warnBefore * 1000) check();
  };
  document.addEventListener("visibilitychange", awake);
  addEventListener("pageshow", (event) => { if (event.persisted) check(); });
  after(Number(dialog.dataset.left) - warnBefore);
}
