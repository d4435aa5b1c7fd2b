/**
 * A pattern of file names: `*` is any text but `/`, `**` any folders, `?` one character, `{a,b}` one of them. Hidden files
 * never match.
 */
export function globPattern(glob: string): RegExp {
  let source = "";
  let braces = 0;
  for (let at = 0; at < glob.length; at += 1) {
    const rest = glob.slice(at);
    const character = glob[at] ?? "";
    if (rest.startsWith("**/")) {
      source += `(?:${SEGMENT}/)*`;
      at += 2;
    } else if (rest.startsWith("**")) {
      source += `${SEGMENT}(?:/${SEGMENT})*`;
      at += 1;
    } else if (character === "*") source += "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (character === "{") {
      source += "(?:";
      braces += 1;
    } else if (character === "}" && braces > 0) {
      source += ")";
      braces -= 1;
    } else if (character === "," && braces > 0) source += "|";
    else source += RegExp.escape(character);
  }
  return new RegExp(`^(?!\\.)(?!.*/\\.)${source}${")".repeat(braces)}$`, "su");
}

const SEGMENT = "[^/]+";
