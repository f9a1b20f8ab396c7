import { capitalise } from '../format';
import { isolate } from '../isolate';
import { mid } from './names';

export const acting = {
  own: {
    title: 'Who acts for you',
    intro:
      'They ring or answer in your name. The other side sees both names. You can take the call at any moment, and end this at any time.',
    nothing: 'Nobody acts for you.',
  },
  for_others: {
    title: 'You act for',
    intro: 'The other side sees your name, and for whom you act. Once they take the call, you only listen.',
    nothing: 'Nobody has asked you to act for them.',
  },
  all: {
    title: 'Who acts for whom',
    intro: 'Only the principal can let somebody act for them. You can end it.',
    nothing: 'Nobody acts for anybody.',
  },
  for_whom: (delegate: string, principal: string) => `${isolate(delegate)} for ${mid(principal)}`,
  acts: { ring: 'ring', answer: 'answer', lines: 'offer, change, pause and end lines' },
  until: (time: string) => `until ${time}`,
  between: (from: string, to: string) => `from ${from} until ${to}`,
  ended: (time: string) => `Ended ${time}`,
  expired: (time: string) => `Over since ${time}`,
  past: 'Over',
  give: {
    title: 'Let somebody act for you',
    who: 'Who',
    nobody: 'Your office has no duty officer or scheduler yet.',
    acts: 'They may',
    ring: 'ring for you',
    answer: 'answer for you',
    lines: 'offer lines that you confirm; change, pause and end your lines',
    until: 'For how long',
    days: { 1: 'One day', 7: 'A week', 30: '30 days', 90: '90 days' },
    action: 'Let them act',
    choose: 'Choose at least one.',
    not_given: 'Nothing was changed.',
  },
  end: {
    action: 'End',
    of: (name: string) => `End: ${isolate(name)}`,
    title: 'End this?',
    then: 'They can no longer act in this name. A call in which they speak ends at once.',
    yes: 'End it',
    back: 'Back',
  },
  ring: {
    title: (name: string) => `Ring for ${mid(name)}`,
    action: 'Ring',
    person: (name: string, principal: string) => `Ring ${mid(name)} for ${mid(principal)}`,
    nobody: 'Nobody can be rung now.',
  },
  nav: 'Acting',
  take: 'Take the call',
  rang_for_you: (delegate: string, other: string) => `${capitalise(mid(delegate))} is calling ${mid(other)} for you.`,
  answered_for_you: (delegate: string, other: string) =>
    `${capitalise(mid(delegate))} answered a call from ${mid(other)} for you.`,
  rings_for: (delegate: string, principal: string) => `${capitalise(mid(delegate))} rings for ${mid(principal)}.`,
  answers_for: (delegate: string, principal: string) => `${capitalise(mid(delegate))} answers for ${mid(principal)}.`,
  speaks: (delegate: string, principal: string) => `${capitalise(mid(delegate))} speaks for ${mid(principal)}.`,
  rang: (delegate: string, principal: string) => `${capitalise(mid(delegate))} rang on behalf of ${mid(principal)}`,
  answered: (delegate: string, principal: string) =>
    `${capitalise(mid(delegate))} answered on behalf of ${mid(principal)}`,
  taken_over: (principal: string, delegate: string) =>
    `${capitalise(mid(principal))} has taken the call; ${mid(delegate)} listens.`,
  speaks_for: 'speaker for somebody',
  loading: { title: 'One moment', sentence: 'Who acts for whom is loading.' },
  no_connection: { title: 'No connection', sentence: 'Who acts for whom appears when the connection is back.' },
  failed: 'Who acts for whom could not be loaded',
  stale: 'Offline. This may be out of date.',
  not_refreshed: (why: string) => `This may be out of date: it could not be loaded again. ${why}`,
};
