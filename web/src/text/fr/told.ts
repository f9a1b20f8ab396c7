import type { Text } from '..';

export const told: Text['told'] = {
  other_office: 'Ce lien provient d’un autre cabinet. Ne poursuivez pas.',
  link_used: 'Ce lien a déjà servi. Chaque lien vaut pour un seul appareil : demandez-en un autre à votre cabinet.',
  link_expired: 'Ce lien a expiré. Demandez-en un nouveau à votre cabinet.',
  link_early: 'Ce lien n’est pas encore valable. Vérifiez l’horloge de cet appareil.',
  link_damaged:
    'Ce lien est altéré ou incomplet. Copiez-le en entier et ouvrez-le de nouveau, ou demandez-en un nouveau à votre cabinet.',
  update_device: 'La version de Telcon de cet appareil est périmée. Rechargez la page pour la mettre à jour.',
  in_a_call: 'Mettez d’abord fin à l’appel en cours.',
  not_listed: 'Cette personne ne figure pas dans la liste de votre cabinet.',
  not_connected_offices: 'Cette personne relève d’un autre cabinet, auquel le vôtre n’est pas relié.',
  yourself: 'Vous ne pouvez pas vous appeler vous-même.',
  call_over: 'Cet appel est terminé, ou ne peut être rejoint.',
  old_ring: 'Un appel antérieur s’est répété. Il n’a pas été présenté.',
  unverified_ring: (why) =>
    `Un appel n’a pu être vérifié et n’a pas été présenté (${why}). Prévenez votre responsable de la sécurité.`,
  too_many: 'Trop d’appels depuis cet appareil. Patientez une minute, puis réessayez.',
  unreachable: 'Cette personne n’a pas d’appareil ici.',
  keys_lost:
    'Cette page a été rechargée, et aucun autre appareil n’a pu la réadmettre dans l’appel. Appelez de nouveau.',
  full: 'L’appel est complet : quelqu’un doit d’abord le quitter.',
  untrusted: (why) =>
    `Il a été mis fin à l’appel, car il n’était pas digne de confiance (${why}). Prévenez votre responsable de la sécurité.`,
  log_rewritten:
    'Le journal du cabinet a été modifié après coup. N’appelez plus, et prévenez votre responsable de la sécurité.',
  revoked_unproved:
    'Le serveur du cabinet affirme que cet appareil est révoqué, sans en donner la preuve. Consultez votre responsable de la sécurité.',
  other_call:
    'Le serveur du cabinet affirme que cet appareil participe à un autre appel. Prévenez votre responsable de la sécurité.',
  restarting: 'Le serveur de votre cabinet redémarre. Réessayez dans un instant.',
  no_note_taker: 'aucun rédacteur n’a participé à l’appel',
  not_delivered: 'un rédacteur a participé à l’appel, mais son procès-verbal n’est pas arrivé à temps',
};
