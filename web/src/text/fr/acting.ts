import { capitalise } from '../format';
import { isolate } from '../isolate';
import type { Text } from '..';
import { mid, of } from './names';

export const acting: Text['acting'] = {
  own: {
    title: 'Qui agit pour vous',
    intro:
      'Ces personnes appellent ou répondent en votre nom. L’autre partie voit les deux noms. Vous pouvez prendre l’appel à tout moment, et y mettre fin quand vous voulez.',
    nothing: 'Personne n’agit pour vous.',
  },
  for_others: {
    title: 'Vous agissez pour',
    intro:
      'L’autre partie voit votre nom, et pour qui vous agissez. Dès que cette personne prend l’appel, vous ne faites qu’écouter.',
    nothing: 'Personne ne vous a demandé d’agir en son nom.',
  },
  all: {
    title: 'Qui agit pour qui',
    intro: 'Seul un dirigeant peut laisser quelqu’un agir en son nom. Vous pouvez y mettre fin.',
    nothing: 'Personne n’agit pour quelqu’un d’autre.',
  },
  for_whom: (delegate, principal) => `${isolate(delegate)} pour ${mid(principal)}`,
  acts: { ring: 'appeler', answer: 'répondre', lines: 'proposer, modifier, suspendre et terminer des lignes' },
  until: (time) => `jusqu’au ${time}`,
  between: (from, to) => `du ${from} au ${to}`,
  ended: (time) => `Terminé le ${time}`,
  expired: (time) => `Échu depuis le ${time}`,
  past: 'Terminés',
  give: {
    title: 'Laisser quelqu’un agir pour vous',
    who: 'Qui',
    nobody: 'Votre cabinet n’a pas encore de permanence ni de secrétariat.',
    acts: 'Cette personne peut',
    ring: 'appeler pour vous',
    answer: 'répondre pour vous',
    lines: 'proposer des lignes que vous confirmez ; modifier, suspendre et terminer vos lignes',
    until: 'Pendant combien de temps',
    days: { 1: 'Un jour', 7: 'Une semaine', 30: '30 jours', 90: '90 jours' },
    action: 'Laisser agir',
    choose: 'Choisissez au moins une possibilité.',
    not_given: 'Rien n’a été changé.',
  },
  end: {
    action: 'Mettre fin',
    of: (name) => `Mettre fin : ${isolate(name)}`,
    title: 'Y mettre fin ?',
    then: 'Cette personne ne pourra plus agir en ce nom. Un appel où elle parle se termine aussitôt.',
    yes: 'Y mettre fin',
    back: 'Retour',
  },
  ring: {
    title: (name) => `Appeler pour ${mid(name)}`,
    action: 'Appeler',
    person: (name, principal) => `Appeler ${mid(name)} pour ${mid(principal)}`,
    nobody: 'Personne ne peut être appelé en ce moment.',
  },
  nav: 'Mandats',
  take: 'Prendre l’appel',
  rang_for_you: (delegate, other) => `${capitalise(mid(delegate))} appelle ${mid(other)} pour vous.`,
  answered_for_you: (delegate, other) => `${capitalise(mid(delegate))} a répondu pour vous à l’appel ${of(other)}.`,
  rings_for: (delegate, principal) => `${capitalise(mid(delegate))} appelle pour ${mid(principal)}.`,
  answers_for: (delegate, principal) => `${capitalise(mid(delegate))} répond pour ${mid(principal)}.`,
  speaks: (delegate, principal) => `${capitalise(mid(delegate))} parle au nom ${of(principal)}.`,
  rang: (delegate, principal) => `${capitalise(mid(delegate))} a appelé au nom ${of(principal)}`,
  answered: (delegate, principal) => `${capitalise(mid(delegate))} a répondu au nom ${of(principal)}`,
  taken_over: (principal, delegate) => `${capitalise(mid(principal))} a pris l’appel ; ${mid(delegate)} écoute.`,
  speaks_for: 'intervenant pour quelqu’un',
  loading: { title: 'Un instant', sentence: 'Les délégations se chargent.' },
  no_connection: { title: 'Pas de connexion', sentence: 'Les délégations apparaîtront au retour de la connexion.' },
  failed: 'Les délégations n’ont pas pu être chargées',
  stale: 'Hors ligne. Cette liste n’est peut-être plus à jour.',
  not_refreshed: (why) => `Cette liste n’est peut-être plus à jour : elle n’a pas pu être rechargée. ${why}`,
};
