// Quand un dirigeant est joignable, et chez qui on sonne à sa place.

import { capitalise } from '../format';
import { mid, of } from './names';
import type { Text } from '..';

export const reach: Text['reach'] = {
  title: 'Quand je suis joignable',
  title_of: (name) => `Quand ${mid(name)} est joignable`,
  open: 'Quand je suis joignable',
  open_of: (name) => `Modifier quand ${mid(name)} est joignable`,
  of: 'Pour qui',
  change: 'Modifier',
  others: 'Quand ils sont joignables',
  reached: 'Joignable',
  set_by: (name) => `Réglé par ${mid(name)}.`,
  not_sent: 'Vous êtes hors ligne. Cela pourra être modifié quand votre cabinet sera de nouveau joignable.',
  quiet: {
    until: (time) => `Ne pas déranger jusqu’à ${time}`,
    on: 'Ne pas déranger',
    hours: (time) => `Heures de calme jusqu’à ${time}`,
    own: 'Les appels arrivent à votre cabinet, et rien ne sonne chez vous.',
    own_exceptions: (n, count) =>
      n === 1
        ? 'Les appels arrivent à votre cabinet, et rien ne sonne chez vous. Une personne vous joint malgré tout.'
        : `Les appels arrivent à votre cabinet, et rien ne sonne chez vous. ${count} personnes vous joignent malgré tout.`,
    turn_off: 'Désactiver',
  },
  disturb: {
    title: 'Ne pas déranger',
    off: 'Désactivé. Cela sonne chez vous.',
    off_of: 'Désactivé. Cela sonne chez cette personne.',
    hour: 'Pendant une heure',
    morning: (time) => `Jusqu’à ${time}`,
    open_end: 'Jusqu’à ce que je le désactive',
    open_end_of: 'Jusqu’à désactivation',
    why: 'Votre cabinet prend vos appels. Le motif n’est pas dit à qui appelle.',
    why_of: 'Le cabinet prend ses appels. Le motif n’est pas dit à qui appelle.',
  },
  hours: {
    title: 'Heures de calme',
    none: 'Aucune.',
    why: 'Pendant ces heures, tout se passe comme avec « Ne pas déranger ».',
    days: 'Jours',
    from: 'De',
    to: 'À',
    save: 'Enregistrer les heures de calme',
    remove: 'Pas d’heures de calme',
    wrong: 'Choisissez au moins un jour, et deux heures différentes.',
  },
  exceptions: {
    title: 'Qui sonne malgré tout',
    why: 'Ces personnes sonnent malgré « Ne pas déranger » et les heures de calme.',
    why_of: 'Ces personnes sonnent malgré « Ne pas déranger » et les heures de calme.',
    none: 'Personne.',
  },
  waiting: {
    title: 'Qui peut sonner pendant un appel',
    why: 'Leur appel s’affiche en petit au-dessus de l’appel en cours. Les autres entendent que vous êtes occupé.',
    why_of:
      'Leur appel s’affiche en petit au-dessus de l’appel en cours. Les autres entendent que la personne est occupée.',
    none: 'Personne.',
  },
  people: {
    choose: 'Choisir quelqu’un',
    add: 'Ajouter',
    add_to: (list) => `Ajouter à : ${list}`,
    remove: 'Retirer',
    remove_one: (name) => `Retirer ${mid(name)}`,
    unknown: 'Une personne sans appareil',
    full: 'La liste est pleine.',
  },
  desk: {
    title: 'Mon cabinet sonne aussi',
    title_of: 'Son cabinet sonne aussi',
    at_once: 'En même temps',
    after: (seconds) => `Après ${seconds} secondes`,
    why: 'Chez qui peut répondre pour vous. Cela continue de sonner chez vous.',
    why_of: 'Chez qui peut répondre pour cette personne. Cela continue de sonner chez elle.',
  },
  missed: {
    disturbed: (name, time) => `${capitalise(mid(name))} a appelé à ${time}. Cela n’a pas sonné chez vous.`,
    busy: (name, time) => `${capitalise(mid(name))} a appelé à ${time}, pendant que vous étiez en appel.`,
    call: 'Rappeler',
    done: 'Terminé',
  },
  beside: {
    label: 'Sonne en ce moment',
    calls: (name) => `Appel ${of(name)}`,
    instead: 'Raccrocher et répondre',
    instead_of: (name) => `Raccrocher et répondre à l’appel ${of(name)}`,
    office: 'À mon cabinet',
    office_of: (name) => `Passer l’appel ${of(name)} à mon cabinet`,
  },
};
