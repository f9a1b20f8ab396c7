// What this person's devices called themselves, for sentences that name one.

import type { Devices } from './engine/devices';
import { NO_LABELS, type DeviceLabels } from './view/moves';

export class OwnDevices {
  labels = $state.raw<DeviceLabels>(NO_LABELS);
  #reading = false;

  constructor(private readonly office: Pick<Devices, 'devices'>) {}

  /** Reads them, unless all of these are known. Without them a sentence says “another device”. */
  async read(wanted: readonly string[], token: string | null): Promise<void> {
    if (this.#reading || !token || wanted.every((device) => this.labels.has(device))) return;
    this.#reading = true;
    try {
      const listed = await this.office.devices(token);
      this.labels = new Map(listed.map((one) => [one.device, one.label ?? '']));
    } catch (error) {
      console.warn('devices', error);
    } finally {
      this.#reading = false;
    }
  }
}
