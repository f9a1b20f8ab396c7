import { plural } from '../format';
import { isolate } from '../isolate';
import type { Text } from '..';
import { mid, of } from './names';

type Parts = 'app' | 'key' | 'words' | 'nav' | 'names' | 'times' | 'tab' | 'connection' | 'status' | 'revoked_by';

export const common: Pick<Text, Parts> = {
  app: 'Telcon',
  key: (letter) => `Alt ${letter}`,
  words: {
    try_again: 'Réessayer',
    dismiss: 'Ignorer',
    done: 'Fermer',
    close: 'Fermer',
    one_moment: 'Un instant',
    reload: 'Recharger la page',
    details: 'Détails',
    you: 'Vous',
    warning: 'Alerte',
    attention: 'Attention',
    notice: 'Information',
  },
  nav: {
    label: 'Telcon',
    people: 'Contacts',
    desk: 'Permanence',
    devices: 'Appareils',
    alerts: 'Alertes',
    calls: 'Appels',
    today: 'Aujourd’hui',
    settings: 'Réglages',
    office: (name) => `Cabinet : ${isolate(name)}`,
  },
  names: {
    mid: (name) => mid(name),
    both: (from, to) => `${isolate(from)} et ${mid(to)}`,
    other_side: 'votre correspondant',
    in_organisation: (name, organisation) => `${isolate(name)}, ${isolate(organisation)}`,
  },
  times: {
    there: (time) => `${time} sur place`,
    there_tomorrow: (time) => `demain ${time} sur place`,
    there_yesterday: (time) => `hier ${time} sur place`,
    here: (time) => `${time} chez vous`,
    seconds: (n) => `${n} s`,
    minutes: (n) => `${n} min`,
    hours_minutes: (hours, minutes) => `${hours} h ${minutes} min`,
    on_day: (day, time) => `${day}, ${time}`,
  },
  tab: {
    rings: (name) => `Appel de ${isolate(name)}`,
    of: (name) => `${isolate(name)} · Telcon`,
    in_call: 'En communication · Telcon',
    devices_wait: (n, count) =>
      `${count} ${plural(n, { one: 'appareil attend', other: 'appareils attendent' })} · Telcon`,
    alerts: (n, count) => `${count} ${plural(n, { one: 'alerte', other: 'alertes' })} · Telcon`,
  },
  connection: { connected: 'Connecté', connecting: 'Connexion', offline: 'Hors ligne' },
  status: {
    starting: { kind: 'Telcon', title: 'Un instant', sentences: ['Ouverture des clés de cet appareil.'] },
    unsupported: {
      kind: 'Navigateur non pris en charge',
      title: 'Telcon exige un navigateur capable de chiffrer lui-même les appels',
      sentences: [
        'Ce navigateur ne peut confier le son à Telcon avant de l’envoyer ; or Telcon n’envoie jamais de son en clair.',
        'Ouvrez cette page dans une version récente de Chromium, de Chrome ou d’Edge.',
      ],
    },
    insecure: {
      kind: 'Adresse non sécurisée',
      title: 'Ouvrez Telcon à son adresse https',
      sentences: [
        'Une page chargée sans https a pu être modifiée en chemin ; les navigateurs lui refusent l’usage de clés.',
        'Votre cabinet connaît la bonne adresse. Elle commence par https.',
      ],
    },
    other_tab: {
      kind: 'Un seul onglet à la fois',
      title: 'Telcon est ouvert dans un autre onglet',
      sentences: ['Fermez l’autre onglet : celui-ci prendra aussitôt le relais.'],
    },
    unenrolled: {
      kind: 'Appareil non inscrit',
      title: 'Ce navigateur n’est pas encore configuré',
      sentences: [
        'Demandez à votre cabinet un lien d’inscription et ouvrez-le dans ce navigateur, ou un code et saisissez-le ici. L’un comme l’autre ne sert qu’une fois, et pour vous seul.',
        'Il n’y a pas de mot de passe : personne ne peut s’identifier à votre place depuis un autre appareil.',
      ],
    },
    revoked: {
      kind: 'Accès retiré',
      title: 'Cet appareil a été révoqué',
      sentences: [
        'Il ne peut plus ni appeler, ni être appelé. Ses clés sont encore stockées ici, et n’ouvrent plus rien.',
        'Si vous ne vous y attendiez pas, parlez-en à votre cabinet par un autre moyen.',
      ],
    },
    erased: {
      kind: 'Accès retiré',
      title: 'Cet appareil a été effacé',
      sentences: [
        'Ses clés et tout ce que Telcon stockait ici ont disparu. Il ne peut plus ni appeler, ni être appelé, ni rien lire.',
        'Si vous ne vous y attendiez pas, parlez-en à votre cabinet par un autre moyen.',
      ],
    },
    failed: { kind: 'Arrêt', title: 'Telcon s’est arrêté dans cet onglet', sentences: [] },
  },
  revoked_by: {
    officer: (name, time) => `Ordre ${of(name)}, le ${time}. Cet appareil l’a vérifié.`,
    authority: (time) => `Ordre du détenteur de l’autorité de votre cabinet, le ${time}. Cet appareil l’a vérifié.`,
  },
};
