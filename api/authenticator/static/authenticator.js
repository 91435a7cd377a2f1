// The authenticator without its looks: its accounts, and that each is listened for. Views listen to
// it, to `requests` (what is asked) and to `answers`.

import { Answers } from "./answers.js";
import { Device, enroll, openMailbox } from "./device.js";
import { Live } from "./live.js";
import * as push from "./push.js";
import { Requests } from "./requests.js";
import * as server from "./server.js";
import * as storage from "./storage.js";

/** Dispatches `accounts` and `connection`. */
export class Authenticator extends EventTarget {
  requests = new Requests();
  answers = new Answers(this.requests);
  accounts = [];
  config = { issuer: "", name: "", vapid_public_key: "" };
  #lives = new Map();
  #states = new Map();
  #tabs = new BroadcastChannel("nod-accounts"); // whatever is said, they have changed

  async start() {
    this.config = (await storage.setting("config")) ?? this.config;
    this.#tabs.onmessage = () => this.#readAccounts();
    await this.#readAccounts();
    setInterval(() => this.requests.expire(), 500);
    setInterval(() => this.requests.loadAll(), 2_000);
    this.#readConfig();
  }

  /** Whatever was waited for may be there now: the network, the person, a push. */
  wake() {
    for (const live of this.#lives.values()) live.wake();
    this.requests.loadAll();
    this.#readAccounts(); // a page that was frozen has heard no other tab
    if (!this.config.issuer) this.#readConfig();
  }

  /** The browser says that it is offline: whether it matters, asking tells. */
  cut() {
    for (const live of this.#lives.values()) live.cut();
  }

  /** Nobody's key is here, nor a request that came without one. */
  get isEmpty() {
    return this.accounts.length === 0 && this.requests.all.length === 0;
  }

  /** Whether something is lost with this page: an answer on its way, a key for one request. */
  get isBusy() {
    return this.requests.all.some(({ answering, account }) => answering || account.mailbox);
  }

  /** Whether the account's person is blocked: nothing that is answered for it would count. */
  isBlocked({ id }) {
    return this.#states.get(id) === "blocked";
  }

  /** null without accounts, else "live", "polling", or worse as soon as one is. */
  get connection() {
    const states = this.accounts
      .filter((account) => !account.gone)
      .map(({ id }) => this.#states.get(id));
    return (
      ["unreachable", undefined, "blocked", "polling", "live"].find((it) => states.includes(it)) ??
      null
    );
  }

  /** Raises server.Refusal, server.Unreachable. The key is the caller's, to try again with. */
  async enroll(ticket, name, key) {
    await storage.tryToKeep(key); // the ticket is for one try
    await this.#configured();
    const account = await enroll(this.config.issuer, ticket, name, key);
    await storage.keepAccount(account);
    // Without it a browser short of space may drop the key; it asks nobody or decides by itself.
    await navigator.storage.persist?.();
    await this.#accountsChanged();
    return this.accounts.find(({ id }) => id === account.id);
  }

  async rename(account, name) {
    await account.device.change({ name });
    await this.#keep(account, { name });
  }

  /** The device leaves the server; then its key and history are destroyed here. */
  async remove(account) {
    try {
      if (!account.gone) await account.device.remove();
    } catch (error) {
      if (!(error instanceof server.Refusal && error.deviceIsGone)) throw error;
    }
    await storage.forgetAccount(account.id);
    await this.#accountsChanged();
    await push.unsubscribe(account);
  }

  /** Be rung by web push. Raises what subscribing raises; the caller has asked for permission. */
  async ring(account) {
    const scope = push.scopeFor(account, this.accounts);
    const credentials = await push.subscribe(scope, this.config.vapid_public_key);
    await account.device.change({ push_credentials: credentials });
    await this.#keep(account, { scope, endpoint: credentials.endpoint });
  }

  /** The request, if any account is asked it; the list is asked for, whatever was heard so far. */
  async find(id) {
    const standing = this.accounts.filter((account) => !account.gone);
    await Promise.allSettled(
      standing.map(async (account) => {
        const { items } = await account.device.pending();
        for (const item of items) this.requests.pending(account, item);
      }),
    );
    return this.requests.get(id);
  }

  /** Raises as enroll() does, and the key is the caller's likewise. */
  async openByMail(token, key) {
    await this.#configured();
    const { account, notification } = await openMailbox(this.config.issuer, token, key);
    return this.requests.pending({ ...account, device: new Device(account) }, notification);
  }

  async #accountsChanged() {
    await this.#readAccounts();
    this.#tabs.postMessage(null);
  }

  async #keep(account, changes) {
    await storage.changeAccount(account.id, changes);
    await this.#accountsChanged();
  }

  /** Accounts as they are stored now: those that came are listened to, those that left are not. */
  async #readAccounts() {
    const stored = await storage.accounts();
    const known = new Map(this.accounts.map((account) => [account.id, account]));
    this.accounts = stored.map((account) =>
      Object.assign(known.get(account.id) ?? { device: new Device(account) }, account),
    );
    const ids = new Set(stored.map(({ id }) => id));
    for (const id of known.keys()) if (!ids.has(id)) this.#silence(id);
    for (const account of this.accounts) if (!this.#lives.has(account.id)) this.#listen(account);
    this.#tell("accounts");
    this.#tell("connection");
  }

  #listen(account) {
    const { id } = account;
    const heard = {
      told: () => this.requests.idsOf(id),
      pending: (item) => this.requests.pending(account, item),
      listed: (items, asked) => this.requests.listed(account, items, asked),
      ended: (consentId, what) => this.answers.heard(consentId, what),
      gone: () => {
        this.requests.drop(id);
        this.#keep(account, { gone: true });
      },
      state: (state) => {
        this.#states.set(id, state);
        // One that was thought gone is asked again at each load: a restored server may know it.
        if (account.gone) this.#keep(account, { gone: false });
        this.#tell("connection");
      },
    };
    this.#lives.set(id, new Live(account.device, heard));
  }

  #silence(id) {
    this.#lives.get(id)?.stop();
    this.#lives.delete(id);
    this.#states.delete(id);
    this.requests.drop(id);
  }

  /** Nothing is signed before it is known whom for. Raises server.Refusal, server.Unreachable. */
  async #configured() {
    if (!this.config.issuer) this.config = await server.config();
  }

  async #readConfig() {
    try {
      this.config = await server.config();
      await storage.keepSetting("config", this.config);
      this.#tell("accounts");
      await this.#ringAgain();
    } catch (error) {
      // No server, no push service, no permission any more: what is missed now, the next load does.
      if (
        ![server.Refusal, server.Unreachable, DOMException].some((known) => error instanceof known)
      )
        throw error;
    }
  }

  /** An address that the browser or the server's key has changed behind our back (RFC 8030 7.3). */
  async #ringAgain() {
    if (push.permission() !== "granted") return;
    for (const account of this.accounts.filter(({ endpoint, gone }) => endpoint && !gone)) {
      if (!(await push.isRung(account, this.config.vapid_public_key))) await this.ring(account);
    }
  }

  #tell(type) {
    this.dispatchEvent(new Event(type));
  }
}
