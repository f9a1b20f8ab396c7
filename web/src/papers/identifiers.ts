// Random identifiers of what is written on this device.

/** 32 hexadecimal digits. */
export const new_item = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
