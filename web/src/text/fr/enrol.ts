import type { Text } from '..';
import { mid, of } from './names';

export const enrol: Text['enrol'] = {
  kind: 'Inscription',
  title: 'Inscrire ce navigateur',
  title_for: (name) => `Inscrire ce navigateur pour ${mid(name)}`,
  sentence:
    'Les clés sont créées ici et ne quittent jamais cet appareil. Le lien ne sert qu’une fois ; il est ensuite sans valeur pour quiconque.',
  action: 'Inscrire ce navigateur',
  not_you: 'Ce n’est pas vous ? Fermez cette page et prévenez votre cabinet.',
  still_valid: (name) => `Ce lien inscrit le navigateur pour ${mid(name)}.`,
  nothing_stored: 'Ce navigateur n’est pas inscrit. Rien n’y a été conservé.',
  already: (name) =>
    `Ce navigateur est déjà inscrit comme l’appareil ${of(name)} : le lien d’inscription n’a pas été utilisé. S’il est destiné à un autre navigateur, ouvrez-le dans celui-ci.`,
  somebody: 'quelqu’un d’autre',
};
