// French. `Text` makes a missing key or another parameter list a compile error.

import type { Text } from '.';
import { acting } from './fr/acting';
import { alerts } from './fr/alerts';
import { asking } from './fr/asking';
import { briefs } from './fr/briefs';
import { call } from './fr/call';
import { circulation } from './fr/circulation';
import { codes } from './fr/codes';
import { common } from './fr/common';
import { desk } from './fr/desk';
import { devices } from './fr/devices';
import { enrol } from './fr/enrol';
import { green_room } from './fr/green_room';
import { lines } from './fr/lines';
import { memoranda } from './fr/memoranda';
import { moves } from './fr/moves';
import { papers } from './fr/papers';
import { people } from './fr/people';
import { plans } from './fr/plans';
import { problems } from './fr/problems';
import { protection } from './fr/protection';
import { push } from './fr/push';
import { reach } from './fr/reach';
import { records } from './fr/records';
import { ring } from './fr/ring';
import { settings } from './fr/settings';
import { shift } from './fr/shift';
import { sso } from './fr/sso';
import { start } from './fr/start';
import { told } from './fr/told';

export const fr: Text = {
  language: 'Français',
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
