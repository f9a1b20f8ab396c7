import { plural } from '../format';
import { isolate } from '../isolate';
import { mid } from './names';

export const common = {
  app: 'Telcon',
  /** A keyboard shortcut as shown on a button. */
  key: (letter: string) => `Alt ${letter}`,
  words: {
    try_again: 'Try again',
    dismiss: 'Dismiss',
    done: 'Done',
    close: 'Close',
    one_moment: 'One moment',
    reload: 'Reload this page',
    details: 'Details',
    you: 'You',
    /** Read out before a banner. */
    warning: 'Warning',
    attention: 'Attention',
    notice: 'Notice',
  },
  nav: {
    label: 'Telcon',
    people: 'People',
    desk: 'Desk',
    devices: 'Devices',
    alerts: 'Alerts',
    calls: 'Calls',
    today: 'Today',
    settings: 'Settings',
    /** Whose server it is, beside the person and their own organisation. */
    office: (name: string) => `Office: ${isolate(name)}`,
  },
  names: {
    mid: (name: string) => mid(name),
    both: (from: string, to: string) => `${isolate(from)} and ${mid(to)}`,
    /** Somebody whose name is not known yet. */
    other_side: 'the other side',
    in_organisation: (name: string, organisation: string) => `${isolate(name)}, ${isolate(organisation)}`,
  },
  times: {
    there: (time: string) => `${time} their time`,
    there_tomorrow: (time: string) => `${time} tomorrow their time`,
    there_yesterday: (time: string) => `${time} yesterday their time`,
    here: (time: string) => `${time} your time`,
    seconds: (n: string) => `${n} s`,
    minutes: (n: string) => `${n} min`,
    hours_minutes: (hours: string, minutes: string) => `${hours} h ${minutes} min`,
    on_day: (day: string, time: string) => `${day}, ${time}`,
  },
  tab: {
    rings: (name: string) => `${isolate(name)} is calling`,
    of: (name: string) => `${isolate(name)} · Telcon`,
    in_call: 'In a call · Telcon',
    devices_wait: (n: number, count: string) =>
      `${count} ${plural(n, { one: 'device waits', other: 'devices wait' })} · Telcon`,
    alerts: (n: number, count: string) => `${count} ${plural(n, { one: 'alert', other: 'alerts' })} · Telcon`,
  },
  connection: { connected: 'Connected', connecting: 'Connecting', offline: 'Offline' },
  /** Screens without controls. */
  status: {
    starting: { kind: 'Telcon', title: 'One moment', sentences: ['Opening this device’s keys.'] },
    unsupported: {
      kind: 'Browser not supported',
      title: 'Telcon needs a browser that can encrypt calls itself',
      sentences: [
        'This browser cannot pass sound to Telcon before sending it, and Telcon never sends sound unencrypted.',
        'Use a current version of Chromium, Chrome or Edge, and open this page again.',
      ],
    },
    insecure: {
      kind: 'Insecure address',
      title: 'Open Telcon at its https address',
      sentences: [
        'A page loaded without https could have been changed on the way, and browsers do not let it use keys.',
        'Your office knows the right address. It begins with https.',
      ],
    },
    other_tab: {
      kind: 'One tab at a time',
      title: 'Telcon is open in another tab',
      sentences: ['Close the other tab, and this one continues by itself.'],
    },
    unenrolled: {
      kind: 'Not enrolled',
      title: 'This browser isn’t set up yet',
      sentences: [
        'Ask your office for an enrolment link and open it in this browser, or for a code and type it here. Each works once, and only for you.',
        'There is no password: nobody can sign in as you from another device.',
      ],
    },
    revoked: {
      kind: 'Access removed',
      title: 'This device has been revoked',
      sentences: [
        'It can no longer make or receive calls. Its keys are still stored here, and open nothing any more.',
        'If you did not expect this, speak to your office by other means.',
      ],
    },
    erased: {
      kind: 'Access removed',
      title: 'This device has been erased',
      sentences: [
        'Its keys and everything else that Telcon stored here are gone. It can no longer make or receive calls, or read anything.',
        'If you did not expect this, speak to your office by other means.',
      ],
    },
    failed: { kind: 'Stopped', title: 'Telcon stopped in this tab', sentences: [] as string[] },
  },
  revoked_by: {
    officer: (name: string, time: string) =>
      `${isolate(name)} ordered this on ${time}. This device verified the order.`,
    authority: (time: string) =>
      `The holder of your office’s authority ordered this on ${time}. This device verified the order.`,
  },
};
