import { describe, expect, it, vi } from 'vitest';
import { App } from './app.svelte';
import type { UserCommand } from './engine/contract';
import { call, incoming, live, view } from './fake/views';

function app_with_host() {
  const commands: UserCommand[] = [];
  const retry_microphone = vi.fn();
  const host = {
    command: (command: UserCommand) => void commands.push(command),
    read_link: vi.fn(),
    enrol: vi.fn(),
    check: vi.fn(),
    request_microphone: vi.fn(),
    retry_microphone,
    play: vi.fn(),
    choose_device: vi.fn(),
  };
  const app = new App(() => host, { list: vi.fn(), proof: vi.fn() }, 'Europe/Lisbon');
  app.stage = { status: 'on' };
  return { app, commands, retry_microphone };
}

describe('a device without a microphone', () => {
  it('tells the others, and unmutes once it has one', () => {
    const { app, commands, retry_microphone } = app_with_host();
    app.events.microphone('missing');
    app.events.view(view({ call: live() }));
    expect(commands).toEqual([{ type: 'mute', on: true }]);
    app.events.view(view({ call: live({ muted: true }) }));
    app.mute(false);
    expect([commands.length, retry_microphone.mock.calls.length]).toEqual([1, 1]);
    app.events.microphone('on');
    expect(commands).toEqual([
      { type: 'mute', on: true },
      { type: 'mute', on: false },
    ]);
  });

  it('does not unmute a person who muted', () => {
    const { app, commands } = app_with_host();
    app.events.view(view({ call: live({ muted: true }) }));
    app.events.microphone('silenced');
    app.events.microphone('on');
    expect(commands).toEqual([]);
  });

  it('says nothing before the call, nor as a listener', () => {
    const { app, commands } = app_with_host();
    app.events.microphone('denied');
    app.events.view(view({ call: call() }));
    app.events.view(view({ call: live({ direction: 'listen' }) }));
    expect(commands).toEqual([]);
  });
});

describe('a ring', () => {
  it('is not covered by the settings', () => {
    const { app } = app_with_host();
    app.events.view(view());
    app.settings_open = true;
    app.events.view(view({ call: incoming() }));
    expect([app.screen, app.settings_open]).toEqual(['ring_in', false]);
  });
});

describe('the end of a call', () => {
  it('remembers who pressed the button', () => {
    const { app } = app_with_host();
    app.events.view(view({ call: live() }));
    app.hang_up();
    expect(app.hung_up).toBe(live().call);
  });
});
