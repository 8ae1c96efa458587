// The page "Check my history": fetches what is to be checked, or takes kept files, and shows the verdict in words.
import { fingerprint, Rejected, Unusable, verify } from "./history-verify.js";

const at = (id) => document.getElementById(id);
const notice = at("verdict"), button = at("check-now"), progress = at("check-progress");

async function text(file, address) {
  if (file) return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  const answer = await fetch(address, { headers: { Accept: "application/json, text/plain" } });
  if (!answer.ok) throw new Unusable(`${address}: ${answer.status}`);
  return answer.text();
}

function show(verdict, reason, facts) {
  const meaning = document.querySelector(`#verdicts [data-verdict="${verdict}"]`);
  notice.className = `notice ${meaning?.dataset.kind ?? "bad"}`;
  notice.dataset.verdict = verdict;
  at("verdict-title").textContent = meaning ? `${meaning.textContent} (${verdict})` : verdict;
  at("verdict-reason").textContent = reason;
  at("verdict-reason").hidden = !reason;
  at("verdict-facts").replaceChildren(...facts.map((fact) => {
    const item = document.createElement("li");
    item.textContent = fact;
    return item;
  }));
  notice.hidden = false;
  notice.focus();
}

function facts(found) {
  const { count, citizen, erased, witnesses, alone, unchecked, withheld, uncounted, kept, late, unseen, skipped, locale, zone } = notice.dataset;
  // A browser that lacks the language writes months as "M11": it gets the order of ISO 8601, which Swedish has.
  const [known] = Intl.DateTimeFormat.supportedLocalesOf([locale]);
  const time = new Intl.DateTimeFormat(known ?? "sv", { dateStyle: known ? "medium" : "short", timeStyle: known ? "long" : "medium", timeZone: zone }).format((found.signedAt ?? 0) * 1000);
  const said = [count.replace("{count}", found.entries.length).replace("{time}", time)];
  said.push(citizen.replace("{citizen}", found.citizen));
  if (found.erased) said.push(erased.replace("{count}", found.erased));
  said.push(found.country ? withheld.replace("{count}", found.country.at_most).replace("{month}", found.country.month) : uncounted);
  if (found.kept) said.push(kept.replace("{count}", found.kept));
  if (found.late) said.push(late.replace("{count}", found.late));
  if (found.unseen) said.push(unseen.replace("{count}", found.unseen));
  said.push(found.witnesses.length ? witnesses.replace("{names}", found.witnesses.join(", ")) : alone);
  if (found.skipped.length) said.push(skipped.replace("{names}", found.skipped.join(", ")));
  if (found.unchecked) said.push(unchecked);
  return said;
}

async function check() {
  button.disabled = true;
  progress.hidden = false;
  notice.hidden = true;
  try {
    const policy = await text(at("policy-file").files[0], "/ledger/policy");
    at("check-fingerprint").textContent = fingerprint(policy);
    const bundle = await text(at("bundle-file").files[0], "/my/history/bundle");
    await new Promise((go) => { setTimeout(go); }); // let the page show that something happens
    show("VALID-COMPLETE", "", facts(await verify(bundle, policy)));
  } catch (error) {
    if (error instanceof Rejected) show(error.verdict, error.reason, []);
    else show("UNUSABLE", error.message, []);
  } finally {
    button.disabled = false;
    progress.hidden = true;
  }
}

at("check").hidden = false;
button.addEventListener("click", check);
