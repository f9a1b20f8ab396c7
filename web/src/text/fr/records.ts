import { plural } from '../format';
import type { Text } from '..';
import { mid } from './names';

export const records: Text['records'] = {
  title: 'Appels',
  stale: 'Hors ligne. Cette liste est peut-être périmée ; elle sera actualisée au retour de la connexion.',
  failed: 'La liste n’a pu être chargée',
  not_refreshed: (why) => `Cette liste est peut-être périmée : elle n’a pas pu être actualisée. ${why}`,
  no_connection: {
    title: 'Pas de connexion',
    sentence: 'La liste des appels est conservée à votre cabinet. Elle sera chargée au retour de la connexion.',
  },
  older: 'Afficher les appels plus anciens',
  loading: { title: 'Un instant', sentence: 'Chargement de la liste des appels.' },
  empty: {
    title: 'Aucun appel pour le moment',
    sentence: 'Chaque appel et chaque tentative figureront ici, avec leur preuve.',
  },
  you_called: 'Appel émis',
  called_you: 'Appel reçu',
  ringing: 'en sonnerie',
  live: 'en cours',
  missed: 'Manqué',
  missed_calls: (n, count) => plural(n, { one: `${count} appel manqué`, other: `${count} appels manqués` }),
  unanswered_calls: (n, count) =>
    plural(n, { one: `${count} appel sans réponse`, other: `${count} appels sans réponse` }),
  ended: {
    hung_up: 'terminé',
    declined: 'refusé',
    cancelled: 'annulé par l’appelant',
    missed: 'sans réponse',
    busy: 'occupé',
    failed: 'interrompu : un appareil a rejeté ce qu’il recevait',
    interrupted: 'connexion perdue',
    revoked: 'terminé : un appareil a été révoqué, ou une délégation a pris fin',
  },
  sealed: 'Scellé',
  sealed_partial: 'Scellé, incomplet',
  no_record: 'Aucun procès-verbal',
  not_sealed: 'Scellement en cours',
  overdue: 'Procès-verbal en retard',
  modes: { log_only: 'Journal seul', memo: 'Transcription', audio: 'Transcription et son' },
  one: {
    title: 'Procès-verbal',
    heading: 'Procès-verbal d’entretien téléphonique',
    caution:
      'Cette feuille ne dit rien de la teneur de l’entretien. Cet appareil peut prouver le procès-verbal ; il ne peut pas le lire.',
    proof: 'Preuve',
    failed: 'Le procès-verbal n’a pu être vérifié',
    no_connection: {
      title: 'Pas de connexion',
      sentence: 'La preuve est conservée à votre cabinet. Elle sera chargée et vérifiée au retour de la connexion.',
    },
    loading: { title: 'Un instant', sentence: 'La preuve est chargée et vérifiée sur cet appareil.' },
    which: (names, date) => `${names}, ${date}`,
    passed: 'Conforme : ',
    pending: 'En attente : ',
    overdue: 'En retard : ',
    not_passed: 'Échec : ',
    not_refreshed: (why) => `Vérifié auparavant. Une nouvelle vérification n’a pas abouti. ${why}`,
  },
  fields: {
    participants: 'Participants',
    listened: 'À l’écoute',
    date: 'Date',
    time: 'Heure',
    duration: 'Durée',
    placed: 'Établissement',
    ended: 'Fin',
    kept: 'Conservé',
    at: (time, name) => `${time} pour ${mid(name)}`,
    at_day_before: (time, name) => `${time} pour ${mid(name)} (la veille)`,
    at_day_after: (time, name) => `${time} pour ${mid(name)} (le lendemain)`,
    direct: (time) => `Appel direct, ouvert à ${time} chez vous`,
    not_ended: 'Toujours en cours',
    attempt: 'La tentative, au journal',
    log_only: 'Journal seul',
    should_be: (mode) => `Aurait dû être conservé : ${mode}`,
    wrote: (person) => `${person} (rédacteur du procès-verbal)`,
    nobody: 'Aucun',
  },
  how: {
    hung_up: 'Un participant a raccroché',
    declined: 'Appel refusé',
    cancelled: 'Annulé par l’appelant',
    missed: 'Sans réponse',
    busy: 'Le correspondant était déjà en communication',
    failed: 'Interrompu : un appareil a rejeté ce qu’il recevait, ou n’a pu chiffrer',
    interrupted: 'La connexion a été perdue',
    revoked: 'Un appareil de l’appel a été révoqué, ou une délégation a pris fin',
  },
  seal: {
    several: (count) => `Scellé en ${count} procès-verbaux. Les dépositaires peuvent les ouvrir.`,
    several_partial: (count) => `Scellé en ${count} procès-verbaux, tous incomplets.`,
    several_by: (count) => `${count} rédacteurs ont écouté, et chacun a scellé ce qu’il a entendu.`,
    several_partial_by: (count) =>
      `${count} rédacteurs ont écouté, et chacun a scellé ce qu’il a entendu. Les procès-verbaux indiquent ce qui manque et pourquoi.`,
    partial: {
      title: 'Scellé, incomplet.',
      sentence:
        'Le rédacteur atteste qu’il manque une partie de l’entretien. Le procès-verbal indique laquelle et pourquoi ; les dépositaires peuvent l’ouvrir.',
    },
    whole: {
      title: 'Scellé. Les dépositaires peuvent l’ouvrir.',
      sentence: 'Il a été scellé sur la machine du rédacteur. Ni cet appareil ni le serveur n’en possèdent la clé.',
    },
    broken: {
      title: 'Ce procès-verbal n’est pas fiable.',
      sentence: 'Une vérification a échoué : ce que dit cette feuille n’est peut-être pas ce qui s’est passé.',
    },
    not_over: {
      title: 'L’appel est toujours en cours.',
      sentence: 'Le procès-verbal sera scellé à la fin de l’appel.',
    },
    nothing_said: { title: 'Il n’y a pas eu de conversation.', sentence: 'La tentative elle-même figure au journal.' },
    log_only: {
      title: 'Seul le journal a été conservé.',
      sentence: 'Qui a appelé, quand, et comment l’appel a pris fin. Rien de ce qui a été dit n’a été consigné.',
    },
    none: {
      title: 'Il n’y a pas de procès-verbal.',
      sentence:
        'Ce qui a été dit n’a pas été consigné, ou n’a pas été remis. Le journal en donne la raison, que chacun peut vérifier.',
    },
    overdue: {
      title: 'Le procès-verbal est en retard.',
      sentence:
        'Il aurait dû arriver quelques minutes après l’appel, et le journal n’en donne pas la raison. Prévenez votre responsable des archives.',
    },
    pending: {
      title: 'Le procès-verbal n’est pas encore arrivé.',
      sentence:
        'Le rédacteur le remet dès que possible. Un procès-verbal qui reste manquant figure dans l’état des lacunes.',
    },
  },
  verdict: {
    when: (time) => `Vérifié sur cet appareil à ${time}, sans se fier au serveur.`,
    pending: 'Pas encore complet',
    call_goes_on: 'L’appel est toujours en cours. Jusqu’ici, tout est conforme.',
    overdue: 'Procès-verbal en retard',
    overdue_why:
      'Le procès-verbal aurait déjà dû arriver, et le journal n’en donne pas la raison. Tout le reste est conforme. Prévenez votre responsable des archives.',
    on_its_way: 'Le procès-verbal est en route. Jusqu’ici, tout est conforme.',
    none: 'Il n’y a pas de procès-verbal',
    none_why: (why) => `Le journal en donne la raison : ${why}.`,
    partial: 'Authentique mais incomplet',
    partial_why: 'Le rédacteur atteste qu’il manque une partie. Le procès-verbal indique laquelle et pourquoi.',
    whole: 'Authentique et complet',
    attempt: 'La tentative figure au journal',
    log_only: 'L’appel figure au journal',
    broken: 'Ce procès-verbal n’est pas fiable',
    broken_why: (n, count) =>
      plural(n, {
        one: `${count} vérification a échoué. Prévenez votre responsable des archives.`,
        other: `${count} vérifications ont échoué. Prévenez votre responsable des archives.`,
      }),
  },
  checks: {
    opened: 'Inscrit au journal avant de sonner',
    devices: 'Chaque appareil figure au journal',
    ended: 'Sa fin figure au journal',
    line: 'Conforme à ce qui a été signé',
    missing: 'Aucun procès-verbal : le journal dit pourquoi',
    sealed: 'Scellé par son rédacteur',
    digest: 'L’empreinte figure au journal',
    continues: 'Le journal prolonge celui que cet appareil a vu',
    waiting: 'Attendu une fois le procès-verbal scellé.',
    waiting_end: 'Attendu à la fin de l’appel.',
    late: 'Il aurait déjà dû arriver.',
  },
  details: {
    line: 'Noms, mode et heures',
    entry: (n) => `Inscription n° ${n} au journal`,
    size: (n) => `Journal de ${n} inscriptions`,
    devices: (list) => `Inscriptions au journal des appareils : ${list}`,
    parts: (name, n, count) => `${name} · ${plural(n, { one: `${count} élément`, other: `${count} éléments` })}`,
    partial: (parts) => `${parts} · incomplet`,
    digest: (entry, n, count) =>
      `Inscription n° ${entry} · preuve de ${plural(n, { one: `${count} empreinte`, other: `${count} empreintes` })}`,
  },
};
