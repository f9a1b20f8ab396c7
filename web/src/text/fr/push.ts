// The worker has no page: nothing of the page's is imported.
import type { push as en } from '../en/push';

export const push: typeof en = {
  title: 'Alertes lorsque la page est fermée',
  ask: 'Me prévenir lorsque la page est fermée',
  why: 'Le service de notification de votre navigateur les achemine. Il apprend qu’il y en a une, et non ce qu’elle dit.',
  off: 'Désactivé. Vous ne voyez les alertes que lorsque cette page est ouverte.',
  on: 'Activé. Ce navigateur affiche les alertes du cabinet même lorsque cette page est fermée.',
  turn_off: 'Désactiver ces notifications',
  blocked: 'Bloqué par ce navigateur',
  blocked_how:
    'Pour les activer, ouvrez les paramètres du site à côté de l’adresse, autorisez les notifications, puis rechargez la page.',
  unsupported: 'Ce navigateur ne peut pas afficher de notifications lorsque la page est fermée.',
  no_push: 'Ce cabinet n’envoie pas de notifications lorsque la page est fermée.',
  failed: 'La modification n’a pas pu se faire',
  shown: {
    language: 'fr',
    title: 'Telcon : alerte pour le responsable de la sécurité',
    other_title: 'Telcon',
    other: 'Ouvrez Telcon',
    kinds: {
      device_asked: 'Un nouvel appareil demande son inscription.',
      device_enrolled: 'Un appareil a été inscrit.',
      device_refused: 'Un appareil a été refusé.',
      device_revoked: 'Un appareil a été révoqué.',
      link_opened_again: 'Le lien d’une invitation a été ouvert sur un second appareil.',
      registrar_appointed: 'Un appareil a été habilité à inscrire.',
      sign_in_failed: 'Une identification a échoué.',
      ring_refused: 'Un appareil a émis un appel qui ne se vérifie pas.',
      proof_invalid: 'Sur un appareil, une preuve ne s’est pas vérifiée.',
      log_forked: 'Un appareil a reçu un autre journal qu’auparavant.',
      ring_invalid: 'Le serveur a transmis un appel qui ne se vérifie pas.',
    },
  },
};
