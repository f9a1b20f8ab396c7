// Wrapping of the data key: HKDF-SHA-256 (RFC 5869) over the protector's secret gives the wrapping key of AES-256-GCM. What
// identifies the protector is authenticated with it, so that a wrap cannot be passed off as another one's.

/** What is known of a protector without using it. */
export type Protector =
  | {
      kind: 'passkey';
      /** The credential's identifier, base64url. */
      id: string;
      /** Input of the PRF extension, 32 bytes. */
      salt: Uint8Array<ArrayBuffer>;
      /** The relying party for which it was made: the office's domain, or localhost. */
      rp_id: string;
      /** When it was added, milliseconds since 1970 UTC. */
      added_ms: number;
    }
  | {
      kind: 'pin';
      /** The secret identifier of the office's locker, 16 bytes as standard base64: as the office gets it. */
      id: string;
      /** Salt of Argon2id, 32 bytes. */
      salt: Uint8Array<ArrayBuffer>;
      added_ms: number;
    };

/** A data key that one protector opens. */
export type Wrap = Protector & {
  nonce: Uint8Array<ArrayBuffer>;
  wrapped: Uint8Array<ArrayBuffer>;
};

const NONCE_BYTES = 12;
/** Shortest secret, bytes: what the PRF extension gives (WebAuthn Level 3, section 10.1.4). */
const MIN_SECRET_BYTES = 32;

const LABEL = { passkey: 'telcon/key-wrap/2/passkey', pin: 'telcon/key-wrap/2/pin' };

/** The wrapping key of a secret. Each kind of protector has a label of its own. */
export async function derive_wrapping_key(
  kind: Protector['kind'],
  secret: Uint8Array<ArrayBuffer>,
): Promise<CryptoKey> {
  if (secret.length < MIN_SECRET_BYTES) throw new Error('the secret of a protector is too short');
  const base = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey']);
  const info = new TextEncoder().encode(LABEL[kind]);
  const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info };
  return crypto.subtle.deriveKey(hkdf, base, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}

export async function wrap_key(protector: Protector, key: CryptoKey, data_key: Uint8Array<ArrayBuffer>): Promise<Wrap> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const gcm = { name: 'AES-GCM', iv: nonce, additionalData: identity_of(protector) };
  return { ...protector, nonce, wrapped: new Uint8Array(await crypto.subtle.encrypt(gcm, key, data_key)) };
}

/** The data key. Throws if the key or the protector is another one. */
export async function open_wrap(wrap: Wrap, key: CryptoKey): Promise<Uint8Array<ArrayBuffer>> {
  const gcm = { name: 'AES-GCM', iv: wrap.nonce, additionalData: identity_of(wrap) };
  return new Uint8Array(await crypto.subtle.decrypt(gcm, key, wrap.wrapped));
}

const identity_of = ({ kind, id }: Protector) => new TextEncoder().encode(`${LABEL[kind]} ${id}`);
