// Giving an answer, once: also when its confirmation gets lost, and when other tabs look on.

import { closeNotification } from "./push.js";
import { nameOf } from "./requests.js";
import { Refusal, mayHaveArrived } from "./server.js";
import { keepAnswer } from "./storage.js";

// Refusals after which nothing is left to answer, and what they say of the request.
const ENDED_BY = {
  wrong_number: "wrong_number",
  transaction_expired: "expired",
  transaction_already_resolved: "elsewhere",
  login_transaction_not_found: "elsewhere",
};
const TAB_ANSWERS_MS = 15_000;

/** The person's own answers to `Requests`. Dispatches `kept` when there is one more to look back at. */
export class Answers extends EventTarget {
  #requests;
  #tabs = new BroadcastChannel("nod-answers");

  constructor(requests) {
    super();
    this.#requests = requests;
    this.#tabs.onmessage = ({ data }) => this.#heardFromTab(data);
  }

  /**
   * Send an answer; the same again is the same answer. Raises server.Refusal when it did not count,
   * server.Unreachable when that is not known.
   */
  async give(entry, { accepted, notMe = false, number }) {
    const state = accepted ? "approved" : "denied";
    const answer = notMe ? "not_me" : state;
    this.#requests.answering(entry);
    this.#tabs.postMessage({ answering: entry.id });
    try {
      await entry.account.device.answer(entry.notification, {
        accepted,
        reason: notMe ? "not_me" : undefined,
        // What is no answer to what was asked can only be a denial, which needs no digest (T31).
        consentDigest: entry.genuine ? entry.digest : undefined,
        number,
      });
      await this.#arrived(entry, answer);
    } catch (error) {
      if (mayHaveArrived(error)) entry.inDoubt.set(state, answer);
      else entry.inDoubt.delete(state);
      const arrived = entry.inDoubt.get(entry.heardMeanwhile);
      const what = error instanceof Refusal && ENDED_BY[error.code];
      if (what === "wrong_number") await this.#arrived(entry, what);
      else if (arrived) await this.#arrived(entry, arrived);
      else if (what) entry.heardMeanwhile ??= what;
      else throw error;
    } finally {
      this.#requests.answered(entry);
      this.#tabs.postMessage({ answered: entry.id });
    }
  }

  /** The server says how a request ended: one in doubt by what was answered here, or another's. */
  async heard(id, what) {
    const entry = this.#requests.get(id);
    const arrived = entry?.answering ? undefined : entry?.inDoubt.get(what);
    if (arrived) return this.#arrived(entry, arrived);
    this.#requests.ended(id, what);
    return closeNotification(id);
  }

  async #arrived(entry, answer) {
    this.#requests.ended(entry.id, answer, true);
    closeNotification(entry.id);
    this.#tabs.postMessage({ ended: entry.id, what: answer });
    if (entry.account.mailbox) return; // nothing is kept of it
    const { client, requested_details: details } = entry.consent ?? {};
    await keepAnswer({
      account: entry.account.id,
      at: Date.now(),
      client: client ? nameOf(client) : "",
      message: details?.binding_message ?? "",
      answer,
    });
    this.#tell();
    this.#tabs.postMessage({ kept: true });
  }

  #heardFromTab({ answering, answered, ended, what, kept }) {
    if (answering) this.#answeredInTab(answering);
    if (answered) this.#requests.answered(this.#requests.get(answered));
    if (ended) this.#requests.ended(ended, what, true);
    if (kept) this.#tell();
  }

  /** Another tab is sending: what the stream says of it meanwhile is that tab's answer. */
  #answeredInTab(id) {
    const entry = this.#requests.get(id);
    if (!entry) return;
    this.#requests.answering(entry);
    setTimeout(() => this.#requests.answered(entry), TAB_ANSWERS_MS); // or it was closed meanwhile
  }

  #tell() {
    this.dispatchEvent(new Event("kept"));
  }
}
