import { enableCompileCache } from "node:module";
import path from "node:path";

// What is imported after it loads from there in half the time. The launcher of the steps names the same folder.
enableCompileCache(path.join(process.cwd(), ".state", "compile_cache"));
await import("./command.ts");
