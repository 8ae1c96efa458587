// How a script speaks with its test: lines of JSON go out, and one line comes in, the address the browser was sent back to.

import { createInterface } from 'node:readline'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

export const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')

export async function wayBack(authorize) {
  say({ authorize: authorize.href })
  return new URL((await lines.next()).value)
}

export function end(result) {
  say({ result })
  process.exit(0)
}
