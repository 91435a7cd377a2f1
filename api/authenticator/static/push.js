// The worker of this page, and being rung by it (Push API, RFC 8030).
//
// A subscription is of one registration, and an address of one device (T37): a second account in
// this browser would take the first one's. So each account has a registration of its own: the first
// the page's own scope, a further one a scope beneath it that no page is in.

import { fromBase64url } from "./signing.js";

const SHELL = "/authenticator";
const SCRIPT = `${SHELL}/sw.js`;

// Registering takes a script's URL: the one sink of trusted types that this page has. The policy
// makes this one URL, whatever it is given.
const script =
  globalThis.trustedTypes
    ?.createPolicy("nod-worker", { createScriptURL: () => SCRIPT })
    .createScriptURL("") ?? SCRIPT;

const register = (scope) =>
  navigator.serviceWorker.register(script, { scope, updateViaCache: "none" });

/**
 * Start the worker, which opens this page offline; without one everything else works. `told` hears
 * its messages, `replaced` that the worker of a new release has taken over.
 */
export async function startWorker({ told, replaced }) {
  if (!("serviceWorker" in navigator)) return;
  navigator.serviceWorker.addEventListener("message", ({ data }) => told(data));
  if (navigator.serviceWorker.controller)
    navigator.serviceWorker.addEventListener("controllerchange", replaced);
  await register(SHELL).catch((error) => console.info("no worker:", error.message));
}

/** "unsupported", or what the person has said: "default", "granted", "denied". */
export function permission() {
  const supported =
    "serviceWorker" in navigator && "PushManager" in globalThis && "Notification" in globalThis;
  return supported ? Notification.permission : "unsupported";
}

/** To be called by a press of a button only. */
export const askPermission = () => Notification.requestPermission();

/** The account's scope, or the first that no other account has. */
export function scopeFor(account, accounts) {
  const taken = accounts.some((other) => other.id !== account.id && other.scope === SHELL);
  return account.scope ?? (taken ? `${SHELL}/${encodeURIComponent(account.id)}` : SHELL);
}

/** `push_credentials` for the device API. */
export async function subscribe(scope, vapidPublicKey) {
  const registration = await register(scope);
  await active(registration);
  const key = fromBase64url(vapidPublicKey);
  const known = await registration.pushManager.getSubscription();
  if (known && !isFor(known, key)) await known.unsubscribe(); // the server's key has changed
  const options = { userVisibleOnly: true, applicationServerKey: key };
  const { endpoint, keys } = (await registration.pushManager.subscribe(options)).toJSON();
  return { service: "WEBPUSH", endpoint, keys: { p256dh: keys.p256dh, auth: keys.auth } };
}

/** Whether the address that the server has for an account still is the browser's. */
export async function isRung({ scope, endpoint }, vapidPublicKey) {
  const subscription = await (await registrationOf(scope))?.pushManager.getSubscription();
  return subscription?.endpoint === endpoint && isFor(subscription, fromBase64url(vapidPublicKey));
}

/** Be rung no more for an account; the page's own worker stays. */
export async function unsubscribe({ scope }) {
  const registration = scope && (await registrationOf(scope));
  if (!registration) return;
  await (await registration.pushManager?.getSubscription())?.unsubscribe();
  if (scope !== SHELL) await registration.unregister();
}

/** What was asked is over: nobody is called to it any more. */
export async function closeNotification(tag) {
  const registrations = (await navigator.serviceWorker?.getRegistrations()) ?? [];
  for (const registration of registrations) {
    // A browser without notifications has none to close.
    for (const shown of (await registration.getNotifications?.({ tag })) ?? []) shown.close();
  }
}

async function registrationOf(scope) {
  const registrations = (await navigator.serviceWorker?.getRegistrations()) ?? [];
  return registrations.find((registration) => new URL(registration.scope).pathname === scope);
}

/** A scope without a page is never `ready`: wait for the worker itself. */
function active(registration) {
  if (registration.active) return undefined;
  const worker = registration.installing ?? registration.waiting;
  return new Promise((resolve, reject) => {
    worker.addEventListener("statechange", () => {
      if (worker.state === "activated") resolve();
      if (worker.state === "redundant") reject(new Error("the worker could not be installed"));
    });
  });
}

function isFor(subscription, key) {
  const had = new Uint8Array(subscription.options?.applicationServerKey ?? []);
  return had.length === key.length && had.every((octet, index) => octet === key[index]);
}
