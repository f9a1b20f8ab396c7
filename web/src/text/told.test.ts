// What the engine and the server write in English is reworded, as long as they write it so.

import { afterEach, describe, expect, it } from 'vitest';
import { set_locale } from './state.svelte';
import { KNOWN, told, told_name, told_reason } from './told';

afterEach(() => set_locale('en'));

/** Sources of the programs whose sentences reach the page, by path, with continued string literals joined. */
const SOURCES = Object.entries(
  import.meta.glob<string>('../../../crates/{core,identity,log,server}/src/**/*.rs', {
    query: '?raw',
    import: 'default',
    eager: true,
  }),
)
  .filter(([path]) => !/tests?\.rs$/.test(path))
  .map(([path, source]) => [path, source.replace(/\\\n\s*/g, '')] as const);

const found = (pattern: RegExp, paths = /./) =>
  SOURCES.filter(([path]) => paths.test(path)).flatMap(([, source]) =>
    [...source.matchAll(pattern)].map(([, text]) => text ?? ''),
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
      /(?:let text = |Err\(\(\w+, |TooMany::\w+ => |RefusalCode::\w+, )"([^"]+)"/g,
      /switchboard\/(ring|silence|legs|group|invitations)\.rs$/,
    );
    expect(server.length).toBeGreaterThan(20);
    // Only a program that breaks the protocol, or a note-taker, reads these.
    const of_programs =
      /commit|can send to the others|message is too long|offer is|another note-taker|record mode is below|is not admitted|only a note-taker|names another office|of this id exists|registrar is not connected/;
    expect(server.filter((text) => !of_programs.test(text) && told_name(text) === null)).toEqual([]);
  });

  it('about devices and invitations all have a wording', () => {
    const alerts = found(/AlertLevel::\w+,\s*(?:format!\()?"([^"]+)"/g, /core\/src\/engine\/registrar\.rs$/);
    const answers = found(/let text =\s*"([^"]+)"/g, /server\/src\/web\/registrars\.rs$/);
    expect([alerts.length, answers.length].every((n) => n > 3)).toBe(true);
    // The holder of the authority reads it, on a command line.
    const of_programs = /the registrar was not appointed/;
    expect([...alerts, ...answers].filter((text) => !of_programs.test(text) && told_name(text) === null)).toEqual([]);
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

  it('that are not known are shown as sentences, and reasons as parts of one', () => {
    expect(told('the offer is too long')).toBe('The offer is too long.');
    expect(told('Something new!')).toBe('Something new!');
    expect([told_reason('something new'), told('')]).toEqual(['something new', '']);
  });
});
