const MAX_DIGITS = 10n ** 38n;
/** Where there is room for so many decimals, more of them are noise and are rounded; else they are all meant. */
const ENOUGH_DECIMALS = 9;
/** Texts of up to 15 digits are numbers that JavaScript holds exactly. */
const EXACT_LENGTH = 15;

/** Numbers with so many decimals are money, mostly, and quickly read. */
const SHORT = 10_000;
const SHORT_DECIMALS = 4;
/** Below it, a double has fifteen digits for what {@link SHORT} makes of it. */
const MAX_SHORT = 1e10;

/** A number of few decimals in units of the last decimal of the scale; `undefined`: to be read as text. */
export function tryScaleNumber(value: number, scale: number): bigint | undefined {
  if (scale < SHORT_DECIMALS || !(Math.abs(value) < MAX_SHORT)) return undefined;
  const units = Math.round(value * SHORT);
  // The double next to that decimal, so that is what it says.
  return units / SHORT === value ? BigInt(units) * factor(scale - SHORT_DECIMALS) : undefined;
}

const FACTORS = Array.from({ length: 39 }, (_, power) => 10n ** BigInt(power));

function factor(power: number): bigint {
  return FACTORS[power] ?? 10n ** BigInt(power);
}

/** A number, as decimal text, in units of its last decimal; or why it has no place in a decimal of this scale. */
export function scaled(text: string, scale: number): bigint | string {
  const point = text.indexOf(".");
  const decimals = point === -1 ? 0 : text.length - point - 1;
  if (decimals <= scale && text.length + scale - decimals <= EXACT_LENGTH && !/e/i.test(text))
    return BigInt(Number(text.replace(".", "")) * 10 ** (scale - decimals));
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^([+-]?)(\d*)(?:\.(\d*?)0*)?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const shift = scale - fraction.length + Number(exponent);
  if (whole === "" && fraction === "") return "no number";
  if (shift > 400) return "more digits than a decimal has";
  let digits = BigInt(whole + fraction);
  if (shift >= 0) digits *= 10n ** BigInt(shift);
  else if (shift < -400) digits = 0n;
  else {
    const unit = 10n ** BigInt(-shift);
    if (scale < ENOUGH_DECIMALS && digits % unit !== 0n) return `more than ${scale} decimals`;
    digits = (digits + unit / 2n) / unit;
  }
  if (digits >= MAX_DIGITS) return "more digits than a decimal has";
  return sign === "-" ? -digits : digits;
}
