// Unpacks the browser of @sparticuz/chromium with the libraries and the one font that
// it needs, so that it runs, and draws the same, on a machine that has neither:
//
//	node unpack.mjs FOLDER     makes FOLDER/chromium, which starts it
import { execFileSync } from 'node:child_process';
import { createReadStream, createWriteStream, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';

const to = resolve(process.argv[2]);
const from = join(to, 'node_modules/@sparticuz/chromium/bin');

async function inflate(name, out) {
  await pipeline(createReadStream(join(from, name)), createBrotliDecompress(), createWriteStream(out, { mode: 0o755 }));
}

await inflate('chromium.br', join(to, 'browser'));
for (const archive of ['al2023.tar', 'fonts.tar']) {
  const file = join(to, archive);
  await inflate(`${archive}.br`, file);
  execFileSync('tar', ['-xf', file, '-C', to]);
  rmSync(file);
}
writeFileSync(join(to, 'fonts.conf'), `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts</dir></fontconfig>
`);
writeFileSync(join(to, 'chromium'), `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
export LD_LIBRARY_PATH="$here/lib" FONTCONFIG_PATH="$here"
exec "$here/browser" "$@"
`, { mode: 0o755 });
