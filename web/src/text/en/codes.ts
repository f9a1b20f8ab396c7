// Short codes that are read out, instead of a link.

import { plural } from '../format';

export const codes = {
  enter: {
    label: 'Code',
    hint: 'Ten digits that your security officer reads to you. They are valid for ten minutes.',
    action: 'Continue',
    working: 'Checking the code…',
  },
  show: {
    titles: { none: 'Or read a code out', opening: 'One moment', open: 'Read this code out', over: 'The code' },
    why: 'For someone who cannot receive a link: they type ten digits that you read to them. Your office’s server does not learn the code.',
    action: 'Show a code',
    opening: 'Making a code…',
    code: 'The code is',
    how: (address: string) => `The person opens ${address} and types this code. It works once.`,
    until: (time: string) => `Valid until ${time}. Keep this page open until then.`,
    wrong: (n: number, count: string) =>
      plural(n, {
        one: 'A wrong code was typed. After three wrong codes it is closed.',
        other: `${count} wrong codes were typed. After three wrong codes it is closed.`,
      }),
    hide: 'Withdraw this code',
    again: 'Show a new code',
    late: 'Somebody else typed this code, too. Approve the device only if its code is exactly the one that the person reads to you.',
    tried: (n: number, count: string) =>
      plural(n, {
        one: 'Its first four digits were tried once more, without the others. They lead to nothing.',
        other: `Its first four digits were tried ${count} times more, without the others. They lead to nothing.`,
      }),
    guessed_then: 'If the person did not mistype it, somebody is guessing. The link is still valid.',
    over: {
      used: 'The code was typed, and the link is with that device. It asks in a moment.',
      guessed: 'Three wrong codes were typed. This code is closed.',
      expired: 'This code has expired. The link is still valid.',
      closed: 'The connection was interrupted, and this code ended with it. The link is still valid.',
      too_many: 'This code was tried too often, and is closed.',
      unknown: 'This code is closed.',
    },
  },
};
