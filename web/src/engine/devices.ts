// Enrolled devices over the office's HTTP API.

import type { DeviceList, ListedDevice, SignInList } from './contract';
import { get_from_office } from './records';

export interface Devices {
  /** Those of the whole office for who may see them, else those of this person. */
  devices(token: string): Promise<ListedDevice[]>;
  /** When the devices of this person were connected. */
  sign_ins(token: string): Promise<SignInList>;
}

export const devices_over_http: Devices = {
  async devices(token) {
    return (JSON.parse(await get_from_office(token, '/devices')) as DeviceList).devices;
  },
  async sign_ins(token) {
    return JSON.parse(await get_from_office(token, '/sign-ins')) as SignInList;
  },
};
