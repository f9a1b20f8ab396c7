import type { en } from '../en';
import { capitalise } from '../format';
import { isolate } from '../isolate';
import { mid, of } from './names';

export const moves: (typeof en)['moves'] = {
  your: (device) => `votre appareil ${isolate(device)}`,
  another: 'un autre appareil',
  elsewhere: (other, where) => `Vous êtes en communication avec ${mid(other)} sur ${where}.`,
  here: 'Continuer ici',
  back_here: 'Le reprendre ici',
  arriving: {
    title: 'L’appel arrive ici',
    sentence: (where) => `Il est encore sur ${where}, et rien n’est émis d’ici. Il passera ici dès que le son sera là.`,
  },
  stay: 'Le laisser là-bas',
  no_microphone: {
    denied:
      'Ce navigateur n’est pas autorisé à utiliser le micro : l’appel reste où il est. Autorisez-le à côté de l’adresse de la page, puis réessayez.',
    missing: 'Aucun micro n’a été trouvé ici : l’appel reste où il est. Branchez-en un, puis réessayez.',
  },
  ended: {
    title: (where) => `Repris sur ${where}`,
    sentence: 'L’appel continue là-bas. Ses clés sont effacées de cet appareil.',
    goes_on: { title: 'L’appel continue', sentence: 'Il est consigné jusqu’à sa fin.' },
  },
  two_devices: 'sur deux appareils pour un instant',
  hold: {
    action: 'Mettre en attente',
    title: 'Mettre l’appel en attente',
    then: 'Aucun son n’est émis, dans aucun sens, jusqu’à la reprise. Les autres voient ce que vous choisissez.',
    words: {
      moment: 'Un instant, je vous prie.',
      coming: 'Un instant : la personne que vous appelez arrive.',
      looking_up: 'Un instant : nous vérifions quelque chose.',
    },
    own_words: 'Avec vos propres mots, si vous voulez',
    back: 'Retour',
    resume: 'Reprendre',
    own: 'Vous avez mis l’appel en attente',
    by: (name) => `Mis en attente par ${mid(name)}`,
    said: (word, text) => (text ? `${word} ${isolate(text)}` : word),
    your_microphone: 'En attente : votre micro est coupé',
  },
  hand_over: {
    action: (principal) => `Passer l’appel : ${mid(principal)}`,
    again: (principal) => `Rappeler ${mid(principal)}`,
    back: (principal) => `Faire revenir ${mid(principal)}`,
    asked: (principal) => `L’appel est proposé : ${mid(principal)}.`,
    for_you: (delegate, other) => `${capitalise(mid(delegate))} garde pour vous l’appel ${of(other)}.`,
    notification: 'Ouvrez Telcon pour prendre l’appel.',
  },
};
