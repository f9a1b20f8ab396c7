// Les prises de poste sur l'appareil d'un lieu.

import type { Text } from '..';

export const shift: Text['shift'] = {
  kind: 'Personne n’est en poste',
  sentence: 'Cet appareil est partagé. Il ne montre rien de votre cabinet tant que personne n’est en poste.',
  how: 'Identifiez-vous avec votre propre clé d’accès : celle qui protège l’un de vos appareils. Si elle est sur votre téléphone ou sur une clé de sécurité, choisissez-la quand votre navigateur le demande.',
  no_passkeys:
    'Ce navigateur ne peut pas utiliser de clés d’accès : personne ne peut prendre son poste ici. Demandez à votre responsable de la sécurité.',
  begin: 'S’identifier et prendre son poste',
  offline: 'Votre cabinet est injoignable pour le moment. Vous pourrez vous identifier dès qu’il répondra.',
  label: 'Qui est en poste',
  line: (name, since, until) => `${name} en poste depuis ${since}, jusqu’à ${until} au plus tard`,
  elsewhere: (name) => `${name} en poste, selon le serveur du cabinet`,
  end: 'Quitter le poste',
  hand_over: 'Passer le relais',
  hand_over_title: 'Passer le relais ?',
  hand_over_how:
    'La personne qui prend la suite s’identifie avec sa propre clé d’accès. Votre poste se termine alors, et un appel écouté sur cet appareil continue.',
  take_over: 'S’identifier et prendre la suite',
  at: (place) => `Lieu : ${place}`,
  ends: {
    handed_over: 'relais passé',
    idle: 'terminé : personne n’utilisait l’appareil',
    expired: 'terminé après la durée maximale',
    revoked: 'terminé : un appareil a été révoqué',
    not_begun: 'n’a pas commencé',
    lost: 'terminé par une restauration du serveur',
  },
};
