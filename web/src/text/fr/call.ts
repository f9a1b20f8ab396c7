import { capitalise, plural } from '../format';
import { isolate } from '../isolate';
import type { Text } from '..';
import { mid, of } from './names';

const TWO_LOGS =
  'Des appels ou des appareils vous sont peut-être cachés. Enregistrez les preuves, remettez-les au responsable de la sécurité par un autre moyen que le serveur de ce cabinet, et ne passez aucun appel confidentiel tant que l’explication n’est pas connue.';

export const call: Text['call'] = {
  private_verified: 'Privé, vérifié',
  private: 'Privé',
  on_record: {
    log_only: 'Journal seul',
    memo: 'Appel transcrit',
    audio: 'Appel transcrit et enregistré',
  },
  not_recorded: 'Appel non consigné',
  note_taker_joining: 'Le rédacteur rejoint l’appel',
  timer: 'Durée de la communication',
  you_are_muted: 'Votre micro est coupé',
  same_words: 'Les mêmes mots sur tous les écrans',
  in_call: 'Participants',
  nobody_else: 'Personne d’autre ne peut entendre',
  keys_pending: 'Les appareils établissent les clés.',
  mute: 'Couper le micro',
  unmute: 'Rétablir le micro',
  end: 'Raccrocher',
  stop_listening: 'Cesser d’écouter',
  more_below: 'Suite ci-dessous',
  your_level: 'Niveau de votre micro',
  speaking: 'parle',
  listens: (names, n) => `${capitalise(names)} ${plural(n, { one: 'écoute', other: 'écoutent' })}`,
  does: {
    principal: 'intervenant',
    counterpart: 'intervenant',
    duty_officer: 'écoute',
    note_taker: 'écoute et transcrit l’appel',
    interpreter: 'écoute, interprète',
    scheduler: 'participant',
    auditor: 'participant',
    security_officer: 'participant',
    records_officer: 'participant',
  },
  this_device: 'cet appareil',
  muted: 'micro coupé',
  not_responding: 'ne répond plus',
  use_microphone: 'Utiliser le micro',
  play_sound: 'Activer le son',
  details: {
    suite: 'Chiffrement',
    epoch: 'Série de clés',
    opened: 'Inscription au journal',
    logs: 'Journal du cabinet',
  },
  suites: { hybrid: 'ML-KEM-768 et X25519, AES-256-GCM', cnsa2: 'ML-KEM-1024, ML-DSA-87, AES-256-GCM' },
  why_not_recorded: {
    lost: 'Le rédacteur ne répond plus : ce qui se dit à présent n’est peut-être pas consigné.',
    none: 'Cet appel devrait être consigné, mais aucun rédacteur n’y participe.',
    tell_office: 'Prévenez votre cabinet.',
  },
  alarms: {
    reconnecting: {
      title: 'Reconnexion',
      sentence: 'La connexion est interrompue. L’appel reprendra dès qu’elle sera rétablie.',
    },
    silent: {
      title: (name) => `Aucun son ${of(name)}`,
      sentence:
        'La connexion est peut-être interrompue, de votre côté ou de l’autre. Si le son ne revient pas, raccrochez, puis rappelez.',
    },
    muted: {
      title: (name) => `Le micro ${of(name)} est coupé`,
      sentence: 'Il est coupé ou indisponible, et votre correspondant voit que vous ne l’entendez pas.',
    },
    away: {
      title: (name) => `${capitalise(mid(name))} n’est plus en ligne`,
      sentence: 'Sa page a été fermée, ou sa connexion est perdue. L’appel prendra fin de lui-même sans son retour.',
    },
    alone: {
      title: 'Il n’y a plus que vous dans cet appel',
      sentence: (name) =>
        `${capitalise(isolate(name))} a quitté l’appel : de son côté, plus personne ne vous entend. Raccrochez, puis rappelez.`,
    },
    denied: {
      title: 'On ne vous entend pas',
      sentence:
        'Ce navigateur n’est pas autorisé à utiliser le micro. Autorisez-le à côté de l’adresse de la page, puis appuyez sur le bouton.',
    },
    missing: {
      title: 'On ne vous entend pas',
      sentence: 'Aucun micro n’a été trouvé. Branchez-en un, puis appuyez sur le bouton.',
    },
    silenced: {
      title: 'On ne vous entend pas',
      sentence: 'Le micro a été coupé par cet ordinateur, ou un autre programme l’utilise.',
    },
    sound_blocked: {
      title: 'Vous n’entendez pas votre correspondant',
      sentence: 'Votre navigateur attend que vous appuyiez sur un bouton pour diffuser le son.',
    },
    problem: 'Anomalie',
  },
  ended: {
    declined_by_you: { title: 'Vous avez refusé l’appel', sentence: 'Il a cessé de sonner sur tous vos appareils.' },
    declined: { title: 'Appel refusé', sentence: (name) => `${capitalise(mid(name))} a refusé l’appel.` },
    cancelled_by_them: {
      title: 'Appel manqué',
      sentence: (name) => `${capitalise(mid(name))} a raccroché avant que vous ne répondiez.`,
    },
    cancelled: { title: 'Vous avez annulé l’appel', sentence: 'Personne n’avait encore répondu.' },
    missed_by_you: { title: 'Appel manqué', sentence: 'L’appel a sonné ici et est resté sans réponse.' },
    missed: { title: 'Sans réponse', sentence: (name) => `${capitalise(mid(name))} n’a pas répondu.` },
    busy: { title: 'Occupé', sentence: (name) => `${capitalise(mid(name))} est déjà en communication.` },
    failed: {
      title: 'L’appel a été interrompu',
      sentence:
        'Un appareil a rejeté ce qu’il recevait, ou n’est pas parvenu à chiffrer. Rien n’a été envoyé en clair.',
    },
    failed_ring: {
      title: 'Appel manqué',
      sentence: (name) => `Une défaillance a mis fin à l’appel ${of(name)} avant votre réponse.`,
    },
    interrupted: {
      title: 'La connexion a été perdue',
      sentence: 'L’appel a pris fin alors que cet appareil n’était pas connecté.',
    },
    revoked: {
      title: 'L’appel a pris fin',
      sentence:
        'Le cabinet a révoqué un appareil qui participait à cet appel, ou une délégation y a pris fin. Consultez votre cabinet avant de rappeler.',
    },
    taken_elsewhere: {
      title: 'Appel pris sur un autre appareil',
      sentence: 'Vous avez répondu sur un autre de vos appareils.',
    },
    hung_up_by_you: { title: 'Vous avez raccroché', sentence: 'Les clés de l’appel sont effacées de cet appareil.' },
    hung_up_by: (name: string) => `${isolate(name)} a raccroché`,
    hung_up: { title: 'L’appel est terminé', sentence: 'Les clés de l’appel sont effacées de cet appareil.' },
    lasted: (duration) => `Durée : ${duration}`,
    missing: 'Il manque :',
  },
  kept: {
    later: {
      title: 'L’appel est inscrit au journal',
      sentence: 'Ce qui en a été conservé figurera dans la liste des appels.',
    },
    not_logged: {
      title: 'Aucun procès-verbal',
      sentence: 'L’appel n’a pas été inscrit au journal ; il n’a donc jamais sonné.',
    },
    attempt: {
      title: 'La tentative est inscrite au journal',
      sentence: 'Il n’y a pas eu de conversation ; rien d’autre n’est conservé.',
    },
    log_only: {
      title: 'L’appel est inscrit au journal',
      sentence: 'Qui a appelé, quand, et comment l’appel a pris fin. Rien de ce qui a été dit n’est conservé.',
    },
    partial: {
      title: 'Scellé, incomplet',
      sentence: 'Le rédacteur n’a pas tout reçu. Les dépositaires peuvent lire ce qui manque.',
    },
    sealed: { title: 'Le procès-verbal est scellé', sentence: 'Les dépositaires peuvent l’ouvrir.' },
    none: {
      title: 'Il n’y a pas de procès-verbal',
      sentence: 'Le journal indique qui a appelé, quand, et comment l’appel a pris fin. Prévenez votre cabinet.',
    },
    none_missing: {
      memo: 'tout ce qui a été dit. Aucun rédacteur n’a participé à cet appel.',
      audio: 'tout ce qui a été dit, transcription et son. Aucun rédacteur n’a participé à cet appel.',
    },
    doubtful: { title: 'Le procès-verbal est peut-être incomplet', sentence: 'Prévenez votre cabinet.' },
    doubtful_missing: {
      memo: 'peut-être la fin de la conversation. Le rédacteur ne répondait plus à la fin de l’appel.',
      audio:
        'peut-être la fin de la conversation, transcription et son. Le rédacteur ne répondait plus à la fin de l’appel.',
    },
    pending: {
      title: 'Le procès-verbal est en cours de scellement',
      sentence: 'Le rédacteur le scelle à l’intention des dépositaires. Il figurera dans la liste des appels.',
    },
    log_entry: (n) => `inscription n° ${n} au journal`,
    sealed_entry: (n) => `scellé, inscription n° ${n} au journal`,
  },
  same_log: 'Concorde avec le journal vu par un autre appareil de cet appel',
  two_logs: {
    in_call: {
      title: 'Le journal du cabinet a deux versions',
      sentence: TWO_LOGS,
    },
    how: {
      roots_differ: `Le journal du cabinet a deux versions : cet appareil et un autre appareil de votre appel ont reçu des historiques différents. ${TWO_LOGS}`,
      proof_refused: `Le journal du cabinet semble avoir deux versions : le serveur ne prouve pas qu’un autre appareil de votre appel a reçu le même historique que celui-ci. ${TWO_LOGS}`,
      proof_overdue: `Le journal du cabinet semble avoir deux versions : le serveur n’a pas prouvé à temps qu’un autre appareil de votre appel a reçu le même historique que celui-ci. ${TWO_LOGS}`,
    },
    own: 'Ce que cet appareil a reçu, signé par le journal :',
    other: 'Ce que l’autre appareil a reçu, signé par le journal :',
    save: 'Enregistrer les preuves',
  },
};
