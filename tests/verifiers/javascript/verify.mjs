// Judges deliveries as receivers in JavaScript do: `v1` by the package standardwebhooks, the rest by Node's own
// cryptography. Reads lines of JSON from the file that is named, prints one line: how many fit.

import { createHmac, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

/** What stands before the 32 bytes of an Ed25519 key in its standard form (RFC 8410). */
const KEY_HEAD = Buffer.from("302a300506032b6570032100", "hex");

function fitsV1({ secret, headers, body }) {
  try {
    new Webhook(secret).verify(body, headers, { jsonParse: false });
    return true;
  } catch {
    return false;
  }
}

function fitsV1a({ publicKey, headers, body }) {
  const raw = Buffer.from(publicKey.replace("whpk_", ""), "base64");
  const key = createPublicKey({ key: Buffer.concat([KEY_HEAD, raw]), format: "der", type: "spki" });
  const signed = Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`);
  const signatures = headers["webhook-signature"].split(" ").filter((entry) => entry.startsWith("v1a,"));
  return signatures.some((entry) => verify(null, signed, key, Buffer.from(entry.slice(4), "base64")));
}

function fitsHub({ hubSecret, headers, body }) {
  const expected = createHmac("sha256", hubSecret).update(body).digest("hex");
  return headers["x-hub-signature-256"] === `sha256=${expected}`;
}

const deliveries = readFileSync(process.argv[2], "utf8").trim().split("\n").map((line) => JSON.parse(line));
const count = (fits) => deliveries.filter(fits).length;
console.log(JSON.stringify({ v1: count(fitsV1), v1a: count(fitsV1a), hub: count(fitsHub) }));
