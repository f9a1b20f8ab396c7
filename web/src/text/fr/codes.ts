import type { Text } from '..';
import { plural } from '../format';

export const codes: Text['codes'] = {
  enter: {
    label: 'Code',
    hint: 'Dix chiffres que votre responsable de la sécurité vous lit. Ils sont valables dix minutes.',
    action: 'Continuer',
    working: 'Vérification du code…',
  },
  show: {
    titles: {
      none: 'Ou lisez un code à voix haute',
      opening: 'Un instant',
      open: 'Lisez ce code à voix haute',
      over: 'Le code',
    },
    why: 'Pour une personne qui ne peut pas recevoir de lien : elle saisit dix chiffres que vous lui lisez. Le serveur de votre cabinet n’apprend pas le code.',
    action: 'Afficher un code',
    opening: 'Création du code…',
    code: 'Le code est',
    how: (address) => `La personne ouvre ${address} et saisit ce code. Il sert une seule fois.`,
    until: (time) => `Valable jusqu’au ${time}. Gardez cette page ouverte jusque-là.`,
    wrong: (n, count) =>
      plural(n, {
        one: 'Un code erroné a été saisi. Après trois codes erronés, il est bloqué.',
        other: `${count} codes erronés ont été saisis. Après trois codes erronés, il est bloqué.`,
      }),
    hide: 'Retirer ce code',
    again: 'Afficher un nouveau code',
    late: 'Quelqu’un d’autre a saisi ce code aussi. N’approuvez l’appareil que si son code est exactement celui que la personne vous lit.',
    tried: (n, count) =>
      plural(n, {
        one: 'Ses quatre premiers chiffres ont encore été essayés une fois, sans les autres. Ils ne mènent à rien.',
        other: `Ses quatre premiers chiffres ont encore été essayés ${count} fois, sans les autres. Ils ne mènent à rien.`,
      }),
    guessed_then: 'Si la personne ne s’est pas trompée, quelqu’un essaie de deviner. Le lien reste valable.',
    over: {
      used: 'Le code a été saisi, et cet appareil a reçu le lien. Il fait sa demande dans un instant.',
      guessed: 'Trois codes erronés ont été saisis. Ce code est bloqué.',
      expired: 'Ce code a expiré. Le lien reste valable.',
      closed: 'La connexion a été interrompue, et ce code a pris fin. Le lien reste valable.',
      too_many: 'Ce code a été essayé trop souvent : il est bloqué.',
      unknown: 'Ce code est bloqué.',
    },
  },
};
