// English. The shape of every catalogue: the other languages must have the same keys with the same parameters.

import { acting } from './en/acting';
import { alerts } from './en/alerts';
import { asking } from './en/asking';
import { briefs } from './en/briefs';
import { call } from './en/call';
import { circulation } from './en/circulation';
import { codes } from './en/codes';
import { common } from './en/common';
import { desk } from './en/desk';
import { devices } from './en/devices';
import { enrol } from './en/enrol';
import { green_room } from './en/green_room';
import { lines } from './en/lines';
import { memoranda } from './en/memoranda';
import { moves } from './en/moves';
import { papers } from './en/papers';
import { people } from './en/people';
import { plans } from './en/plans';
import { problems } from './en/problems';
import { protection } from './en/protection';
import { push } from './en/push';
import { reach } from './en/reach';
import { records } from './en/records';
import { ring } from './en/ring';
import { settings } from './en/settings';
import { shift } from './en/shift';
import { sso } from './en/sso';
import { start } from './en/start';
import { told } from './en/told';

export const en = {
  /** Name of the language, in the language. */
  language: 'English',
  /** Direction of writing: `ltr` or `rtl`. */
  dir: 'ltr',
  ...common,
  acting,
  alerts,
  asking,
  briefs,
  call,
  circulation,
  codes,
  desk,
  devices,
  enrol,
  green_room,
  lines,
  memoranda,
  moves,
  papers,
  people,
  plans,
  problems,
  protection,
  push,
  reach,
  records,
  ring,
  settings,
  shift,
  sso,
  start,
  told,
};
