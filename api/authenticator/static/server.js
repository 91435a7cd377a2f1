// Calls to the server this page came from, its refusals, and its clock.

const ROOT = new URL("../", import.meta.url);
const TIMEOUT_MS = 10_000;
const RETRY_AFTER_MS_MAX = 60_000; // longer, and a slip of the server would be an outage
const CLOCK_MOVED_MS = 2_500; // Date has whole seconds, and may be as old as another

/** The server said no: `code` is the errorCode of the Guardian shape, `retryAfterMs` 0 or a wait. */
export class Refusal extends Error {
  constructor(answer, { errorCode, message }, clockMoved) {
    super(message ?? "");
    const seconds = Number(answer.headers.get("Retry-After")) || 0;
    const retryAfterMs = Math.min(seconds * 1_000, RETRY_AFTER_MS_MAX);
    Object.assign(this, { status: answer.status, code: errorCode, clockMoved, retryAfterMs });
  }
  /** The device is not enrolled any more: removed here, elsewhere, or by an administrator. */
  get deviceIsGone() {
    return (
      (this.status === 401 && this.code === "invalid_token") ||
      this.code === "device_account_not_found"
    );
  }
  /** The server, or what stands before it, cannot now. */
  get isBusy() {
    return this.status === 429 || this.status >= 500;
  }
}

/** There was no answer: no network, no server, or too late. */
export class Unreachable extends Error {}

let offset = 0;

/** The server's time in milliseconds: proofs are judged, and requests end, by that clock. */
export const serverNow = () => Date.now() + offset;

/** Whether a call that failed may have done what it was to do: only a plain no says that it has not. */
export const mayHaveArrived = (error) =>
  error instanceof Unreachable || (error instanceof Refusal && error.status >= 500);

/** Seconds, as JWT has them. */
export const issuedAt = () => Math.floor(serverNow() / 1_000);

/** Every answer tells the server's time; true when this device's idea of it was wrong. */
function learnClock(answer, sentAt) {
  const told = Date.parse(answer.headers.get("Date") ?? "");
  if (Number.isNaN(told)) return false;
  const measured = told + 1_000 - (sentAt + Date.now()) / 2;
  const moved = Math.abs(measured - offset);
  if (moved > CLOCK_MOVED_MS) offset = measured;
  return moved > 30_000;
}

/** One call. Raises Refusal, Unreachable. A 304 is an answer. */
export async function call(method, path, { headers = {}, body, signal } = {}) {
  const sent = { ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  const sentAt = Date.now();
  let answer;
  try {
    answer = await fetch(new URL(path, ROOT), {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ?? AbortSignal.timeout(TIMEOUT_MS),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch (error) {
    throw new Unreachable(error.message);
  }
  const clockMoved = learnClock(answer, sentAt);
  if (answer.ok || answer.status === 304) return answer;
  const told = await answer.json().catch(() => null);
  throw new Refusal(answer, told ?? {}, clockMoved);
}

/** Again, once, when the first try was refused and taught the time: its proof was of the wrong one. */
export async function withTheTime(attempt) {
  try {
    return await attempt();
  } catch (error) {
    if (error instanceof Refusal && error.clockMoved) return attempt();
    throw error;
  }
}

/** The body of an answer as JSON; one that ends halfway is no answer. */
export async function json(answer) {
  try {
    return await answer.json();
  } catch (error) {
    throw new Unreachable(error.message);
  }
}

/** Of this installation: `{issuer, name, vapid_public_key}`. */
export const config = async () => json(await call("GET", "authenticator/config.json"));
