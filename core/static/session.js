// Warns a little before the session ends, so that nobody loses what they are typing (WCAG 2.2.1).
// <div id="session-warning" data-ends-at="UNIX SECONDS" data-idle="SECONDS" data-warn-before="SECONDS" role="status" hidden>
"use strict";

const warning = document.getElementById("session-warning");
if (warning) {
  const { endsAt, idle, warnBefore } = warning.dataset;
  const left = Math.min(Number(endsAt) - Date.now() / 1000, Number(idle)) - Number(warnBefore);
  setTimeout(() => { warning.hidden = false; }, Math.max(0, left) * 1000);
}
