import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { forget_link, opened_link } from './link';

let hash = '';
const replaced = vi.fn<(state: null, unused: string, address: string) => void>(() => void (hash = ''));

function stub(storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>) {
  vi.stubGlobal('location', {
    pathname: '/',
    get hash() {
      return hash;
    },
  });
  vi.stubGlobal('history', { replaceState: replaced });
  vi.stubGlobal('sessionStorage', storage);
}

function working(): Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> {
  const kept = new Map<string, string>();
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value),
    removeItem: (name) => void kept.delete(name),
  };
}

const blocked = () => {
  throw new DOMException('blocked', 'SecurityError');
};

beforeEach(() => replaced.mockClear());
afterEach(() => {
  forget_link();
  vi.unstubAllGlobals();
});

describe.each([
  ['with the tab’s storage', working],
  ['without storage', () => ({ getItem: blocked, setItem: blocked, removeItem: blocked })],
])('a link, %s', (_name, storage) => {
  it('leaves the address at once and is there until it is used', () => {
    stub(storage());
    hash = '';
    expect(opened_link()).toBe(null);
    hash = '#enrol=secret';
    expect(opened_link()).toBe('secret');
    expect(replaced).toHaveBeenCalledExactlyOnceWith(null, '', '/');
    expect([hash, opened_link()]).toEqual(['', 'secret']);
    forget_link();
    expect(opened_link()).toBe(null);
  });

  it('gives way to another, and routes are left alone', () => {
    stub(storage());
    hash = '#enrol=one';
    opened_link();
    hash = '#enrol=two';
    expect(opened_link()).toBe('two');
    hash = '#alerts';
    expect([opened_link(), hash]).toEqual(['two', '#alerts']);
    hash = '#enrol=three';
    forget_link();
    expect([opened_link(), hash]).toEqual([null, '']);
  });
});
