// What the engine and the server write in English is reworded, as long as they write it so.

import { afterEach, describe, expect, it } from 'vitest';
import { set_locale } from './state.svelte';
import { KNOWN, told, told_name, told_reason } from './told';

afterEach(() => set_locale('en'));

/** Sources of the programs whose sentences reach the page, by path, with continued string literals joined. */
const SOURCES = Object.entries(
  import.meta.glob<string>('../../../crates/{core,identity,log,proto,server}/src/**/*.rs', {
    query: '?raw',
    import: 'default',
    eager: true,
  }),
)
  .filter(([path]) => !/tests?\.rs$/.test(path))
  .map(([path, source]) => [path, source.replace(/\\\n\s*/g, '')] as const);

const found = (pattern: RegExp, paths = /./) =>
  SOURCES.filter(([path]) => paths.test(path)).flatMap(([, source]) =>
    // A constant in a sentence is a number.
    [...source.matchAll(pattern)].map(([, text]) => (text ?? '').replaceAll(/\{[A-Z_]+\}/g, '8')),
  );

describe('sentences of the engine and the server', () => {
  it('that have a wording are written by one of them', () => {
    const written = found(/"((?:[^"\\\n]|\\.)+)"/g);
    expect(written.length).toBeGreaterThan(1000);
    const unknown = KNOWN.filter(([pattern]) => !written.some((text) => pattern.test(text)));
    expect(unknown.map(([pattern]) => pattern.source)).toEqual([]);
  });

  it('that answer a person’s action all have a wording', () => {
    const server = found(
      /(?:let text = (?:format!\()?|const \w+: &str = |Err\(\(?(?:\w+, )?|ok_or\(|Some\(|TooMany::\w+ => |Refusal(?:Code|Kind)::\w+, |format!\()\s*"([^"]+)"/g,
      /switchboard\/(ring|silence|legs|group|invitations|approvals|enrolment|issued_links)\.rs$/,
    );
    expect(server.length).toBeGreaterThan(50);
    // Only a program that breaks the protocol, a note-taker, or the authority on a command line reads these.
    const of_programs =
      /commit|can send to the others|message is too long|offer is|another note-taker|record mode is below|is not admitted|only a note-taker|names another office|registrar is not connected|changes who is in the call|cannot remove itself|--person \{\}; if|have not expired|^ of call|^\\u\{201c\}/;
    expect(server.filter((text) => !of_programs.test(text) && told_name(text) === null)).toEqual([]);
  });

  it('about devices and invitations all have a wording', () => {
    const alerts = found(/AlertLevel::\w+,\s*(?:format!\()?"([^"]+)"/g, /core\/src\/engine\/registrar\.rs$/);
    const reasons = found(/(?:Err\(|ok_or\()"([^"]+)"/g, /core\/src\/engine\/registrar\.rs$/);
    const answers = found(
      /(?:let text =|ok_or\(|Err\(|format!\(|\w+,)\s*"([^"]{20,})"/g,
      /server\/src\/web\/(registrars|devices)\.rs$/,
    );
    const sentences = [...alerts, ...reasons, ...answers].map((text) =>
      text.replace(/: \{\w+\}(?=\.?$)/, ': a reason'),
    );
    expect([alerts.length, reasons.length, answers.length].every((n) => n > 3)).toBe(true);
    // The holder of the authority reads them, on a command line; or they are of a program that breaks the protocol.
    const of_programs =
      /the registrar was not appointed|not archived|certificate was not issued by a registrar|the (revocation|invitation) was not accepted|revokes over its own connection/;
    expect(sentences.filter((text) => !of_programs.test(text) && told_name(text) === null)).toEqual([]);
  });

  it('that answer a request for records all have a wording', () => {
    const pattern = /(?:HttpError::new\(StatusCode::\w+, |let text = |#\[error\()"([^"]+)"/g;
    const sentences = found(pattern, /server\/src\/(web\/(records|record_reader|error)|archive\/proofs)\.rs$/);
    expect(sentences.length).toBeGreaterThan(6);
    // Only note-takers send records. The log that cannot be read is an error 503 with another sentence.
    const of_programs = /note-taker|upload|the log cannot be read/;
    expect(sentences.filter((text) => !of_programs.test(text) && told_name(text) === null)).toEqual([]);
  });

  it('about the protection of a device, and about alerts, all have a wording', () => {
    const pattern =
      /(?:HttpError::new\(\s*StatusCode::\w+,|let (?:text|message) =|pub const \w+: &str =|forbidden\(|RefusalKind::\w+,|#\[error\(|refused\(RefusalCode::\w+,|RefusedRing::unavailable\(None,)\s*(?:format!\(\s*)?"([^"]+)"/g;
    for (const [file, count] of [
      ['server/src/web/passkeys.rs', 5],
      ['server/src/web/lockers.rs', 2],
      ['server/src/web/protection.rs', 3],
      ['server/src/web/socket.rs', 10],
      ['server/src/web/shifts.rs', 2],
      ['server/src/switchboard/shifts.rs', 7],
      ['server/src/web/alerts.rs', 1],
      ['server/src/web/push.rs', 1],
      ['server/src/switchboard/push.rs', 1],
      ['server/src/push/endpoint.rs', 3],
      ['server/src/push/encryption.rs', 2],
      ['core/src/pin.rs', 3],
      ['server/src/web/codes.rs', 4],
      ['core/src/short_code.rs', 2],
      ['proto/src/short_code.rs', 2],
    ] as const) {
      const sentences = found(pattern, new RegExp(`/${file.replaceAll('.', '\\.')}$`));
      expect(sentences.length, file).toBeGreaterThanOrEqual(count);
      // The operator, or the author of a client, reads these; of a ring, the reason is part of a sentence that has a wording.
      const of_programs =
        /cannot be an origin|a push service is named by its origin|credential's identifier is base64url|message must be (hello|prove)|messages are JSON text|: update this device$|^the server could not verify it$/;
      expect(sentences.filter((text) => !of_programs.test(text) && told_name(text) === null)).toEqual([]);
    }
  });

  it('say what to do about a confirmation and a passkey, in every language', () => {
    const old = 'confirm this with your passkey or PIN: the last confirmation is more than five minutes old';
    expect(told(old)).toMatch(/^Confirm this with your passkey or PIN/);
    set_locale('fr');
    expect(told(old)).toMatch(/^Confirmez avec votre clé d’accès ou votre code PIN/);
    expect(told("the passkey was not accepted: try again, and choose this device's passkey")).toMatch(
      /^La clé d’accès/,
    );
  });

  it('that say why something does not verify all have a wording', () => {
    const [source = ''] = SOURCES.filter(([path]) => path.endsWith('identity/src/error.rs')).map(([, text]) => text);
    const errors = (text: string) => [...text.matchAll(/#\[error\(\s*"([^"]+)"/g)].map(([, error]) => error ?? '');
    const [flaws, others] = source
      .split('pub enum Mismatch')
      .map((part) => errors(part).filter((text) => text !== '{0}'));
    expect([flaws!.length > 40, others!.length > 15]).toEqual([true, true]);
    const sentences = [...flaws!.map((flaw) => `${flaw}: do not trust it, and tell the security officer`), ...others!];
    // The holder of the authority, or the author of a client, reads these.
    const of_programs =
      /domain is not a lower-case|card names another office|appointed for at least one role|time is out of range|may be valid for 1 second|two files that were created together|needs a key of its own|charter names at most/;
    expect(sentences.filter((text) => !of_programs.test(text) && told_name(text) === null)).toEqual([]);
  });

  it('keep what they name, in the language of the page', () => {
    expect(told('they declined or did not answer: this person can be rung again in 40 s')).toBe(
      'They declined or did not answer. You can call them again in 40 seconds.',
    );
    const clock =
      "This device's clock is 3 minutes behind the clock of your office's server. Calls may fail until both are right: set this device's clock, or tell your office.";
    expect(told(clock)).toMatch(/differ by 3 minutes\./);
    set_locale('fr');
    expect(told(clock.replace('3 minutes', '45 seconds'))).toMatch(/diffèrent de 45 secondes\./);
  });

  it('have their reasons worded too, and names and roles as the language writes them', () => {
    const compared = 'The device was not approved: its code is not the one that you compared.';
    const closed = 'The device was not approved: the invitation is closed.';
    const words =
      'this person is enrolled as Ada, Treasury, note-taker, Europe/Oslo: ask your office for a link with those words';
    const like = (end: string) =>
      `“Ada”, Treasury, note-taker looks the same as “Ada.”, Treasury, duty officer, who is enrolled: ${end}`;
    expect(told(compared)).toBe(compared);
    expect(told(closed)).toBe('The device was not approved: this invitation is closed already.');
    expect(told(words)).toMatch(/under other words: Ada, Treasury, Note-taker, Europe\/Oslo\./);
    expect(told(like('ask your office for another link'))).toMatch(
      /^“Ada”, Treasury looks the same as “Ada\.”, Treasury,/,
    );
    expect(told('the person has 16 devices, and the limit is 8: revoke one first')).toMatch(
      /has 16 devices, .* limit is 8/,
    );
    set_locale('fr');
    expect(told(compared)).toBe(
      'L’appareil n’a pas été approuvé\u00a0: son code n’est pas celui que vous avez comparé.',
    );
    expect(told('the certificate does not verify: a signature is invalid: do not trust it')).toBe(
      'L’appareil n’a pas été approuvé\u00a0: une signature n’est pas valable.',
    );
    expect(told(words)).toContain('Ada, Treasury, Rédacteur, Europe/Oslo');
    expect(told(like('if this is the same person, add a device'))).toMatch(/^«\u202fAda\u202f», Treasury se confond/);
  });

  it('that are not known are shown as sentences, and reasons as parts of one', () => {
    expect(told('the offer is too long')).toBe('The offer is too long.');
    expect(told('Something new!')).toBe('Something new!');
    expect([told_reason('something new'), told('')]).toEqual(['something new', '']);
  });
});
