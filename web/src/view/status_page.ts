// Screens without controls: why Telcon cannot be used here, and what to do.

export interface StatusPage {
  kind: string;
  title: string;
  sentences: string[];
  /** Severity; a word is shown besides the colour. */
  level: 'plain' | 'red';
  reload: boolean;
}

export type StatusPageName =
  'starting' | 'unsupported' | 'insecure' | 'other_tab' | 'unenrolled' | 'revoked' | 'failed';

export function status_page(which: StatusPageName, problem?: string): StatusPage {
  switch (which) {
    case 'starting':
      return {
        kind: 'Telcon',
        title: 'One moment',
        sentences: ['The keys of this device are being opened.'],
        level: 'plain',
        reload: false,
      };
    case 'unsupported':
      return {
        kind: 'This browser cannot be used',
        title: 'Telcon needs a browser that can encrypt a call by itself',
        sentences: [
          'This one cannot hand every piece of sound to Telcon before it is sent, and Telcon never sends any in the clear.',
          'Use a current Chromium, Chrome or Edge, then open the same page.',
        ],
        level: 'plain',
        reload: false,
      };
    case 'insecure':
      return {
        kind: 'This address cannot be used',
        title: 'Open Telcon by its https address',
        sentences: [
          'A page that came unprotected may have been changed on the way, and browsers give it no keys.',
          'Your office knows the right address. It begins with https.',
        ],
        level: 'plain',
        reload: false,
      };
    case 'other_tab':
      return {
        kind: 'One tab at a time',
        title: 'Telcon is open in another tab',
        sentences: [
          'Two tabs would use the keys of one device twice.',
          'Close the other one, and this one goes on by itself.',
        ],
        level: 'plain',
        reload: false,
      };
    case 'unenrolled':
      return {
        kind: 'Not enrolled',
        title: 'Your office must let this browser in',
        sentences: [
          'Ask your office for an enrolment link, and open it in this browser. It works once, and only for you.',
          'There is no password, and nobody can sign in as you from another device.',
        ],
        level: 'plain',
        reload: false,
      };
    case 'revoked':
      return {
        kind: 'Refused',
        title: 'This device was revoked',
        sentences: [
          'Its keys are erased here. It can no longer ring, be rung or read anything.',
          'If you did not expect this, speak to your office, not over this device.',
        ],
        level: 'red',
        reload: false,
      };
    case 'failed':
      return {
        kind: 'Stopped',
        title: 'Telcon stopped in this tab',
        sentences: [problem ?? ''],
        level: 'red',
        reload: true,
      };
  }
}
