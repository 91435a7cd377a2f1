// What one enrolled device says to the server: Guardian's wire with our additions. An account is
// what storage.js keeps of an enrolment: id, token, identifier, key, and for whom it is.

import { digest, signed } from "./signing.js";
import { Unreachable, call, issuedAt, json, withTheTime } from "./server.js";

const API = "appliance-mfa/api";
const ANSWER_SECONDS = 60;

/** A ticket becomes an account, once. */
export async function enroll(issuer, ticket, name, key) {
  const identifier = crypto.randomUUID();
  const answer = await call("POST", `${API}/enroll`, {
    headers: { Authorization: `Ticket id="${ticket}"` },
    body: {
      identifier,
      name,
      public_key: key.jwk,
      push_credentials: { service: "NONE" },
      capabilities: ["number_matching", "consent_digest"],
    },
  });
  const { id, token, user_id, account: label, issuer: serverName } = await json(answer);
  return {
    id,
    token,
    user_id,
    label,
    serverName,
    issuer,
    identifier,
    name,
    ...key,
    enrolledAt: Date.now(),
  };
}

/** Who reads the mailbox is a device for one request, by a key that is made for it and not kept. */
export async function openMailbox(issuer, token, key) {
  const answer = await call("POST", `${API}/mailbox`, {
    headers: { Authorization: `Mailbox ${token}` },
    body: { public_key: key.jwk },
  });
  const { id, notification } = await json(answer);
  return { account: { id, identifier: id, issuer, ...key, mailbox: true }, notification };
}

const isList = (told) => Array.isArray(told) && told.every((it) => typeof it?.txlnkid === "string");
const isConsent = (told) =>
  told?.client && told.requested_details && !Number.isNaN(Date.parse(told.expires_at));

/** What the server told, if it is that; what something else put in its place is no answer. */
function shaped(told, isIt) {
  if (!isIt(told)) throw new Unreachable("not the server's answer");
  return told;
}

export class Device {
  #account;

  constructor(account) {
    this.#account = account;
  }

  /** What is pending, as pushes would have said it: `{items, etag}`, or null for a 304. */
  async pending(etag = "") {
    const headers = etag ? { "If-None-Match": etag } : {};
    const answer = await this.#proven("rich-consents", this.#account.token, { headers });
    if (answer.status === 304) return null;
    const items = shaped(await json(answer), isList);
    return { items, etag: answer.headers.get("ETag") ?? "" };
  }

  /** The stream of what happens, from after the given event on. */
  async events(lastEventId, signal) {
    const headers = lastEventId ? { "Last-Event-ID": lastEventId } : {};
    return this.#proven("rich-consents/events", this.#account.token, { headers, signal });
  }

  /** What is asked, in full. */
  async consent({ txlnkid, txtkn }) {
    const path = `rich-consents/${encodeURIComponent(txlnkid)}`;
    return shaped(await json(await this.#proven(path, txtkn)), isConsent);
  }

  /** The person's answer, signed with all it is an answer to. */
  async answer(notification, { accepted, reason, consentDigest, number }) {
    const claims = {
      iss: this.#account.identifier,
      sub: notification.c,
      aud: `${this.#account.issuer}${API}/resolve-transaction`,
      auth0_guardian_method: "push",
      auth0_guardian_accepted: accepted,
      auth0_guardian_reason: reason, // left out by JSON when there is none
      consent_digest: consentDigest,
      matching_number: number,
    };
    await withTheTime(async () =>
      call("POST", `${API}/resolve-transaction`, {
        headers: { Authorization: `Bearer ${notification.txtkn}` },
        body: { challenge_response: await this.#signedFor(claims, ANSWER_SECONDS) },
      }),
    );
  }

  /** `name` or `push_credentials`. */
  async change(changes) {
    await this.#own("PATCH", changes);
  }

  async remove() {
    await this.#own("DELETE");
  }

  /** What the device's own token authorizes; the token is made for this call (auth0-wire 2.6). */
  #own(method, body) {
    const { id, user_id: sub, issuer } = this.#account;
    const claims = { iss: id, sub, aud: `${issuer}${API}/device-accounts` };
    return withTheTime(async () => {
      const token = await this.#signedFor(claims, ANSWER_SECONDS);
      const headers = { Authorization: `Bearer ${token}` };
      return call(method, `${API}/device-accounts/${encodeURIComponent(id)}`, { headers, body });
    });
  }

  /** A GET with a token and the proof that this device's key is here (RFC 9449 4.2, W 2.7). */
  #proven(path, token, { headers = {}, signal } = {}) {
    return withTheTime(async () => {
      const claims = {
        htm: "GET",
        htu: `${this.#account.issuer}${path}`,
        ath: await digest(token),
        jti: crypto.randomUUID(), // a proof counts once
        iat: issuedAt(),
      };
      const proof = await signed(this.#account, claims, {
        typ: "dpop+jwt",
        jwk: this.#account.jwk,
      });
      const authorization = { Authorization: `MFA-DPoP ${token}`, "MFA-DPoP": proof };
      return call("GET", path, { headers: { ...headers, ...authorization }, signal });
    });
  }

  #signedFor(claims, seconds) {
    const iat = issuedAt();
    return signed(this.#account, { ...claims, iat, exp: iat + seconds });
  }
}
