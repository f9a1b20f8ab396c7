import type { Text } from '..';
import { plural } from '../format';
import { isolate } from '../isolate';
import { mid, of } from './names';

export const alerts: Text['alerts'] = {
  title: 'Alertes',
  intro:
    'Chaque alerte est une entrée du journal du cabinet : un auditeur peut vérifier qu’il n’en manque aucune ici. La marquer comme vue ne cache rien.',
  unseen: (n, count) => `${count} ${plural(n, { one: 'alerte non vue', other: 'alertes non vues' })}`,
  not_seen: (n) => plural(n, { one: 'non vue', other: 'non vues' }),
  levels: { red: 'À traiter aussitôt', amber: 'À vérifier', quiet: 'Pour information' },
  means: 'Ce que cela signifie',
  act: 'Ce qu’il faut faire',
  entry: (index) => `Entrée ${index} du journal`,
  times: (count) => `${count} fois depuis l’alerte précédente`,
  device_of: (title, name) => `${isolate(title)}, appareil ${of(name)}`,
  not_enrolled: 'Des appareils qui ne sont pas inscrits ici',
  unknown_device: 'Un appareil absent de la liste',
  show_devices: 'Afficher les appareils',
  see: 'Marquer comme vue',
  see_one: (what) => `Marquer comme vue : ${what}`,
  see_all: 'Marquer toutes celles-ci comme vues',
  seen: (name, time) => `Vue par ${mid(name)}, ${time}`,
  an_officer: 'un responsable de la sécurité',
  older: 'Afficher des alertes plus anciennes',
  kinds: {
    device_asked: {
      what: 'Un nouvel appareil demande son inscription',
      means: 'Le lien d’une invitation a été ouvert. L’appareil ne peut rien faire avant d’être approuvé.',
      act: 'Faites-vous lire le code au téléphone ou de vive voix, puis approuvez. Refusez si les codes diffèrent.',
    },
    device_enrolled: {
      what: 'Un appareil a été inscrit',
      means: 'Il peut désormais appeler, répondre ou écouter selon le rôle de sa personne.',
      act: 'Si vous ne vous y attendiez pas, révoquez-le aussitôt et demandez qui l’a approuvé.',
    },
    device_refused: {
      what: 'Un appareil a été refusé',
      means: 'Un responsable de la sécurité ne l’a pas approuvé. Il n’est pas inscrit, et son lien a servi.',
      act: 'Si ce n’était pas vous, demandez-en la raison. Pour un nouvel essai, faites une nouvelle invitation.',
    },
    device_revoked: {
      what: 'Un appareil a été révoqué',
      means: 'Il est déconnecté, ses appels ont pris fin, et il efface ses clés dès qu’il se connecte.',
      act: 'Si vous ne vous y attendiez pas, interrogez les autres responsables et le détenteur de l’autorité.',
    },
    link_opened_again: {
      what: 'Le lien d’une invitation a été ouvert sur un second appareil',
      means: 'Soit la personne a essayé un autre appareil, soit quelqu’un d’autre a le lien.',
      act: 'Demandez à la personne. Si ce n’était pas elle, refusez l’appareil et envoyez un nouveau lien par une autre voie.',
    },
    registrar_appointed: {
      what: 'Un appareil a été habilité à inscrire',
      means: 'Il peut désormais inviter et approuver. Seul le détenteur de l’autorité peut l’habiliter.',
      act: 'Si vous ne vous y attendiez pas, révoquez cet appareil et demandez qui s’est servi de la clé de l’autorité.',
    },
    sign_in_failed: {
      what: 'Une identification a échoué',
      means: 'On a nommé un appareil sans en avoir la clé, ou un appareil qui n’est pas inscrit. Rien n’a été ouvert.',
      act: 'Une seule peut venir d’un navigateur restauré. Si cela se répète, interrogez la personne et prévenez l’exploitant du serveur.',
    },
    ring_refused: {
      what: 'Un appareil a émis un appel qui ne se vérifie pas',
      means:
        'La signature ou le certificat est faux. Les programmes de Telcon n’en émettent pas. L’appel n’a pas été transmis.',
      act: 'Demandez à la personne de ne plus s’en servir. Révoquez-le, sauf explication anodine.',
    },
    proof_invalid: {
      what: 'Sur un appareil, une preuve ne s’est pas vérifiée',
      means:
        'Dans un appel, un certificat, une signature ou une preuve était faux. L’appareil a mis fin à l’appel ou écarté quelqu’un.',
      act: 'Parlez à la personne par un autre moyen. Faites examiner le serveur avant le prochain appel confidentiel.',
    },
    log_forked: {
      what: 'Un appareil a reçu un autre journal qu’auparavant',
      means:
        'Le journal ne prolonge pas ce que l’appareil avait vu. Il a pu être réécrit, ou différer selon les personnes.',
      act: 'Suspendez les appels confidentiels. Gardez une copie des archives, vérifiez-la avec le point de contrôle de l’appareil, et faites examiner le serveur.',
    },
    ring_invalid: {
      what: 'Le serveur a transmis un appel qui ne se vérifie pas',
      means:
        'On a tenté d’appeler sous un faux nom, ou le serveur a modifié l’appel. Il n’a pas été présenté à la personne.',
      act: 'Parlez à la personne par un autre moyen. Faites examiner le serveur, et comparez les appels du journal.',
    },
  },
  added: {
    approved: (label, name, time) =>
      `Un nouvel appareil a été ajouté à votre nom : ${isolate(label)}, approuvé par ${mid(name)}, ${time}. Si vous ne vous y attendez pas, prévenez aussitôt votre responsable de la sécurité.`,
    by_link: (time) =>
      `Un nouvel appareil a été ajouté à votre nom, par un lien de votre cabinet, ${time}. Si vous ne vous y attendez pas, prévenez aussitôt votre responsable de la sécurité.`,
    done: 'Je m’y attendais',
  },
  empty: { title: 'Aucune alerte', sentence: 'Ce qui touche à la sécurité de ce cabinet apparaît ici.' },
  loading: { title: 'Un instant', sentence: 'La liste des alertes est en cours de lecture.' },
  no_connection: { title: 'Pas de connexion', sentence: 'La liste des alertes apparaîtra au retour de la connexion.' },
  failed: 'Les alertes n’ont pu être lues',
  stale: 'Hors ligne. Cette liste est peut-être périmée, et rien ne peut être marqué avant le retour de la connexion.',
  not_refreshed: 'Cette liste n’a pu être relue ; elle est peut-être périmée.',
};
