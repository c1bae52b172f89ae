// What the page takes from @noble where a browser has no WebCrypto with Ed25519.
import * as ed25519 from "@noble/ed25519";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";

ed25519.hashes.sha512 = sha512;

export const hash = sha256;
export const mac = (key, data) => hmac(sha256, key, data);
// zip215 false: the rules of RFC 8032, as OpenSSL and WebCrypto have them.
export const verify = (signature, message, key) => ed25519.verify(signature, message, key, { zip215: false });
