/** Reports far more than one message may hold, while the reader looks on. */
import { metadata, PipesMessageTooLargeError, runWithPipes, TRUNCATION_KEY } from "../../../../pipes/index.ts";

await runWithPipes((pipes) => {
  for (let index = 0; index < 5; index += 1) {
    pipes.log.info("é".repeat(400_000));
    pipes.reportCustomMessage("x".repeat(200_000));
    pipes.logExternalStream("stderr", "🎉".repeat(200_000));
  }
  try {
    pipes.reportCustomMessage("x".repeat(250_001));
  } catch (error) {
    if (!(error instanceof PipesMessageTooLargeError)) throw error;
    pipes.reportCustomMessage("refused");
  }
  pipes.reportAssetMaterialization({
    metadata: {
      rows: metadata.int(3),
      note: metadata.text("n".repeat(2_000_000)),
      sample: metadata.table({
        records: Array.from({ length: 50_000 }, (_, id) => ({ id: BigInt(id) + 2n ** 60n, "records}": 'a"}],{' })),
        schema: [{ name: "id", type: "BIGINT" }],
      }),
      plan: metadata.json({ steps: Array.from({ length: 300_000 }, (_, step) => step) }),
      link: metadata.url(`https://example.org/${"x".repeat(2_000_000)}`),
      [TRUNCATION_KEY.replace("truncated", "other")]: "kept",
    },
  });
});
