// Reads a JSON list of Chinese texts and writes it with a zero-width space between words of Chinese, as
// the browser will split a query (both use the dictionary of Unicode's ICU).
import { readFileSync } from "node:fs";

const words = new Intl.Segmenter(process.argv[2], { granularity: "word" });
const han = /\p{Script=Han}/u;

function split(text) {
  let out = "";
  for (const { segment } of words.segment(text)) {
    out += han.test(out.slice(-1)) && han.test(segment[0]) ? `\u200b${segment}` : segment;
  }
  return out;
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(split)));
