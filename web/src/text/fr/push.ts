// The worker has no page: nothing of the page's is imported.
import type { push as en } from '../en/push';

export const push: typeof en = {
  rings: {
    title: 'Appels lorsque la page est fermée',
    ask: 'Me signaler les appels lorsque la page est fermée',
    why: 'Le service de notification de votre navigateur achemine la notification. Il sait quand elle est envoyée, mais pas qui appelle.',
    off: 'Désactivé. Cet appareil ne sonne que lorsque cette page est ouverte.',
    on: 'Activé. Ce navigateur vous signale les appels même lorsque cette page est fermée.',
    turn_off: 'Ne plus me signaler les appels lorsque la page est fermée',
  },
  alerts: {
    title: 'Alertes lorsque la page est fermée',
    ask: 'Me prévenir lorsque la page est fermée',
    why: 'Le service de notification de votre navigateur les achemine. Il sait quand une notification est envoyée, mais pas ce qu’elle contient.',
    off: 'Désactivées. Vous ne voyez les alertes que lorsque cette page est ouverte.',
    on: 'Activées. Ce navigateur affiche les alertes du cabinet même lorsque cette page est fermée.',
    turn_off: 'Désactiver ces notifications',
  },
  not_now: 'Pas maintenant',
  later_in_settings: 'Vous pouvez changer ce choix dans les réglages.',
  blocked: 'Bloquées par ce navigateur',
  blocked_how:
    'Pour les activer, ouvrez les paramètres du site à côté de l’adresse, autorisez les notifications, puis rechargez la page.',
  unsupported:
    'Ce navigateur ne peut pas afficher de notifications lorsque la page est fermée. Sur un iPhone ou un iPad, ajoutez d’abord cette page à l’écran d’accueil, puis ouvrez-la de là.',
  no_push: 'Ce cabinet n’envoie pas de notifications lorsque la page est fermée.',
  failed: 'La modification a échoué.',
  shown: {
    language: 'fr',
    title: 'Telcon : alerte pour le responsable de la sécurité',
    ring: { title: 'Appel entrant', body: 'Ouvrez Telcon pour voir qui. Son identité y est vérifiée.' },
    see: 'Voir qui appelle',
    later: 'Pas maintenant',
    missed: { title: 'Appel manqué', body: 'Ouvrez Telcon pour voir qui a appelé.' },
    asked: {
      title: 'Votre cabinet vous attend dans un appel',
      body: 'Ouvrez Telcon pour voir qui y participe et prendre la suite.',
    },
    over: { title: 'L’appel est terminé', body: 'Quelqu’un y a répondu ou l’a refusé.' },
    other_title: 'Telcon',
    other: 'Ouvrez Telcon',
  },
};
