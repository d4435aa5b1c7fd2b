// What reading and parsing the pages costs, whoever takes the rows.
import { readPages } from "./pages.ts";

let count = 0;
for (const lines of readPages()) count += lines.length;
console.log(count);
