import type { Text } from '..';

export const asking: Text['asking'] = {
  starting: {
    title: 'Un instant',
    sentence: 'Ce navigateur crée ses clés. Elles ne le quittent jamais.',
    unreachable:
      'Votre cabinet n’a pas encore répondu, et le lien n’a pas servi. Laissez cette page ouverte : elle réessaie d’elle-même.',
    refused: (why) => `${why} Le lien n’a pas servi, et cette page réessaie d’elle-même.`,
  },
  waiting: {
    title: 'Lisez ce code à votre responsable de la sécurité',
    how: 'Par téléphone ou de vive voix, jamais par la voie qui vous a apporté le lien.',
    code: 'Le code est',
    same: 'Votre responsable de la sécurité voit le même code. Si le sien diffère, arrêtez-vous : quelqu’un s’est peut-être interposé.',
    next: 'Dès son accord, Telcon s’ouvre ici de lui-même. Vous pouvez fermer cette page et la rouvrir.',
    until: (time) => `Votre responsable de la sécurité peut répondre jusqu’au ${time}.`,
    first_approved:
      'Première des deux approbations : un responsable de la sécurité a approuvé cet appareil. Lisez aussi le code au second.',
    unreachable: 'Votre cabinet ne répond pas. Cette page réessaie d’elle-même.',
    other_link: 'Le lien que vous avez ouvert n’a pas servi : ce navigateur attend déjà.',
  },
  refused: {
    title: 'Votre responsable de la sécurité n’a pas approuvé cet appareil',
    sentence: 'Si vous attendiez son accord, demandez un autre lien à votre cabinet.',
  },
  expired: {
    title: 'Personne n’a répondu à temps',
    sentence: 'Demandez un autre lien à votre cabinet, et lisez le code dès que vous l’aurez ouvert.',
  },
  unverified: {
    title: 'Cet appareil a été approuvé, mais cette approbation n’a pas pu être vérifiée',
    sentence: (why) => `Cet appareil n’a pas pu vérifier la réponse de votre cabinet. ${why}`,
    next: 'Vérifiez l’horloge de cet appareil, puis rechargez la page. Si cela ne suffit pas, prévenez votre responsable de la sécurité.',
    kept: 'Ce navigateur garde ses clés, et refera la demande après le rechargement.',
  },
  not_saved: 'Cet appareil a été approuvé, mais n’est pas encore inscrit',
  stop: {
    action: 'Arrêter et effacer cette demande',
    why: 'La demande ne sera plus valable, et ce navigateur pourra ouvrir un autre lien.',
    failed: 'Cette demande n’a pas été effacée',
    failed_why:
      'Ce navigateur n’a pas pu effacer ses clés. Réessayez, ou rechargez la page pour poursuivre la demande.',
  },
  used: { kind: 'Alerte', title: 'Un autre appareil a ouvert ce lien avant celui-ci' },
  used_sentences: [
    'Si ce n’était pas vous, prévenez immédiatement votre cabinet, par téléphone ou de vive voix : quelqu’un d’autre a peut-être ce lien.',
    'Si c’était vous, dans un autre navigateur, poursuivez dans celui-ci, ou demandez un autre lien à votre cabinet.',
  ],
  erased: 'Rien n’est conservé dans ce navigateur.',
  not_erased:
    'Ce navigateur n’a pas pu effacer les clés de cette demande. Elles ne servent plus à rien. Rechargez la page pour réessayer.',
};
