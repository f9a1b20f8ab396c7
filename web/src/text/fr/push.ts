// The worker has no page: nothing of the page's is imported.
import type { push as en } from '../en/push';

export const push: typeof en = {
  title: 'Alertes lorsque la page est fermée',
  ask: 'Me prévenir lorsque la page est fermée',
  why: 'Le service de notification de votre navigateur les achemine. Il sait quand une notification est envoyée, mais pas ce qu’elle contient.',
  off: 'Désactivées. Vous ne voyez les alertes que lorsque cette page est ouverte.',
  on: 'Activées. Ce navigateur affiche les alertes du cabinet même lorsque cette page est fermée.',
  turn_off: 'Désactiver ces notifications',
  blocked: 'Bloquées par ce navigateur',
  blocked_how:
    'Pour les activer, ouvrez les paramètres du site à côté de l’adresse, autorisez les notifications, puis rechargez la page.',
  unsupported: 'Ce navigateur ne peut pas afficher de notifications lorsque la page est fermée.',
  no_push: 'Ce cabinet n’envoie pas de notifications lorsque la page est fermée.',
  failed: 'La modification a échoué.',
  shown: {
    language: 'fr',
    title: 'Telcon : alerte pour le responsable de la sécurité',
    other_title: 'Telcon',
    other: 'Ouvrez Telcon',
  },
};
