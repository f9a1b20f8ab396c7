// Keyboard shortcuts. Always with Alt: a plain letter would fire while somebody types as a ring arrives.

import type { Attachment } from 'svelte/attachments';

/** Clicks the element on Alt and this key (`KeyboardEvent.code`). */
export function shortcut(code: string): Attachment<HTMLElement> {
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
    return () => {
      removeEventListener('keydown', press);
      element.removeAttribute('aria-keyshortcuts');
    };
  };
}

/** Focuses the element when it appears, so that screen readers start here and a key pressed meanwhile activates nothing. */
export const focus_on_mount: Attachment<HTMLElement> = (element) => {
  element.tabIndex = -1;
  element.focus({ preventScroll: true });
};

/** The up and down keys move the focus between the elements that match. */
export function arrow_keys(selector: string): Attachment<HTMLElement> {
  return (element) => {
    const move = (event: KeyboardEvent) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      const targets = [...element.querySelectorAll<HTMLElement>(selector)];
      if (targets.length === 0) return;
      const at = targets.indexOf(document.activeElement as HTMLElement);
      event.preventDefault();
      targets[at < 0 ? 0 : (at + step + targets.length) % targets.length]?.focus();
    };
    element.addEventListener('keydown', move);
    return () => element.removeEventListener('keydown', move);
  };
}
