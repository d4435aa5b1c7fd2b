/** Typed access to the systems that assets read from. */
export { type Clock } from "./clock.ts";
export {
  HttpStatusError,
  InvalidJsonError,
  InvalidPageError,
  InvalidRequestError,
  NetworkError,
  RateLimitedError,
  RepeatedCursorError,
  SourceError,
  TimeoutError,
} from "./errors.ts";
export { instant } from "./instant.ts";
export { getJson, type GetJsonOptions, pages, type PagesOptions } from "./pages.ts";
export { type RetryOptions, type SourceLog } from "./retry.ts";
