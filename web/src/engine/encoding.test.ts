import { describe, expect, it } from 'vitest';
import { base64, base64url, from_base64, from_base64url, sha256_hex, text_sha256_hex } from './encoding';

const BYTES = new Uint8Array([0xfb, 0xff, 0xfe, 0]);

describe('bytes as text', () => {
  it('are base64, and base64url without padding', () => {
    expect([base64(BYTES), base64url(BYTES)]).toEqual(['+//+AA==', '-__-AA']);
  });

  it('are read back', () => {
    expect([from_base64('+//+AA=='), from_base64url('-__-AA')]).toEqual([BYTES, BYTES]);
  });

  it('are hexadecimal as a digest', async () => {
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    expect(await sha256_hex(new Uint8Array([0x61, 0x62, 0x63]))).toBe(abc);
    expect(await text_sha256_hex('abc')).toBe(abc);
  });
});
