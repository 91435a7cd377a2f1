// The key of one device, and what it signs: JWS by ES256 (RFC 7515, RFC 7518 3.4). The private
// half is not extractable: no script can read it, not even this one.

const ECDSA = { name: "ECDSA", namedCurve: "P-256" };
const ES256 = { name: "ECDSA", hash: "SHA-256" };

const octets = (text) => new TextEncoder().encode(text);

/** base64url without padding (RFC 7515 2). */
function base64url(buffer) {
  const bytes = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

export function fromBase64url(text) {
  const bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(bytes, (character) => character.charCodeAt(0));
}

/** base64url(SHA-256(text as UTF-8)). */
export async function digest(text) {
  return base64url(await crypto.subtle.digest("SHA-256", octets(text)));
}

/** A new key: `{privateKey, jwk}`, of which only `jwk`, the public half, can leave. */
export async function newKey() {
  const pair = await crypto.subtle.generateKey(ECDSA, false, ["sign", "verify"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  return { privateKey: pair.privateKey, jwk: { kty, use: "sig", alg: "ES256", crv, x, y } };
}

/** A compact JWS of the claims. WebCrypto's signature already is r||s, as RFC 7518 3.4 wants. */
export async function signed(key, claims, header = {}) {
  const parts = [{ alg: "ES256", ...header }, claims];
  const input = parts.map((part) => base64url(octets(JSON.stringify(part)))).join(".");
  const signature = await crypto.subtle.sign(ES256, key.privateKey, octets(input));
  return `${input}.${base64url(signature)}`;
}
