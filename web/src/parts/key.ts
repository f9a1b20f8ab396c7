// Keys that press buttons. Always with Alt: a letter alone would act on whoever is typing when a ring comes.

import type { Attachment } from 'svelte/attachments';

/** Presses the element on Alt and this key (`KeyboardEvent.code`). */
export function key(code: string): Attachment<HTMLElement> {
  return (element) => {
    element.setAttribute('aria-keyshortcuts', `Alt+${code.replace(/^Key|^Digit/, '')}`);
    const press = (event: KeyboardEvent) => {
      if (!event.altKey || event.ctrlKey || event.metaKey || event.repeat || event.code !== code) return;
      event.preventDefault();
      if (element instanceof HTMLButtonElement && element.disabled) return;
      if (element instanceof HTMLInputElement) element.focus();
      else element.click();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  };
}

/** Takes the focus when it appears, so that what comes next is read from here and a key typed meanwhile presses nothing. */
export const start_here: Attachment<HTMLElement> = (element) => {
  element.tabIndex = -1;
  element.focus({ preventScroll: true });
};

/** Up and down move between the buttons of a list that have this class. */
export function walk(selector: string): Attachment<HTMLElement> {
  return (element) => {
    const move = (event: KeyboardEvent) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      const stops = [...element.querySelectorAll<HTMLElement>(selector)];
      if (stops.length === 0) return;
      const at = stops.indexOf(document.activeElement as HTMLElement);
      event.preventDefault();
      stops[at < 0 ? 0 : (at + step + stops.length) % stops.length]?.focus();
    };
    element.addEventListener('keydown', move);
    return () => element.removeEventListener('keydown', move);
  };
}
