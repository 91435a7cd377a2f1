// What was shown is what was signed: the digest of the Consent API's answer in its canonical form
// (JCS, RFC 8785). JCS writes texts and numbers as ECMAScript does, so JSON.stringify is the writer.

import { digest } from "./signing.js";

export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  // RFC 8785 3.2.3: by UTF-16 code units, which is how sort() compares.
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

/** The digest of everything in the answer but the digest that came with it. */
export function consentDigest({ consent_digest: _, ...shown }) {
  return digest(canonical(shown));
}
