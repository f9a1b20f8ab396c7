import type { Text } from '..';

export const asking: Text['asking'] = {
  label: (browser, system) => `${browser} sous ${system}`,
  a_browser: 'Un navigateur',
  starting: {
    title: 'Un instant',
    sentence: 'Ce navigateur crée ses clés. Elles ne le quittent jamais.',
    unreachable:
      'Votre cabinet ne répond pas encore. Le lien n’a pas servi. Laissez cette page ouverte : elle réessaie d’elle-même.',
  },
  waiting: {
    title: 'Lisez ce code à votre responsable de la sécurité',
    how: 'Par téléphone ou de vive voix, jamais par la voie qui vous a apporté le lien.',
    code: 'Le code est',
    same: 'Votre responsable de la sécurité voit le même code. S’il diffère, n’allez pas plus loin : quelqu’un s’est interposé.',
    next: 'Dès son accord, Telcon s’ouvre ici de lui-même. Vous pouvez fermer cette page et la rouvrir.',
    until: (time) => `Votre responsable de la sécurité peut répondre jusqu’au ${time}.`,
    unreachable: 'Votre cabinet ne répond pas. Cette page réessaie d’elle-même.',
    other_link: 'Le lien que vous avez ouvert n’a pas servi : ce navigateur attend déjà.',
    stop: 'Ne plus attendre',
    stop_why: 'Pour utiliser un autre lien ici. Le code ci-dessus perd alors sa valeur.',
  },
  refused: {
    title: 'Votre responsable de la sécurité n’a pas approuvé cet appareil',
    sentence: 'Si vous attendiez son accord, demandez un autre lien à votre cabinet.',
  },
  expired: {
    title: 'Personne n’a répondu à temps',
    sentence: 'Demandez un autre lien à votre cabinet, et lisez le code dès que vous l’aurez ouvert.',
  },
  not_completed: {
    title: 'Cet appareil a été approuvé, mais n’a pu être inscrit',
    sentence: (why) =>
      `${why} Vérifiez l’horloge de cet appareil et rechargez la page. Si cela ne suffit pas, prévenez votre responsable de la sécurité.`,
  },
  used: { kind: 'Alerte', title: 'Un autre appareil a ouvert ce lien avant celui-ci' },
  used_sentences: [
    'Si ce n’était pas vous, prévenez aussitôt votre cabinet, par téléphone ou de vive voix : quelqu’un d’autre a peut-être ce lien.',
    'Si c’était vous, dans un autre navigateur, poursuivez dans celui-ci, ou demandez un autre lien à votre cabinet.',
  ],
  erased: 'Rien n’est conservé dans ce navigateur.',
};
