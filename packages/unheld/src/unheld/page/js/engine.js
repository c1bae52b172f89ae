// Hashes and signatures: the browser's own where it has them all, else @noble, which is in this file. Nothing of ours.

const native = {
  name: "WebCrypto",
  sha256: async (data) => new Uint8Array(await crypto.subtle.digest("SHA-256", data)),
  hmac: async (key, data) => {
    const made = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    return new Uint8Array(await crypto.subtle.sign("HMAC", made, data));
  },
  verify: async (key, signature, data) => {
    const made = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
    return crypto.subtle.verify({ name: "Ed25519" }, made, signature, data);
  },
};

const vendored = {
  name: "noble",
  sha256: async (data) => noble.hash(data),
  hmac: async (key, data) => noble.mac(key, data),
  verify: async (key, signature, data) => noble.verify(signature, data, key),
};

// RFC 8032 section 7.1 test 2, RFC 4231 test 2: an engine is trusted after it says yes and no in the right places.
const PROBE = {
  key: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
  signature:
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  mac: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  empty: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
};

async function works(engine) {
  try {
    const [key, signature] = [hexBytes(PROBE.key), hexBytes(PROBE.signature)];
    const mac = await engine.hmac(utf8("Jefe"), utf8("what do ya want for nothing?"));
    const empty = await engine.sha256(new Uint8Array());
    const yes = await engine.verify(key, signature, Uint8Array.of(0x72));
    const no = await engine.verify(key, signature, Uint8Array.of(0x73));
    return yes === true && no === false && hexText(mac) === PROBE.mac && hexText(empty) === PROBE.empty;
  } catch (_) {
    return false;
  }
}

async function choose() {
  for (const engine of [native, vendored]) if (await works(engine)) return engine;
  throw unknown("no_engine");
}

let chosen = null;

function engine() {
  chosen = chosen || choose();
  return chosen;
}

const sha256 = async (...parts) => (await engine()).sha256(joined(...parts));
const hmacSha256 = async (key, data) => (await engine()).hmac(key, data);

// y of the points of Ed25519 whose order divides 8, in every spelling: whoever has such a key signs anything.
const SMALL_ORDER = [
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  ...["ec", "ed", "ee"].map((low) => `${low}${"ff".repeat(30)}7f`),
];

const isSmallOrder = (key) => SMALL_ORDER.includes(hexText(joined(key.slice(0, 31), Uint8Array.of(key[31] & 127))));

// True or false: a key or a signature of another length or off the curve is wrong, too.
async function signed(key, signature, data) {
  if (key.length !== 32 || signature.length !== 64 || isSmallOrder(key)) return false;
  try {
    return (await (await engine()).verify(key, signature, data)) === true;
  } catch (error) {
    if (error instanceof Failure) throw error;
    return false;
  }
}
