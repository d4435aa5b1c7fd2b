import { expect, test } from "vitest";
import { globPattern } from "../../../resources/sensors/glob.ts";

test.each<[string, string, boolean]>([
  ["*", "a.csv", true],
  ["*", "a/b.csv", false],
  ["*", ".hidden", false],
  ["*", "a\nb", true],
  ["*.csv", "a.csv", true],
  ["*.csv", "a.csv.part", false],
  ["*.csv", "acsv", false],
  ["**/*.csv", "a.csv", true],
  ["**/*.csv", "2017/01/a.csv", true],
  ["**/*.csv", "2017/.tmp/a.csv", false],
  ["**", "2017/01/a.csv", true],
  ["2017/*/a.csv", "2017/01/a.csv", true],
  ["2017/*/a.csv", "2017/01/02/a.csv", false],
  ["day_?.csv", "day_1.csv", true],
  ["day_?.csv", "day_12.csv", false],
  ["*.{csv,json}", "a.json", true],
  ["*.{csv,json}", "a.xml", false],
  ["a+(b)[c].csv", "a+(b)[c].csv", true],
  ["ä*.csv", "ärger.csv", true],
])("%j matches %j: %s", (glob, name, expected) => {
  expect(globPattern(glob).test(name)).toBe(expected);
});
