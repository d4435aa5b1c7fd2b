/** A file or object that was found. */
export interface FoundFile {
  /** Path below the folder, or key below the prefix. */
  readonly name: string;
  readonly sizeBytes: number;
  /** By the clock of the machine that keeps it, which may be ahead of this one. */
  readonly modifiedAt: Date;
}

/** A found file, and what tells one state of it from the next. */
export interface ListedFile extends FoundFile {
  /** Changes whenever the content may have. */
  readonly mark: string;
  /** Since when it is there under its name, by the clock of the machine that keeps it; `undefined`: nobody knows. */
  readonly arrivedAt: Date | undefined;
}

/** A place with files. */
export interface Listing {
  /** For people. */
  readonly place: string;
  /** Whether what is listed is always whole: an object appears when its upload has ended. */
  readonly isAtomic: boolean;
  readonly list: (signal: AbortSignal) => Promise<readonly ListedFile[]>;
  /** What tells one content from another; `undefined`: it vanished or changed meanwhile. */
  readonly identify: (file: ListedFile, signal: AbortSignal) => Promise<string | undefined>;
}
