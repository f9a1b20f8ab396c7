// Whether a scrolling region has more below its edge.

import type { Attachment } from 'svelte/attachments';

/** Less than this does not count, pixels: a line, which holds no name. */
const SLACK_PX = 24;

export class ScrollHint {
  more = $state(false);

  readonly watch: Attachment<HTMLElement> = (element) => {
    const update = () => {
      this.more = element.scrollHeight - element.scrollTop - element.clientHeight > SLACK_PX;
    };
    const size = new ResizeObserver(update);
    size.observe(element);
    const content = new MutationObserver(update);
    content.observe(element, { childList: true, subtree: true, characterData: true });
    element.addEventListener('scroll', update, { passive: true });
    update();
    return () => {
      size.disconnect();
      content.disconnect();
      element.removeEventListener('scroll', update);
    };
  };
}
