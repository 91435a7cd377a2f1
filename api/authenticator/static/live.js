// What one account is asked, as it happens: a stream while there can be one, questions every two
// seconds while there cannot, so that a request is seen within 3 s even if every push was lost.

import { eventsOf } from "./event_stream.js";
import { Refusal, Unreachable } from "./server.js";

const POLL_MS = 2_000;
const POLL_UNREACHED_MS_MAX = 15_000;
const RECONNECT_MS = 1_000;
const RECONNECT_MS_MAX = 30_000;
const CONNECT_MS = 10_000;
const STEADY_MS = 10_000; // a stream that lived so long was no failure
// HTTP/1.1 gives a browser six connections to a server, all tabs together: two stay for answers.
const STREAMS_OF_A_BROWSER_MAX = 4;

export class Live {
  #device;
  #heard;
  #stopped = false;
  #streaming = false;
  #woken = () => {};
  #abort = () => {};
  #polled = { items: [], etag: "" };
  #unreached = 0;
  #blocked = false;
  #streamAfterMs = 0; // how long the server wants to wait for the next stream
  #askedNotBefore = 0; // performance.now() from which it may be asked again

  /**
   * `heard` is told: `pending(item)`, `ended(id, what)`, `listed(items, asked)`, `gone()`,
   * `state("live" | "polling" | "blocked" | "unreachable")`, and asked: `told()`, the ids that are shown.
   */
  constructor(device, heard) {
    this.#device = device;
    this.#heard = heard;
    this.#run();
  }

  /** There is reason to believe that it works now, or that there is something new. */
  wake() {
    this.#woken();
    if (this.#streaming) this.#doubt();
  }

  /** The browser says that the network has gone. */
  cut() {
    this.#abort();
  }

  stop() {
    this.#stopped = true;
    this.#abort();
    this.#woken();
  }

  async #run() {
    let failures = 0;
    while (!this.#stopped) {
      const began = performance.now();
      await this.#streamInASlot();
      failures = performance.now() - began > STEADY_MS ? 0 : failures + 1;
      const pause = Math.min(RECONNECT_MS * 2 ** (failures - 1), RECONNECT_MS_MAX);
      const woken = await this.#pollFor(pause * (0.5 + Math.random() / 2), this.#streamAfterMs);
      if (woken) failures = 0;
    }
  }

  async #streamInASlot() {
    let free = false;
    for (let slot = 1; slot <= STREAMS_OF_A_BROWSER_MAX && !free && !this.#stopped; slot += 1) {
      await navigator.locks.request(`nod-stream-${slot}`, { ifAvailable: true }, async (lock) => {
        free = lock !== null;
        if (free) await this.#stream();
      });
    }
  }

  /** Until it ends, for whatever reason. What is shown is what has been told (Last-Event-ID). */
  async #stream() {
    const controller = new AbortController();
    this.#abort = () => controller.abort();
    const timer = setTimeout(this.#abort, CONNECT_MS);
    this.#streamAfterMs = 0;
    try {
      const answer = await this.#device.events(this.#heard.told().join("."), controller.signal);
      clearTimeout(timer);
      this.#streaming = true;
      this.#blocked = false;
      this.#reached("live");
      for await (const { event, data } of eventsOf(answer, this.#abort)) {
        if (this.#stopped) return;
        this.#hear(event, data);
      }
    } catch (error) {
      // Reading may fail in as many ways as there are connections; asking again says which matter.
      if (error instanceof Refusal) this.#streamRefused(error);
    } finally {
      clearTimeout(timer);
      this.#streaming = false;
      controller.abort();
    }
  }

  /** A stream that slept with its computer may be dead without knowing. */
  async #doubt() {
    try {
      const { items } = await this.#device.pending();
      for (const item of items) this.#heard.pending(item); // only the stream says what has ended
    } catch {
      this.#abort();
    }
  }

  #hear(event, data) {
    if (event === "pending") this.#heard.pending(JSON.parse(data));
    if (event === "resolved") {
      const { txlnkid, state } = JSON.parse(data);
      this.#heard.ended(txlnkid, state);
    }
    if (event === "expired") this.#heard.ended(JSON.parse(data).txlnkid, "expired");
    // A stream that had to give way is told a minute: pages would take each other's place in turn.
    if (event === "retry") this.#streamAfterMs = Number(data) || 0;
    // `gone` needs nothing: the stream ends, and the next question is answered with why.
  }

  /** Ask until the time is over, or at least the least; true when woken, which asks at once. */
  async #pollFor(milliseconds, least) {
    const began = performance.now();
    let woken = false;
    while (!this.#stopped) {
      await this.#poll();
      const until = began + (woken ? least : Math.max(milliseconds, least));
      const left = until - performance.now();
      if (left <= 0) break;
      const unreached = POLL_MS * 2 ** Math.min(this.#unreached, 3);
      if (await this.#sleep(Math.min(left, unreached, POLL_UNREACHED_MS_MAX))) woken = true;
    }
    return woken;
  }

  async #poll() {
    const asked = performance.now();
    if (asked < this.#askedNotBefore) return;
    try {
      this.#polled = (await this.#device.pending(this.#polled.etag)) ?? this.#polled;
      if (this.#stopped) return;
      this.#reached(this.#blocked ? "blocked" : "polling");
      // After a 304 too: what the streams in between have told is not in that list's tag.
      this.#heard.listed(this.#polled.items, asked);
    } catch (error) {
      if (error instanceof Refusal) this.#refused(error);
      else if (error instanceof Unreachable) this.#lost();
      else throw error;
    }
  }

  #reached(state) {
    this.#unreached = 0;
    this.#heard.state(state);
  }

  #lost() {
    this.#unreached += 1;
    this.#heard.state("unreachable");
  }

  /** Only a stream says that the person is blocked; whether the server is there, asking tells. */
  #streamRefused(refusal) {
    this.#blocked = refusal.code === "user_blocked";
    this.#streamAfterMs = refusal.retryAfterMs;
    if (refusal.deviceIsGone) this.#gone();
  }

  #refused(refusal) {
    this.#askedNotBefore = performance.now() + refusal.retryAfterMs;
    if (refusal.deviceIsGone) this.#gone();
    else if (refusal.isBusy) this.#lost();
  }

  #gone() {
    this.stop();
    this.#heard.gone();
  }

  #sleep(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), milliseconds);
      this.#woken = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}
