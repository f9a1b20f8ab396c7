// Passkeys of this browser (WebAuthn Level 3). One ceremony gives the PRF extension's output, which opens the device's keys, and the
// signature that the office verifies: one touch. User verification is always required.

import { base64url } from './encoding';
import type { Protector } from './key_store';
import type { Problem } from './problem';

export type PasskeyProtector = Extract<Protector, { kind: 'passkey' }>;

/** What an authenticator gave. */
export interface Touch {
  /** The credential's identifier, base64url. */
  id: string;
  /** Output of the PRF extension, 32 bytes. It never leaves this device. */
  secret: Uint8Array<ArrayBuffer>;
  /** For the office: without the results of extensions. */
  credential: object;
}

/** Input of the PRF extension, bytes. */
const PRF_SALT_BYTES = 32;

export const passkeys_supported = (): boolean =>
  'PublicKeyCredential' in globalThis && 'parseCreationOptionsFromJSON' in PublicKeyCredential;

/**
 * Makes a passkey with the office's options. Throws a `Problem`: `no_prf_new` if the authenticator cannot protect keys; then nothing
 * was registered with the office, and the authenticator keeps a passkey of no use.
 */
export async function create_passkey(
  options: PublicKeyCredentialCreationOptionsJSON,
  now_ms: number,
): Promise<{ protector: PasskeyProtector; touch: Touch }> {
  const salt = crypto.getRandomValues(new Uint8Array(PRF_SALT_BYTES));
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  publicKey.extensions = { ...publicKey.extensions, prf: { eval: { first: salt } } };
  const made = await ceremony(() => navigator.credentials.create({ publicKey }));
  const rp_id = options.rp.id ?? location.hostname;
  const protector: PasskeyProtector = { kind: 'passkey', id: made.id, salt, rp_id, added_ms: now_ms };
  const credential = without_secrets(made);
  const prf = made.getClientExtensionResults().prf;
  if (prf?.results) return { protector, touch: { id: made.id, secret: prf_secret(made), credential } };
  if (!prf?.enabled) throw { code: 'no_prf_new' } satisfies Problem;
  // Some authenticators give the output only when the passkey is used: a second touch.
  const used = await use_passkey(local_options(rp_id), [protector]);
  return { protector, touch: { ...used, credential } };
}

/** Uses one of the device's passkeys. Throws a `Problem`. */
export async function use_passkey(
  options: PublicKeyCredentialRequestOptionsJSON,
  protectors: readonly PasskeyProtector[],
): Promise<Touch> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON({
    ...options,
    allowCredentials: protectors.map(({ id }) => ({ type: 'public-key', id })),
    userVerification: 'required',
  });
  publicKey.extensions = {
    prf: { evalByCredential: Object.fromEntries(protectors.map(({ id, salt }) => [id, { first: salt }])) },
  };
  const used = await ceremony(() => navigator.credentials.get({ publicKey }));
  return { id: used.id, secret: prf_secret(used), credential: without_secrets(used) };
}

/**
 * Uses any passkey of this office, also one on a phone or a security key: a person proves to the office that they are at a device that is
 * not theirs. It opens no keys here. Throws a `Problem`.
 */
export async function use_any_passkey(options: PublicKeyCredentialRequestOptionsJSON): Promise<object> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON({ ...options, userVerification: 'required' });
  return without_secrets(await ceremony(() => navigator.credentials.get({ publicKey })));
}

/** Options of a ceremony whose signature nobody verifies: it opens the keys while the office cannot be reached. */
export function local_options(rp_id: string): PublicKeyCredentialRequestOptionsJSON {
  const challenge = base64url(crypto.getRandomValues(new Uint8Array(32)));
  return { challenge, rpId: rp_id, userVerification: 'required' };
}

async function ceremony(start: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  let credential: Credential | null;
  try {
    credential = await start();
  } catch (error) {
    const name = error instanceof DOMException ? error.name : '';
    if (name === 'InvalidStateError') throw { code: 'passkey_there' } satisfies Problem;
    // Cancelled, timed out, or none fits: browsers do not tell which.
    if (name === 'NotAllowedError' || name === 'AbortError') throw { code: 'not_confirmed' } satisfies Problem;
    console.error('passkey', error);
    throw { code: 'passkey_failed' } satisfies Problem;
  }
  if (!credential) throw { code: 'not_confirmed' } satisfies Problem;
  return credential as PublicKeyCredential;
}

function prf_secret(credential: PublicKeyCredential): Uint8Array<ArrayBuffer> {
  const first = credential.getClientExtensionResults().prf?.results?.first;
  if (!first) throw { code: 'no_prf' } satisfies Problem;
  const view = ArrayBuffer.isView(first)
    ? new Uint8Array(first.buffer, first.byteOffset, first.byteLength)
    : new Uint8Array(first);
  return new Uint8Array(view);
}

/** The parts of an answer that the office verifies. */
const RESPONSE_FIELDS = [
  'attestationObject',
  'authenticatorData',
  'clientDataJSON',
  'signature',
  'userHandle',
] as const;

/**
 * An answer as the office gets it. `toJSON` contains the output of the PRF extension, so the parts that are needed are copied, and
 * nothing else.
 */
export function without_secrets(credential: Pick<PublicKeyCredential, 'toJSON'>): object {
  const { id, rawId, type, response } = credential.toJSON() as Record<string, unknown>;
  const all = response as Record<string, unknown>;
  const kept = RESPONSE_FIELDS.filter((name) => all[name] !== undefined && all[name] !== null);
  return {
    id,
    rawId,
    type,
    response: Object.fromEntries(kept.map((name) => [name, all[name]])),
    clientExtensionResults: {},
  };
}
