// Bytes as text: base64 (RFC 4648) and hexadecimal digests.

/** Standard base64, with padding. */
export const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

/** The bytes of standard base64. Throws where it is malformed. */
export const from_base64 = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text), (one) => one.charCodeAt(0));

/** base64url without padding. */
export const base64url = (bytes: Uint8Array): string =>
  base64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

/** The bytes of base64url. Throws where it is malformed. */
export const from_base64url = (text: string): Uint8Array<ArrayBuffer> =>
  from_base64(text.replaceAll('-', '+').replaceAll('_', '/'));

/** SHA-256 as the office compares it: 64 hexadecimal digits. */
export async function sha256_hex(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes)));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** SHA-256 of a text in UTF-8, as the office states it of an address: 64 hexadecimal digits. */
export const text_sha256_hex = (text: string): Promise<string> => sha256_hex(new TextEncoder().encode(text));
