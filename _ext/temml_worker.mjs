// Reads one JSON line a formula, {tex, display}, and answers with one line, {mathml} or {error}.
// One process serves a whole build: starting Node costs more than all formulas of the book.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const temml = createRequire(process.argv[2] + "/")("temml");
for await (const line of createInterface({ input: process.stdin })) {
  const { tex, display } = JSON.parse(line);
  let answer;
  try {
    answer = { mathml: temml.renderToString(tex, { displayMode: display, throwOnError: true }) };
  } catch (error) {
    answer = { error: String(error.message) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
