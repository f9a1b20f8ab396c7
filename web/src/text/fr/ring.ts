import { capitalise, plural } from '../format';
import { isolate } from '../isolate';
import type { Text } from '..';
import { of } from './names';

export const ring: Text['ring'] = {
  incoming: 'Appel entrant',
  outgoing: 'Appel sortant',
  verified: 'Identité vérifiée par cet appareil',
  verified_later: 'Identité vérifiée dès la réponse',
  duty_officer: 'La permanence sera prévenue',
  accept: 'Accepter',
  decline: 'Refuser',
  silence: 'Mettre cet appelant en sourdine',
  also_ringing: 'Sonne également',
  accept_person: (name: string) => `Accepter l’appel ${of(name)}`,
  decline_person: (name: string) => `Refuser l’appel ${of(name)}`,
  stop: 'Annuler l’appel',
  end: 'Raccrocher',
  opening: { title: 'Connexion', sentence: 'L’appel est inscrit au journal avant de sonner.' },
  ringing: 'Ça sonne',
  device_rings: (name) => `L’appareil ${of(name)} sonne.`,
  notifying: 'Notification de ses appareils',
  devices_notified: (name) =>
    `Aucune page ${of(name)} n’est ouverte. Ses appareils reçoivent une notification, et sonnent dès que la page est ouverte.`,
  answered: { title: 'Réponse reçue', sentence: 'Les deux appareils établissent les clés.' },
  resuming: { title: 'Reconnexion', sentence: 'La page a été rechargée. L’appel sonne peut-être encore.' },
  will_keep: {
    log_only: 'Seul le journal sera conservé',
    memo: 'Une transcription sera conservée',
    audio: 'Une transcription et le son seront conservés',
  },
  wanted: { memo: 'Transcription prévue', audio: 'Transcription et enregistrement prévus' },
  not_ready: 'Aucun rédacteur n’est disponible : cet appel ne serait pas consigné.',
  not_ready_short: 'Aucun rédacteur disponible',
  joining: 'Un rédacteur se joint à l’appel. Chacun voit qui y participe.',
  unknown: 'Il n’est consigné qu’une fois qu’un rédacteur l’a rejoint. L’écran d’appel l’indique.',
  will_listen: (names, n) =>
    `${capitalise(names)} ${plural(n, { one: 'assiste à l’appel et écoutera', other: 'assistent à l’appel et écouteront' })}. Chacun voit qui y participe.`,
  nobody_listens: 'Personne d’autre n’écoute. Chacun voit qui participe à l’appel.',
  not_heard: 'On ne vous entendra pas',
  announce_incoming: (name, organisation, kept) =>
    `${isolate(name)}, ${isolate(organisation)}, vous appelle. Identité vérifiée par cet appareil. ${kept}.`,
  announce: (title) => `${title}.`,
  notification: 'Identité vérifiée par cet appareil.',
  silent: 'La sonnerie est muette',
  silent_sentence:
    'Votre navigateur bloque le son tant que vous n’avez pas cliqué dans cette page ou appuyé sur une touche.',
  refused:
    'Un appel que cet appareil n’a pu vérifier est arrivé. Il n’a pas été présenté et personne n’a été mis en relation. Prévenez votre responsable de la sécurité.',
};
