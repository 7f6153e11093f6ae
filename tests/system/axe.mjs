// Runs axe-core on pages from file://, at the width of a desk, of a phone, and as printed.
//   node axe.mjs BROWSER PAGE...
// Prints one JSON object a page and view: {page, view, violations, requests, complaints}. Versions: package.json.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const puppeteer = require('puppeteer-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const views = {
  desktop: { width: 1280, height: 900 },
  phone: { width: 390, height: 844, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
  print: { width: 1123, height: 794 }
};
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const [executablePath, ...pages] = process.argv.slice(2);
const browser = await puppeteer.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
for (const path of pages) {
  for (const [view, viewport] of Object.entries(views)) {
    const page = await browser.newPage();
    const requests = [], complaints = [];
    page.on('request', request => requests.push(request.url()));
    page.on('console', message => complaints.push(message.text()));
    page.on('pageerror', error => complaints.push(String(error)));
    await page.setViewport(viewport);
    if (view === 'print') await page.emulateMediaType('print');
    const address = pathToFileURL(path).href;
    await page.goto(address, { timeout: 120000 });
    await page.evaluate(axe);  // by the debugger, so the content policy of the page stays in force
    const found = await page.evaluate(tags => globalThis.axe.run({ runOnly: tags }), tags);
    const violations = found.violations.map(one => ({
      id: one.id, help: one.help, nodes: one.nodes.slice(0, 5).map(node => node.html.slice(0, 200))
    }));
    const fetched = requests.filter(url => url !== address && !url.startsWith('data:'));
    console.log(JSON.stringify({ page: path, view, violations, requests: fetched, complaints }));
    await page.close();
  }
}
await browser.close();
