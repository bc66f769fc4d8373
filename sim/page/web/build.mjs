// Bundles the scripts and the style of the pages into ../assets, with the notices
// of the libraries that are in them. `node build.mjs FOLDER` writes them elsewhere.
import { build } from 'esbuild';
import { readFileSync, writeFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, '../assets');
const pages = ['timeline', 'sweep'];

const made = await build({
  entryPoints: [...pages.map((page) => join(here, 'src', `${page}.js`)), join(here, 'src/page.css')],
  outdir: out, bundle: true, minify: true, format: 'iife', target: ['es2022'], charset: 'utf8', legalComments: 'none', metafile: true, write: true, absWorkingDir: here, logLevel: 'warning',
});

/** The packages that are in a bundle, in the order of their names. */
function packagesIn(inputs) {
  const names = Object.keys(inputs).map((input) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]);
  return [...new Set(names.filter(Boolean))].sort();
}

function license(name) {
  const folder = join(here, 'node_modules', name);
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^licen[sc]e/i.test(entry));
  return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
}

const all = new Set();
for (const page of pages) {
  const file = join(out, `${page}.js`);
  const output = Object.entries(made.metafile.outputs).find(([name]) => name.endsWith(`${page}.js`))[1];
  const names = packagesIn(output.inputs);
  names.forEach((name) => all.add(name));
  const notice = `/* Contains:\n\n${names.map(license).join('\n----\n\n')}*/\n`;
  writeFileSync(file, notice + readFileSync(file, 'utf8'));
}
writeFileSync(join(out, 'LICENSES.txt'), [...all].sort().map(license).join('\n----\n\n'));
