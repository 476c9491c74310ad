// Keeps the page's own files, so that a loaded studio works without a network. The build fills in the
// list; models are not in it: the engine stores them itself.
const BUILD = '__BUILD__';
const FILES = __FILES__;
const PREFIX = 'pema-studio-';
const scope = new URL('./', self.location.href);
const listed = new Set(FILES.map((file) => new URL(file, scope).href));
const page = new URL('index.html', scope).href;

self.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(PREFIX + BUILD)
      // Past the HTTP cache: files of two builds must not be mixed.
      .then((cache) => cache.addAll([...listed].map((url) => new Request(url, { cache: 'reload' }))))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener('activate', (event) => {
  const old = (name) => name.startsWith(PREFIX) && name !== PREFIX + BUILD;
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = request.url.split('#')[0].split('?')[0];
  if (request.method !== 'GET' || request.headers.has('range')) return;
  if (request.mode === 'navigate') {
    // The network first: a new build is found as soon as there is one.
    event.respondWith(fetch(request).catch(() => caches.match(page)));
  } else if (listed.has(url)) {
    event.respondWith(caches.match(url).then((kept) => kept ?? fetch(request)));
  }
});
