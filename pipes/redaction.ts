/** Masks secrets in a text on its way out. */
export type Redact = (text: string) => string;

/** A redaction that fails must neither leak the text nor hide the error that is being reported. */
export function safeRedact(redact: Redact | undefined): Redact | undefined {
  if (redact === undefined) return undefined;
  return (text) => {
    try {
      return redact(text);
    } catch {
      return "[removed: the redact function failed]";
    }
  };
}
