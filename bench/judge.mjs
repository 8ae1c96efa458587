// Times the browser's check: the module's path, then files with bundle and policy; prints the milliseconds of each of three runs.
import { readFileSync } from "node:fs";

const [module, bundle, policy] = process.argv.slice(2);
const { verify } = await import(module);
const texts = [readFileSync(bundle, "utf8"), readFileSync(policy, "utf8")];
const took = [];
for (let run = 0; run < 3; run++) {
  const begun = performance.now();
  await verify(...texts);
  took.push(performance.now() - begun);
}
console.log(JSON.stringify(took));
