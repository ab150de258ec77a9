// Asks a router once, as a stream, with a tool and with a mistake. Copy what you need.

import { readFileSync } from "node:fs";

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { type ChatMessageSchema, Role, type ToolCall } from "../gen/lightrouter/v1/chat_pb.js";
import { type Answer, type PromptSchema, RouterService } from "../gen/lightrouter/v1/router_pb.js";

type Router = Client<typeof RouterService>;
type Prompt = MessageInitShape<typeof PromptSchema>;
type Message = MessageInitShape<typeof ChatMessageSchema>;

const timeoutMs = 60_000;
const maxTurns = 8;
const weather = {
  name: "get_weather",
  description: "The weather in a city now.",
  parameters: JSON.stringify({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
};

function connect(): Router {
  const { LIGHTROUTER_ADDRESS: address = "127.0.0.1:50051", LIGHTROUTER_TLS_CA_FILE: caFile } = process.env;
  const transport = createGrpcTransport({
    baseUrl: `${caFile ? "https" : "http"}://${address}`,
    nodeOptions: caFile ? { ca: readFileSync(caFile) } : {},
    interceptors: [authenticate],
  });
  return createClient(RouterService, transport);
}

const authenticate: Interceptor = (next) => (request) => {
  const token = process.env["LIGHTROUTER_TOKEN"];
  if (token) {
    request.header.set("authorization", `Bearer ${token}`);
  }
  return next(request);
};

function user(content: string): Message {
  return { role: Role.USER, content };
}

async function complete(router: Router, prompt: Prompt): Promise<Answer> {
  const { answer } = await router.complete({ prompt }, { timeoutMs });
  return answer!;
}

/** Prints the answer as it is written and returns its end. */
async function stream(router: Router, prompt: Prompt): Promise<Answer> {
  let answer: Answer | undefined;
  for await (const { event } of router.streamComplete({ prompt }, { timeoutMs })) {
    if (event.case === "chunk") {
      // The model failed, and another one writes the answer anew: what was printed is void.
      process.stdout.write((event.value.restart ? "\n" : "") + event.value.text);
    } else if (event.case === "answer") {
      answer = event.value;
    }
  }
  console.log();
  return answer!;
}

/** Runs the tools that the models call, until one answers. */
async function useTools(router: Router, question: string): Promise<Answer> {
  const messages: Message[] = [user(question)];
  for (let turn = 0; turn < maxTurns; turn++) {
    const answer = await complete(router, { messages, output: { tools: [weather] } });
    const { text: content, toolCalls, candidate, state } = answer;
    if (toolCalls.length === 0) {
      return answer;
    }
    // `candidate` and `state` let the model that made the calls go on from where it was.
    messages.push({ role: Role.ASSISTANT, content, toolCalls, candidate, state });
    for (const call of toolCalls) {
      const result = run(call);
      console.log(`${call.name} ${call.arguments}: ${result}`);
      messages.push({ role: Role.TOOL, toolCallId: call.id, content: result });
    }
  }
  throw new Error(`no answer after ${maxTurns} turns`);
}

/** Returns what the tool says. A fault goes to the model as text, so that it can call again. */
function run(call: ToolCall): string {
  if (call.name !== weather.name) {
    return `error: there is no tool ${call.name}`;
  }
  try {
    const { city } = JSON.parse(call.arguments);
    if (typeof city === "string") {
      return `It rains in ${city}.`;
    }
  } catch {
    // No JSON, or no object.
  }
  return "error: the arguments must be a JSON object with city";
}

function show(answer: Answer): void {
  const cost = Number(answer.ledger?.costNanousd ?? 0n) / 1e9;
  console.log(`by ${answer.candidates.join(", ")} for $${cost.toFixed(9)}`);
  for (const { message } of answer.degraded) {
    console.log(`degraded: ${message}`);
  }
}

/** Returns an error with the reasons, the fields and the time of a retry that its details name. */
function explain(error: unknown): string {
  const status = ConnectError.from(error);
  const lines = [`${Code[status.code]}: ${status.rawMessage}`];
  for (const { reason } of status.findDetails(ErrorInfoSchema)) {
    lines.push(`reason ${reason}`);
  }
  for (const { field, description } of status.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations)) {
    lines.push(`field ${field}: ${description}`);
  }
  for (const { retryDelay } of status.findDetails(RetryInfoSchema)) {
    lines.push(`retry after ${Number(retryDelay?.seconds) + Number(retryDelay?.nanos) / 1e9} s`);
  }
  return lines.join("\n  ");
}

async function main(): Promise<void> {
  const router = connect();
  const paperclip = { messages: [user("Name three uses of a paperclip.")] };

  let answer = await complete(router, paperclip);
  console.log(answer.text);
  show(answer);

  show(await stream(router, paperclip));

  answer = await useTools(router, "What is the weather in Oslo and in Bergen?");
  console.log(answer.text);
  show(answer);

  try {
    await complete(router, { ...paperclip, sampling: { temperature: 3 } });
  } catch (error) {
    console.log("refused:", explain(error));
  }
}

try {
  await main();
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}
