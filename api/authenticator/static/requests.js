// What the person is asked now, over all accounts. One entry is one consent, however many of the
// person's accounts here it was sent to, and by whichever way it was heard of.

import { consentDigest } from "./canonical.js";
import { Refusal, Unreachable, serverNow } from "./server.js";

const LISTED_MAX = 10; // of what is pending the server lists the newest
const REMEMBERED_MAX = 500;

/**
 * `consent` is what the server says is asked (null until fetched), `genuine` whether its digest is
 * that of what it holds, `ended` null or `{what, here}`: how it ended, and whether it was answered
 * in this browser. Deadlines are milliseconds of the server's clock.
 */
class Entry {
  consent = null;
  genuine = false;
  digest = "";
  ended = null;
  answering = false;
  inDoubt = new Map(); // state to answer: given here, and known from the stream alone if it arrived
  loading = false;
  heardMeanwhile = null;
  loadedNotBefore = 0; // performance.now()

  constructor(account, notification) {
    this.since = performance.now();
    this.account = account;
    this.notification = notification;
    this.id = notification.txlnkid;
    this.expiresAt = Date.parse(notification.expires_at) || Infinity; // a mailbox's says it later
  }
}

/** What a client is called: its name, or its id when it has none. */
export const nameOf = ({ client_id: id, name }) => name || id;

/** Dispatches `arrived` and `changed`, each with the entry as `detail`. */
export class Requests extends EventTarget {
  #entries = new Map();
  #over = new Map(); // ids that ended for certain: nothing that was said before opens them again

  get all() {
    return [...this.#entries.values()];
  }

  get(id) {
    return this.#entries.get(id);
  }

  idsOf(accountId) {
    return this.all.filter((entry) => entry.account.id === accountId).map((entry) => entry.id);
  }

  /** The entry that is now pending; undefined when it is known to be over. */
  pending(account, notification) {
    const id = notification.txlnkid;
    if (this.#over.has(id)) return undefined;
    const known = this.#entries.get(id);
    if (known) return known;
    const entry = new Entry(account, notification);
    if (serverNow() >= entry.expiresAt) return undefined;
    this.#entries.set(id, entry);
    this.#tell("arrived", entry);
    this.load(entry);
    return entry;
  }

  /**
   * A whole list, asked for when performance.now() was `asked`: what was known by then and is not in
   * it is not pending any more. Why, the list does not say.
   */
  listed(account, items, asked) {
    for (const item of items) this.pending(account, item);
    if (items.length >= LISTED_MAX) return; // the older ones may be left out
    const listed = new Set(items.map((item) => item.txlnkid));
    for (const id of this.idsOf(account.id)) {
      if (!listed.has(id) && this.get(id).since < asked) this.#end(id, "elsewhere");
    }
  }

  /** It is decided, says the server, or this browser to which the server said so (`here`). */
  ended(id, what, here = false) {
    this.#remember(id, what);
    this.#end(id, what, here);
  }

  /** From now to answered() what is heard of it may be our own answer's echo. */
  answering(entry) {
    entry.answering = true;
    this.#tell("changed", entry);
  }

  /** The sending of an answer is over, and has ended the request or not. */
  answered(entry) {
    if (!entry || entry.ended) return;
    entry.answering = false;
    if (entry.heardMeanwhile) this.#end(entry.id, entry.heardMeanwhile);
    else this.#tell("changed", entry);
  }

  /** Nothing of an account is shown any more: it was removed. */
  drop(accountId) {
    for (const id of this.idsOf(accountId)) this.#end(id, "removed");
  }

  expire() {
    for (const entry of this.all) {
      if (serverNow() >= entry.expiresAt) this.#end(entry.id, "expired");
    }
  }

  #end(id, what, here = false) {
    const entry = this.#entries.get(id);
    if (!entry) return;
    if (entry.answering && !here) {
      // An echo, or somebody was faster: answered() tells. What was certain is not guessed again.
      entry.heardMeanwhile = this.#over.get(id) ?? what;
      return;
    }
    this.#entries.delete(id);
    const isUnsure = entry.inDoubt.size > 0 && !this.#over.has(id);
    entry.ended = { what: isUnsure ? "unsure" : what, here };
    this.#tell("changed", entry);
  }

  /**
   * Fetch what is asked. Only while somebody looks: the server takes a fetch for a sign that the
   * person was reached, and rings no other channel.
   */
  async load(entry) {
    if (entry.consent || entry.loading || entry.ended || document.hidden) return;
    if (performance.now() < entry.loadedNotBefore) return;
    entry.loading = true;
    try {
      const consent = await entry.account.device.consent(entry.notification);
      entry.digest = await consentDigest(consent);
      entry.genuine = entry.digest === consent.consent_digest;
      entry.expiresAt = Date.parse(consent.expires_at);
      entry.consent = consent;
      this.#tell("changed", entry);
    } catch (error) {
      if (error instanceof Refusal && error.status === 410) this.#end(entry.id, "expired");
      else if (error instanceof Refusal && error.status === 404) this.#end(entry.id, "elsewhere");
      else if (error instanceof Refusal)
        entry.loadedNotBefore = performance.now() + error.retryAfterMs;
      else if (!(error instanceof Unreachable)) throw error;
    } finally {
      entry.loading = false;
    }
  }

  /** Try again whatever could not be fetched. */
  loadAll() {
    for (const entry of this.all) this.load(entry);
  }

  #remember(id, what) {
    this.#over.set(id, what);
    if (this.#over.size > REMEMBERED_MAX) this.#over.delete(this.#over.keys().next().value);
  }

  #tell(type, entry) {
    this.dispatchEvent(new CustomEvent(type, { detail: entry }));
  }
}
