import { expect, test } from "vitest";
import { instant } from "../../../resources/sources/index.ts";

test.each([
  ["2017-01-01T11:53:26Z", "2017-01-01T11:53:26.000Z"],
  ["2017-01-01T06:53:26-05:00", "2017-01-01T11:53:26.000Z"],
  ["2017-01-01T06:53:26.5-0500", "2017-01-01T11:53:26.500Z"],
])("%s is an instant", (text, expected) => {
  expect(instant(text).toISOString()).toBe(expected);
});

test.each([null, undefined, 0, "", "2017-01-01", "2017-01-01T11:53:26", "Jan 1 2017 GMT", "2017-13-01T00:00:00Z"])(
  "%j is none, and is not guessed at",
  (value) => {
    expect(instant(value).getTime()).toBeNaN();
  },
);
