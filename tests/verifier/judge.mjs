// Judges bundles with the browser's own check: reads {"policy": ..., "bundles": [...]}, prints a verdict for each.
import { readFileSync } from "node:fs";

const { verify, Rejected, Unusable } = await import(process.argv[2]);
const { policy, bundles } = JSON.parse(readFileSync(0, "utf8"));
const verdicts = [];
for (const bundle of bundles) {
  try {
    const found = await verify(bundle, policy);
    verdicts.push(["VALID-COMPLETE", found.erased, found.entries.length, found.signedAt, found.witnesses, found.skipped]);
  } catch (error) {
    if (error instanceof Rejected) verdicts.push([error.verdict, error.reason]);
    else if (error instanceof Unusable) verdicts.push(["UNUSABLE", error.message]);
    else throw error;
  }
}
console.log(JSON.stringify(verdicts));
