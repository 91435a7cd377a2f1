// The worker: it keeps the page for when there is no network, and rings. The server writes a line
// before these: self.SHELL = {version, urls}, the content's digest and the files of this folder.

const NAME = `nod-${self.SHELL.version}`;
const PAGE = "/authenticator";
const WORDS = {
  en: { title: "A request is waiting", body: "Open to see who asks and what for." },
  ja: { title: "承認待ちのリクエストがあります", body: "開いて、依頼元と内容を確認してください。" },
};

self.addEventListener("install", (event) => {
  event.waitUntil(keepShell().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(dropOthers().then(() => self.clients.claim()));
});

// The page and its files come from one version, never a mixture; a new release is kept whole by the
// next worker. Everything else, and what this version does not have, is the network's.
self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  const isShell = origin === self.location.origin && self.SHELL.urls.includes(pathname);
  if (event.request.method === "GET" && isShell) event.respondWith(kept(pathname));
});

self.addEventListener("push", (event) => {
  event.waitUntil(ring(said(event.data)));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data?.consent));
});

self.addEventListener("pushsubscriptionchange", (event) => {
  event.waitUntil(resubscribe(event.oldSubscription));
});

async function keepShell() {
  const cache = await caches.open(NAME);
  if (await cache.match(PAGE)) return; // another scope's worker has kept it
  await cache.addAll(self.SHELL.urls.map((url) => new Request(url, { cache: "reload" })));
}

async function dropOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== NAME).map((name) => caches.delete(name)));
}

async function kept(pathname) {
  return (await caches.match(pathname, { cacheName: NAME })) ?? fetch(pathname);
}

/** What a push holds; nothing, when it is not what the server sends: it rings all the same. */
function said(data) {
  try {
    return data?.json() ?? {};
  } catch {
    return {};
  }
}

/** Says that there is a request, never what it is: who sees the screen need not be who is asked. */
async function ring({ notification, notice }) {
  for (const page of await pages()) page.postMessage({ wake: true });
  const { title, body } = notice?.title ? notice : WORDS[await language()];
  await self.registration.showNotification(title, {
    body,
    tag: notification?.txlnkid,
    data: { consent: notification?.txlnkid },
    icon: `${PAGE}/icon-192.png`,
    badge: `${PAGE}/icon-192.png`,
  });
}

async function open(consent) {
  const [page] = await pages();
  if (!page) return self.clients.openWindow(consent ? `${PAGE}#consent=${encodeURIComponent(consent)}` : PAGE);
  page.postMessage(consent ? { open: consent } : { wake: true });
  return page.focus();
}

/** The browser has given this worker another address: the devices that are rung by it say so. */
async function resubscribe(old) {
  const options = old?.options ?? (await self.registration.pushManager.getSubscription())?.options;
  if (!options) return; // the page subscribes again when it is opened
  const { endpoint, keys } = (await self.registration.pushManager.subscribe(options)).toJSON();
  const push_credentials = { service: "WEBPUSH", endpoint, keys };
  const scope = new URL(self.registration.scope).pathname;
  const accounts = await stored("accounts", (store) => store.getAll());
  for (const { id, token } of (accounts ?? []).filter((account) => account.scope === scope)) {
    await fetch(`/appliance-mfa/api/device-accounts/${encodeURIComponent(id)}`, {
      method: "PATCH",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify({ push_credentials }),
    });
  }
}

async function pages() {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  return windows.filter(({ url }) => new URL(url).pathname === PAGE);
}

async function language() {
  const chosen = await stored("settings", (store) => store.get("language"));
  const languages = chosen ? [chosen] : self.navigator.languages;
  return languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in WORDS) ?? "en";
}

/** What the page keeps; undefined where there is no page's database, which is the page's to make. */
function stored(name, read) {
  return new Promise((resolve) => {
    const opening = indexedDB.open("nod", 1);
    opening.onupgradeneeded = () => opening.transaction.abort();
    opening.onerror = () => resolve(undefined);
    opening.onsuccess = () => {
      const transaction = opening.result.transaction(name);
      const asked = read(transaction.objectStore(name));
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onabort = () => resolve(undefined);
      opening.result.close(); // when that is done: what is open keeps a later version from opening
    };
  });
}
