// Keeps the page's own files, so that a loaded studio works without a network. The build fills in the
// list; models are not in it: the engine stores them itself.
const BUILD = '__BUILD__';
const FILES = __FILES__;
const scope = new URL('./', self.location.href);
// The caches of an origin are shared by all that lies on it: a studio in another folder has its own.
const PREFIX = `pema-studio-${scope.pathname}-`;
const CACHE = PREFIX + BUILD;
// By its shorter address: some hosts send whoever asks for index.html on to that, and what was sent on is no page.
const page = scope.href;
const address = (file) => (file === 'index.html' ? page : new URL(file, scope).href);
const listed = new Set(FILES.map(address));

self.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      // Past the HTTP cache: files of two builds must not be mixed.
      .then((cache) => cache.addAll([...listed].map((url) => new Request(url, { cache: 'reload' })))),
  );
});

self.addEventListener('activate', (event) => {
  const old = (name) => name.startsWith(PREFIX) && name !== CACHE;
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
  // Page and engine are always of one build: the page comes from where the engine comes from. The browser looks for a new
  // build whenever the page is loaded; it takes over when the last page of this one is closed.
  const wanted = url === new URL('index.html', scope).href ? page : url;
  if (!listed.has(wanted)) return;
  event.respondWith(
    caches
      .open(CACHE)
      .then((cache) => cache.match(wanted))
      .then((kept) => kept ?? fetch(request)),
  );
});
