// Taps and seconds of what a person does, against their budget.

export class Friction {
  #rows = [];
  #taps = 0;
  #from = 0;

  /** What follows is measured. */
  begin() {
    this.#taps = 0;
    this.#from = performance.now();
  }

  /** Presses something. */
  async tap(locator) {
    this.#taps += 1;
    await locator.click();
  }

  /** Ends a measurement. `budget`: the most taps, and milliseconds where there is a limit. `ms`: if it was measured elsewhere. */
  end(what, budget, ms = performance.now() - this.#from) {
    this.#rows.push({ what, taps: this.#taps, ms: Math.round(ms), budget });
    return { taps: this.#taps };
  }

  /** Those that took more taps than their budget, or have none. Times depend on the machine: they are printed. */
  over() {
    return this.#rows.filter(({ taps, budget }) => !(taps <= budget.taps));
  }

  /** The table, as lines. */
  print() {
    const limit = (n, unit) => (n === undefined ? '' : ` (budget ${n}${unit})`);
    for (const { what, taps, ms, budget } of this.#rows)
      console.log(`${what.padEnd(44)} ${taps} taps${limit(budget.taps, '')}, ${ms} ms${limit(budget.ms, ' ms')}`);
  }
}
