// A model on its way: broken connections, files that change meanwhile, and sites that never answer.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { by, open, studioUrl } from './browser.mjs';

const MODELS = ['tiny.gguf', 'tiny_f32_untied.gguf'].map((name) => readFileSync(new URL(`../fixtures/${name}`, import.meta.url)));

/** The studio with a model that the test serves: `answer(request, response)`. */
async function site(answer) {
  const server = createServer(async (request, response) => {
    if (request.url.includes('/models/')) return answer(request, response);
    const found = await fetch(new URL(`.${request.url}`, studioUrl));
    response.writeHead(found.status, { 'content-type': found.headers.get('content-type') });
    response.end(Buffer.from(await found.arrayBuffer()));
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => { server.closeAllConnections(); server.close(); } };
}

/** Answers like any server that knows ranges and entity tags; breaks the connection after `most` bytes. */
function send(model, tag, request, response, most = Infinity) {
  const range = request.headers['if-range'] && request.headers['if-range'] !== tag ? undefined : request.headers.range;
  const from = Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
  // Out of the browser's own cache, which would ask for bytes of its own.
  const headers = { etag: tag, 'cache-control': 'no-store', 'content-length': model.length - from, 'content-type': 'application/octet-stream' };
  if (range) headers['content-range'] = `bytes ${from}-${model.length - 1}/${model.length}`;
  response.writeHead(range ? 206 : 200, headers);
  response.write(model.subarray(from, Math.min(model.length, from + most)), () => {
    if (from + most < model.length) setTimeout(() => response.destroy(), 300);
    else response.end();
  });
}

async function begin(page, url) {
  await page.goto(url);
  await by(page, 'device-name').waitFor();
  await by(page, 'model-default').click();
}

const trouble = (page) => page.locator('#model').getByTestId('trouble');

test('a download that broke goes on where it was, and only with the file it was of', async () => {
  const asked = [];
  let answer;
  const { url, close } = await site((request, response) => {
    asked.push([request.headers.range, request.headers['if-range']]);
    answer(request, response);
  });
  const browser = await open({ args: [] });
  const { page } = browser;
  try {
    answer = (request, response) => send(MODELS[0], '"one"', request, response, 50_000);
    await begin(page, url);
    await trouble(page).waitFor();
    assert.match(await trouble(page).innerText(), /connection broke.*goes on from there/s);
    answer = (request, response) => send(MODELS[0], '"one"', request, response);
    await by(page, 'model-default').click();
    await by(page, 'model-ready').waitFor();
    assert.deepEqual(asked, [[undefined, undefined], ['bytes=50000-', '"one"']]);

    // Another file in its place, half-way through.
    await by(page, 'delete-all').click();
    await by(page, 'delete-confirm').click();
    await by(page, 'model-default').waitFor();
    answer = (request, response) => send(MODELS[0], '"one"', request, response, 50_000);
    await by(page, 'model-default').click();
    await trouble(page).waitFor();
    answer = (request, response) => send(MODELS[1], '"two"', request, response);
    await by(page, 'model-default').click();
    await by(page, 'model-ready').waitFor();
    assert.deepEqual(asked.slice(2), [[undefined, undefined], ['bytes=50000-', '"one"']]);
  } finally {
    await browser.close();
    close();
  }
});

test('a model of the user that was stopped half-way is never the beginning of another', async () => {
  const asked = [];
  const { url, close } = await site((request, response) => {
    asked.push(request.headers.range);
    send(MODELS[0], '"one"', request, response);
  });
  const browser = await open({ args: [] });
  const { page } = browser;
  try {
    await page.goto(url);
    await by(page, 'device-name').waitFor();
    // The store is full after some bytes of it.
    await page.workers()[0].evaluate(() => {
      const handle = FileSystemSyncAccessHandle.prototype;
      globalThis.whole = handle.write;
      handle.write = function (bytes, options) {
        if (bytes.byteLength < 50_000) return globalThis.whole.call(this, bytes, options);
        globalThis.whole.call(this, bytes.subarray(0, 50_000), options);
        throw new DOMException('full', 'QuotaExceededError');
      };
    });
    await by(page, 'model-file').setInputFiles({ name: 'mine.gguf', mimeType: '', buffer: MODELS[0] });
    await trouble(page).waitFor();
    await page.workers()[0].evaluate(() => { FileSystemSyncAccessHandle.prototype.write = globalThis.whole; });
    await by(page, 'model-default').click();
    await by(page, 'model-ready').waitFor();
    assert.deepEqual(asked, [undefined], 'fetched from its first byte');
  } finally {
    await browser.close();
    close();
  }
});

test('a site that never answers can be stopped', async () => {
  const { url, close } = await site(() => {});
  const browser = await open({ args: [] });
  const { page } = browser;
  try {
    await begin(page, url);
    await page.locator('#model').getByRole('button', { name: 'Stop' }).click();
    await trouble(page).waitFor();
    assert.match(await trouble(page).innerText(), /was stopped/);
  } finally {
    await browser.close();
    close();
  }
});
