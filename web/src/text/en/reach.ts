// When a principal is reached, and who rings instead.

import { mid } from './names';

export const reach = {
  title: 'When I can be reached',
  title_of: (name: string) => `When ${mid(name)} can be reached`,
  open: 'When I can be reached',
  open_of: (name: string) => `Change when ${mid(name)} can be reached`,
  of: 'For whom',
  change: 'Change',
  others: 'When they can be reached',
  reached: 'Can be reached',
  set_by: (name: string) => `Set by ${mid(name)}.`,
  not_sent: 'You are offline. This can be changed once your office is back.',
  quiet: {
    until: (time: string) => `Do not disturb until ${time}`,
    on: 'Do not disturb',
    hours: (time: string) => `Quiet hours until ${time}`,
    own: 'Callers reach your office, and you are not rung.',
    own_exceptions: (n: number, count: string) =>
      n === 1
        ? 'Callers reach your office, and you are not rung. One person rings you all the same.'
        : `Callers reach your office, and you are not rung. ${count} people ring you all the same.`,
    turn_off: 'Turn off',
  },
  disturb: {
    title: 'Do not disturb',
    off: 'Off. You are rung.',
    off_of: 'Off. They are rung.',
    hour: 'For one hour',
    morning: (time: string) => `Until ${time}`,
    open_end: 'Until I turn it off',
    open_end_of: 'Until it is turned off',
    why: 'Your office takes your calls. Callers are not told why.',
    why_of: 'The office takes their calls. Callers are not told why.',
  },
  hours: {
    title: 'Quiet hours',
    none: 'None.',
    why: 'In these hours it is as if Do not disturb were on.',
    days: 'Days',
    from: 'From',
    to: 'To',
    save: 'Save quiet hours',
    remove: 'No quiet hours',
    wrong: 'Choose at least one day, and two different times.',
  },
  exceptions: {
    title: 'Who rings all the same',
    why: 'They ring through Do not disturb and quiet hours.',
    why_of: 'They ring through Do not disturb and quiet hours.',
    none: 'Nobody.',
  },
  waiting: {
    title: 'Who may ring during a call',
    why: 'Their ring is shown small above the call. Others hear that you are busy.',
    why_of: 'Their ring is shown small above the call. Others hear that they are busy.',
    none: 'Nobody.',
  },
  people: {
    choose: 'Choose somebody',
    add: 'Add',
    add_to: (list: string) => `Add to: ${list}`,
    remove: 'Remove',
    remove_one: (name: string) => `Remove ${mid(name)}`,
    unknown: 'Somebody without a device',
    full: 'The list is full.',
  },
  desk: {
    title: 'My office also rings',
    title_of: 'Their office also rings',
    at_once: 'At the same time',
    after: (seconds: string) => `After ${seconds} seconds`,
    why: 'Whoever may answer for you. It rings on at your devices.',
    why_of: 'Whoever may answer for them. It rings on at their devices.',
  },
  missed: {
    disturbed: (name: string, time: string) => `${name} called at ${time}. You were not rung.`,
    busy: (name: string, time: string) => `${name} called at ${time}, while you were in a call.`,
    call: 'Call back',
    done: 'Done',
  },
  beside: {
    label: 'Ringing now',
    calls: (name: string) => `${name} is calling`,
    instead: 'End this call and answer',
    instead_of: (name: string) => `End this call and answer ${mid(name)}`,
    office: 'To my office',
    office_of: (name: string) => `Pass ${mid(name)} to my office`,
  },
};
