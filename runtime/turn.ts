/** Lets one after the other do what cannot be done side by side. */
export class Turn {
  #last: Promise<unknown> = Promise.resolve();

  /** Waits until those that came before are done, whatever became of them. */
  async take<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(act);
    this.#last = mine.catch(() => undefined);
    return await mine;
  }
}
