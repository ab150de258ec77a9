// Calls a router through code generated from its protos and reports what came back, as a caller outside this project
// would: an answer in one message, an answer in pieces, and an error with its details.
//
// Usage: node client.js ADDRESS

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { BadRequestSchema, ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { Role } from "../gen/lightrouter/v1/chat_pb.js";
import { type PolicySchema } from "../gen/lightrouter/v1/policy_pb.js";
import { type Answer, type Prompt, PromptSchema, RouterService } from "../gen/lightrouter/v1/router_pb.js";

type Router = Client<typeof RouterService>;

/** What Complete or StreamComplete returned. Money is in nano-dollars. */
interface AnswerReport {
  text: string;
  cost_nanousd: number;
  entries_cost_nanousd: number;
  elapsed_s: number;
  candidates: string[];
  chunks: number;
}

/** What the status of a refused call said. */
interface Refusal {
  code: string;
  reason: string;
  domain: string;
  fields: string[];
}

const question = "Which river flows through Heidelberg?";
const timeoutMs = 30_000;

function prompt(policy: MessageInitShape<typeof PolicySchema> = {}): Prompt {
  return create(PromptSchema, { messages: [{ role: Role.USER, content: question }], policy });
}

function summary(answer: Answer, text: string, chunks: number): AnswerReport {
  const { ledger } = answer;
  if (ledger?.elapsed === undefined) {
    throw new Error("the answer has no ledger, or the ledger no time");
  }
  return {
    text,
    cost_nanousd: Number(ledger.costNanousd),
    entries_cost_nanousd: Number(ledger.entries.reduce((sum, entry) => sum + entry.costNanousd, 0n)),
    elapsed_s: Number(ledger.elapsed.seconds) + ledger.elapsed.nanos / 1e9,
    candidates: answer.candidates,
    chunks,
  };
}

async function complete(router: Router): Promise<AnswerReport> {
  const { answer } = await router.complete({ prompt: prompt() }, { timeoutMs });
  if (answer === undefined) {
    throw new Error("Complete returned no answer");
  }
  return summary(answer, answer.text, 0);
}

async function stream(router: Router): Promise<AnswerReport> {
  let text = "";
  let chunks = 0;
  let last: Answer | undefined;
  for await (const { event } of router.streamComplete({ prompt: prompt() }, { timeoutMs })) {
    if (event.case === "chunk") {
      text = (event.value.restart ? "" : text) + event.value.text;
      chunks += 1;
    } else if (event.case === "answer") {
      last = event.value;
    }
  }
  if (last === undefined) {
    throw new Error("the stream ended without an answer");
  }
  return summary(last, text, chunks);
}

async function refused(router: Router): Promise<Refusal> {
  try {
    await router.complete({ prompt: prompt({ bootTokens: 0 }) }, { timeoutMs });
  } catch (error) {
    const status = ConnectError.from(error);
    const info = status.findDetails(ErrorInfoSchema)[0];
    return {
      code: Code[status.code],
      reason: info?.reason ?? "",
      domain: info?.domain ?? "",
      fields: status.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations.map(({ field }) => field)),
    };
  }
  throw new Error("boot_tokens 0 was not refused");
}

const address = process.argv[2];
if (address === undefined) {
  console.error("usage: node client.js ADDRESS");
  process.exit(2);
}
const router = createClient(RouterService, createGrpcTransport({ baseUrl: `http://${address}` }));
console.log(
  JSON.stringify({ complete: await complete(router), stream: await stream(router), refused: await refused(router) }),
);
