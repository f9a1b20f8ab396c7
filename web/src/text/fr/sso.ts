// La connexion avec le compte chez le fournisseur du cabinet.

import type { Text } from '..';

export const sso: Text['sso'] = {
  kind: 'Encore une étape',
  title: 'Connectez-vous avec votre compte du cabinet',
  sentence:
    'Votre cabinet l’exige pour votre rôle. Vous vous connectez sur la page de connexion de votre cabinet, puis vous revenez ici.',
  no_rings: 'D’ici là, cet appareil ne sonne pas.',
  action: 'Aller à la page de connexion',
  offline: 'Votre cabinet est injoignable pour le moment. Vous pourrez continuer dès qu’il répondra.',
  ends: (time) =>
    `Votre connexion avec votre compte du cabinet prend fin à ${time}. Renouvelez-la maintenant pour ne pas être déconnecté plus tard.`,
  renew: 'Renouveler',
  account: (subject) => `compte du cabinet ${subject}`,
  forget: 'Oublier le compte',
  forget_of: (name) => `Oublier le compte : ${name}`,
  forget_title: 'Oublier ce compte du cabinet ?',
  forget_then:
    'À sa prochaine connexion, cette personne associera de nouveau un compte, et les responsables de la sécurité en seront informés. Les appareils connectés le restent : révoquez ceux qui ne sont pas les siens.',
  forget_yes: 'Oublier ce compte',
  used: (time) => `dernière connexion avec ce compte : ${time}`,
};
