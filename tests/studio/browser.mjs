// What the studio's tests share: a browser, the page, and words for what a user does.
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { PEMA_STUDIO_URL: url, PEMA_NODE_MODULES: modules, PEMA_CHROMIUM: executablePath } = process.env;
if (!url || !modules) throw new Error('these tests are run by `cargo xtask test`');
const require = createRequire(join(modules, 'x.js'));
export const { chromium } = require('playwright-core');
export const axePath = require.resolve('axe-core');
export const studioUrl = url;

const QUIET = ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
export const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** A browser with a profile of its own; `close` removes it. */
export async function open({ args = SOFTWARE_GPU, folder = mkdtempSync(join(tmpdir(), 'pema-')), ...more } = {}) {
  const context = await chromium.launchPersistentContext(folder, {
    executablePath, headless: true, args: [...QUIET, ...args], acceptDownloads: true, ...more,
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.setDefaultTimeout(60_000);
  return { context, page, folder, errors, close: async () => { await context.close().catch(() => {}); rmSync(folder, { recursive: true, force: true }); } };
}

export const by = (page, id) => page.getByTestId(id);

/** Opens the page and waits for the device. */
export async function start(page) {
  await page.goto(studioUrl);
  await by(page, 'device-name').waitFor();
}

/** Model and example pairs, the model being the tests' small one. */
export async function prepare(page) {
  await start(page);
  await by(page, 'model-default').click();
  await by(page, 'model-ready').waitFor();
  await by(page, 'data-example').click();
  await by(page, 'data-ready').waitFor();
}

/** From the next load on, `said` in the page is what it says of its progress, from its first word on. */
export async function listen(page) {
  await page.addInitScript(() => {
    globalThis.said = [];
    new MutationObserver(() => {
      const text = document.querySelector('[data-testid=train-progress] .progress span')?.textContent;
      if (text && text !== globalThis.said.at(-1)) globalThis.said.push(text);
    }).observe(document, { subtree: true, childList: true, characterData: true });
  });
}

/** Advanced settings by their labels. */
export async function settle(page, values) {
  await page.getByText('Advanced', { exact: true }).click();
  for (const [label, value] of Object.entries(values)) {
    await page.getByLabel(label, { exact: true }).fill(String(value));
    await page.getByLabel(label, { exact: true }).blur();
  }
}

/** Serious findings of axe-core, in light and dark. */
export async function findings(page) {
  const found = [];
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.addScriptTag({ path: axePath }).catch(() => {});
    const result = await page.evaluate(() => globalThis.axe.run());
    for (const v of result.violations) found.push(`${colorScheme} ${v.id}: ${v.nodes.map((n) => n.html).slice(0, 3).join(' | ')}`);
  }
  return found;
}
