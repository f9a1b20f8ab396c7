import type { en } from '../en';
import { capitalise } from '../format';
import { isolate } from '../isolate';
import { mid, of } from './names';

const minutes = (n: number) => (n === 1 ? 'encore une minute' : `encore ${n === 2 ? 'deux' : n} minutes`);

export const green_room: (typeof en)['green_room'] = {
  title: 'Préparation de l’appel',
  open: 'Préparer l’appel',
  open_how:
    'Vous convenez avec l’autre partie de qui participe. Les dirigeants sont mis en relation quand les deux parties sont prêtes.',
  prepare: 'Le préparer avant l’arrivée des dirigeants',
  yours: (principal) => `Votre partie : ${mid(principal)}`,
  theirs: (principal) => `L’autre partie : ${mid(principal)}`,
  side: (principal) => `Pour ${mid(principal)}`,
  other_side: 'l’autre partie',
  by: (name) => capitalise(mid(name)),
  in_person: 'en personne',
  nothing: 'Rien d’annoncé pour l’instant',
  lists: {
    present: 'Dans la pièce',
    listening: 'À l’écoute',
    interpreters: 'Interprètes',
  },
  one_a_line: 'Un nom par ligne',
  none: 'personne',
  edit: 'Qui participe',
  save: 'Le dire à l’autre partie',
  aides: {
    title: 'Après la mise en relation, les collaborateurs',
    stay: 'restent à l’écoute',
    leave: 'quittent l’appel',
  },
  checks: {
    heard: 'Nous entendons l’autre partie',
    mode: (mode) => `D’accord : ${mode}`,
    ready: 'Prêt',
  },
  done: 'oui',
  open_check: 'pas encore',
  again: 'Modifié depuis : toujours prêt ?',
  ready: 'Prêt',
  not_ready: 'Finalement pas prêt',
  more: 'Encore deux minutes',
  more_of: (name, left) => `${capitalise(mid(name))} demande ${minutes(left)}.`,
  more_over: (name) => `Le temps demandé par ${mid(name)} est écoulé.`,
  next: {
    heard: 'Maintenant : parlez à l’autre partie. Cochez la case dès que vous l’avez entendue.',
    mode: 'Maintenant : donnez votre accord sur la façon de consigner l’appel.',
    ready: 'Maintenant : appuyez sur Prêt quand votre dirigeant peut venir.',
    outdated: 'L’autre partie a modifié quelque chose. Vérifiez, puis appuyez de nouveau sur Prêt.',
    theirs: 'Votre partie est prête. En attente de l’autre partie.',
    called: 'Les deux parties sont prêtes. Les dirigeants sont appelés.',
    one: (name) => `${capitalise(mid(name))} est là et attend. Personne ne l’entend encore.`,
    late: (here, away) =>
      `${capitalise(mid(here))} attend l’arrivée ${of(away)}. Rappelez, ou prévenez l’autre partie.`,
  },
  connected: (at) => `Les deux dirigeants sont en relation depuis ${at}.`,
  listening_now: 'Vous êtes désormais à l’écoute.',
  ignored: 'Le programme d’un auditeur a voulu parler pour une partie. Il n’en a pas été tenu compte.',
  waits: {
    title: (name) => `Vous serez en relation dès l’arrivée ${of(name)}`,
    sentence: 'D’ici là, personne ne vous entend, et vous n’entendez personne.',
    unknown: 'l’autre partie',
    late: (name) => `${capitalise(mid(name))} n’est pas là. Vous pouvez partir : votre bureau vous rappellera.`,
    speak: 'Parler sans attendre',
    leave: 'Partir, mon bureau reste',
  },
  stepped_out: {
    title: 'Vous avez quitté l’appel',
    sentence: (name) => `Il continue : ${isolate(name)}. Ses clés sont effacées de cet appareil.`,
    sentence_plain: 'L’appel continue sans vous. Ses clés sont effacées de cet appareil.',
  },
};
