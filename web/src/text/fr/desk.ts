import { plural } from '../format';
import type { Text } from '..';

export const desk: Text['desk'] = {
  title: 'Permanence',
  titles: { scheduler: 'Appels du jour', interpreter: 'Interprétation' },
  other_calls: 'Autres appels',
  log_ok: (time) => `Journal vérifié à ${time}`,
  log_bad: 'Le journal n’est pas intact',
  live: (duration) => `En cours · ${duration}`,
  ringing: (duration) => `Ça sonne · ${duration}`,
  reconnecting: 'Reconnexion',
  joining: 'Entrée dans l’appel…',
  being_added: 'Vous rejoignez l’appel. Tous les participants le verront.',
  not_answered: 'Sans réponse pour l’instant : personne n’entend quoi que ce soit.',
  listening: (names) => `À l’écoute : ${names}. Tous les participants le voient.`,
  you: 'vous',
  nobody_listens: 'Personne n’écoute en dehors des deux interlocuteurs.',
  others_listen: (n, count) =>
    plural(n, {
      one: 'Un autre appareil participe à l’appel. Rejoignez-le pour savoir lequel.',
      other: `${count} autres appareils participent à l’appel. Rejoignez-le pour savoir lesquels.`,
    }),
  others_in_call: (n, count) =>
    plural(n, {
      one: 'Un autre appareil participe à l’appel.',
      other: `${count} autres appareils participent à l’appel.`,
    }),
  with_note_taker: 'Participe également à l’appel : le rédacteur.',
  with_note_taker_and: (n, count) =>
    plural(n, {
      one: 'Participent également à l’appel : le rédacteur et un auditeur.',
      other: `Participent également à l’appel : le rédacteur et ${count} auditeurs.`,
    }),
  join: 'Écouter, à la vue de tous',
  join_hint: 'Vous lisez les sous-titres et vous écoutez. Tous les participants vous voient.',
  join_hint_listen: 'Vous écoutez sans être entendu ; tous les participants vous voient.',
  also_now: 'Autres appels en cours',
  recent: 'Appels récents',
  none_recent: 'Aucun appel pour le moment.',
  view_record: 'Voir le procès-verbal : ',
  now: 'En ce moment',
  no_call: 'Aucun appel en cours',
  not_connected: 'Hors ligne. L’affichage n’est peut-être plus à jour ; cette page tente de se reconnecter.',
  transcript: 'Sous-titres',
  draft: 'Transcription automatique, sans valeur de procès-verbal',
  uncertain: 'incertain : ',
  uncertain_key: 'Pointillé : mot incertain',
  marks: {
    beginning: '[début non compris]',
    unclear: '[non compris]',
    other_language: '[propos dans une autre langue]',
    repetition: '[répétition omise]',
    failed: '[non transcrit]',
  },
  behind: (seconds) => `${seconds} s de retard`,
  log_only: 'Rien de ce qui est dit dans cet appel n’est consigné : seul le journal est conservé.',
  quiet: 'Vous écoutez. Les sous-titres de ce qui se dit à partir de maintenant apparaîtront ici.',
  no_captions: 'Il n’y a pas de sous-titres : aucun rédacteur ne participe à cet appel.',
  sealed_entry: (entry, sealed) => `${sealed}, inscription n° ${entry}`,
  health: {
    title: 'État',
    office: 'Serveur du cabinet',
    log: 'Journal',
    log_entries: (time, n, entries) =>
      `Vérifié à ${time}, ${entries} ${plural(n, { one: 'inscription', other: 'inscriptions' })}`,
    calls: 'Appels en cours',
    calls_now: (live, ringing) => `${live} en communication, ${ringing} en sonnerie`,
    calls_unrecorded: (n, count) =>
      plural(n, { one: `${count} appel n’est pas consigné`, other: `${count} appels ne sont pas consignés` }),
    note_takers: 'Rédacteurs',
    note_takers_unknown: 'Pas encore connus',
    note_takers_away: 'Aucun n’est connecté : les appels ne sont pas consignés',
    note_takers_busy: (n, count) =>
      plural(n, {
        one: 'Le seul connecté est occupé : un autre appel ne serait pas consigné',
        other: `Les ${count} sont occupés : un autre appel ne serait pas consigné`,
      }),
    note_takers_ready: (n, connected, busy) =>
      plural(n, { one: `${connected} connecté, occupé : ${busy}`, other: `${connected} connectés, occupés : ${busy}` }),
    note_takers_none: 'Aucun n’a rejoint l’appel : il ne serait pas consigné',
    people: 'Contacts',
    people_available: (available, all) => `Disponibles : ${available} sur ${all}`,
    mode: 'Conservation minimale',
    records: 'Procès-verbaux',
    records_loading: 'Chargement',
    records_failed: 'La liste des appels n’a pu être chargée',
    records_stale: 'La liste des appels n’a pu être actualisée',
    records_ok: 'Tous les appels terminés ont leur procès-verbal',
    records_missing: (n, count) =>
      plural(n, {
        one: `${count} appel récent sans procès-verbal`,
        other: `${count} appels récents sans procès-verbal`,
      }),
    records_pending: (n, count) =>
      plural(n, {
        one: `${count} procès-verbal en cours de scellement`,
        other: `${count} procès-verbaux en cours de scellement`,
      }),
    all_well: 'Tout va bien',
    nothing_known: 'Rien d’anormal à signaler',
    attention: 'Attention requise',
    checking: 'Vérification',
    alerts: 'Alertes',
    alerts_open: (n, count) => plural(n, { one: `${count} alerte en cours`, other: `${count} alertes en cours` }),
  },
};
