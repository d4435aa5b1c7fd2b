import { z } from "zod";
import type { SupersetCredentials } from "../settings.ts";
import { type Call, labelOf } from "./call.ts";
import {
  SupersetAnswerError,
  SupersetLoginError,
  SupersetNotFoundError,
  SupersetRefusedError,
  SupersetTokenError,
} from "./errors.ts";
import type { Answer } from "./transport.ts";

/** Headers of a request that say who we are. */
export type Headers = Readonly<Record<string, string>>;

/** Sends a request once. @throws SupersetError for whatever is not 2xx */
export type Ask = (call: Call, headers: Headers) => Promise<Answer>;

const loginAnswer = z.object({ access_token: z.string() });
const csrfAnswer = z.object({ result: z.string() });

/** What proves that a writing request is ours: a token, and the cookie that it belongs to. */
interface Csrf {
  readonly token: string;
  readonly cookie: string;
}

/**
 * Who we are to Superset: logs in when first asked, and again after {@link forget}. Requests at once share one login.
 */
export class Session {
  readonly #credentials: SupersetCredentials;
  readonly #referer: string;
  readonly #ask: Ask;
  #token: Promise<string> | undefined;
  #csrf: Promise<Csrf> | undefined;
  /** The header of the latest login, until it is refused. */
  #accepted: string | undefined;
  readonly #secrets: Set<string>;

  constructor(credentials: SupersetCredentials, url: string, ask: Ask) {
    this.#credentials = credentials;
    this.#referer = `${url}/`;
    this.#ask = ask;
    this.#secrets = new Set(["apiKey" in credentials ? credentials.apiKey : credentials.password]);
  }

  /** Texts that no message may hold. */
  get secrets(): Iterable<string> {
    return this.#secrets;
  }

  /** @throws SupersetLoginError, or what the request throws */
  async headers(writes: boolean): Promise<Headers> {
    this.#token ??= this.#login();
    const token = await this.#token.catch((error: unknown) => {
      this.#token = undefined;
      throw error;
    });
    const authorization = { authorization: `Bearer ${token}` };
    if (!writes) return authorization;
    this.#csrf ??= this.#getCsrf(authorization);
    const csrf = await this.#csrf.catch((error: unknown) => {
      this.#csrf = undefined;
      if (error instanceof SupersetTokenError) this.forget(error, authorization);
      throw error;
    });
    // Over https Superset compares the referer with its own address.
    return { ...authorization, "x-csrftoken": csrf.token, cookie: csrf.cookie, referer: this.#referer };
  }

  /**
   * Forgets what Superset refuses of these headers, so that the next ones are new; what another request has renewed
   * meanwhile stays.
   *
   * @returns whether new headers may be accepted where these were not
   */
  forget(error: unknown, refused: Headers): boolean {
    if (error instanceof SupersetTokenError) {
      if ("apiKey" in this.#credentials) return false;
      if (this.#accepted === refused["authorization"]) {
        this.#accepted = undefined;
        this.#token = undefined;
        this.#csrf = undefined;
      }
      return true;
    }
    if (error instanceof SupersetRefusedError && error.status === 400 && /csrf/i.test(error.said)) {
      this.#csrf = undefined;
      return true;
    }
    return false;
  }

  async #login(): Promise<string> {
    const credentials = this.#credentials;
    if ("apiKey" in credentials) return credentials.apiKey;
    const { username, password } = credentials;
    const body = { username, password, provider: "db", refresh: false };
    const call = { method: "POST", path: "/security/login", body, options: {} } as const;
    const answer = await this.#ask(call, {}).catch((error: unknown) => {
      throw isNo(error) ? refusedLogin(username, error) : orStranger(call, error);
    });
    const { access_token: token } = parse(call, loginAnswer, answer);
    this.#secrets.add(token);
    this.#accepted = `Bearer ${token}`;
    return token;
  }

  async #getCsrf(authorization: Headers): Promise<Csrf> {
    const call = { method: "GET", path: "/security/csrf_token/", options: {} } as const;
    const answer = await this.#ask(call, authorization).catch((error: unknown) => {
      throw orStranger(call, error);
    });
    const { result: token } = parse(call, csrfAnswer, answer);
    // Only the name and the value of each.
    const cookies = answer.headers.getSetCookie().map((line) => line.split(";")[0] ?? "");
    this.#secrets.add(token);
    return { token, cookie: cookies.join("; ") };
  }
}

function isNo(error: unknown): error is SupersetTokenError | SupersetRefusedError {
  return error instanceof SupersetTokenError || error instanceof SupersetRefusedError;
}

function refusedLogin(username: string, cause: Error): SupersetLoginError {
  return new SupersetLoginError(
    "POST /api/v1/security/login",
    `Superset does not let ${JSON.stringify(username)} log in: correct SUPERSET_USERNAME and SUPERSET_PASSWORD, or make ` +
      "the user active in Superset.",
    { cause },
  );
}

/** Each Superset has a login: where it is not found, what was asked for is not what is missing. */
function orStranger(call: Call, error: unknown): unknown {
  if (!(error instanceof SupersetNotFoundError)) return error;
  return new SupersetAnswerError(labelOf(call), `${error.message} Is SUPERSET_URL the address of a Superset 6?`);
}

function parse<T>(call: Call, schema: z.ZodType<T>, answer: Answer): T {
  try {
    return schema.parse(JSON.parse(answer.text));
  } catch {
    // Neither the answer nor the parser's error, which quotes it: it may hold a token.
    throw new SupersetAnswerError(
      labelOf(call),
      `${labelOf(call)} was answered with ${answer.status} and something that is not of Superset's API. Is SUPERSET_URL the address of a Superset 6?`,
    );
  }
}
