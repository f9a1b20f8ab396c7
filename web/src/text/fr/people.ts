import { isolate } from '../isolate';
import type { Text } from '..';

export const people: Text['people'] = {
  title: 'Contacts',
  verified: 'Cet appareil est vérifié',
  search: 'Rechercher un contact',
  search_hint: 'Nom ou institution',
  favourites: 'Favoris',
  everyone: 'Tous les contacts',
  favourite: (name) => `${isolate(name)} : favori`,
  favourite_add: 'Ajouter aux favoris',
  favourite_remove: 'Retirer des favoris',
  ring: 'Appeler',
  ring_person: (name) => `Appeler ${isolate(name)}`,
  silenced: 'Appelants mis en sourdine',
  silenced_one: 'En sourdine',
  let_ring: 'Laisser sonner de nouveau',
  let_ring_person: (name: string) => `Laisser sonner de nouveau : ${isolate(name)}`,
  recovered: (day) => `Accès récupéré le ${day} par deux responsables de la sécurité`,
  you_recovered: (day) =>
    `Deux responsables de la sécurité ont installé cet appareil pour vous le ${day}, après la perte de tous les autres. Pendant trente jours, quiconque peut vous appeler le voit. Si vous ne l’avez pas demandé, prévenez tout de suite votre cabinet.`,
  available: 'Disponible',
  offline: 'Hors ligne',
  notified: 'Joignable par notification',
  you_offline: 'Vous êtes hors ligne',
  none_found: { title: 'Aucun contact à ce nom', sentence: 'Saisissez moins de lettres, ou le nom de l’institution.' },
  none: {
    title: 'Aucun contact pour le moment',
    sentence: 'Votre cabinet décide qui cet appareil peut appeler. Demandez-lui d’ajouter vos correspondants.',
  },
  unreachable: {
    title: 'Pas de connexion',
    sentence: 'Votre cabinet est injoignable. Cette page continue d’essayer.',
  },
  connecting: { title: 'Connexion', sentence: 'Chargement de vos contacts.' },
  not_connected:
    'Vous êtes hors ligne : aucun appel n’est possible, ni dans un sens ni dans l’autre. Cette page tente de se reconnecter.',
  connecting_line: 'Connexion à votre cabinet…',
};
