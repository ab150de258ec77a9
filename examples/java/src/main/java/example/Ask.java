package example;

import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import dev.lightrouter.v1.Answer;
import dev.lightrouter.v1.ChatMessage;
import dev.lightrouter.v1.CompleteRequest;
import dev.lightrouter.v1.OutputSpec;
import dev.lightrouter.v1.Prompt;
import dev.lightrouter.v1.Role;
import dev.lightrouter.v1.RouterServiceGrpc;
import dev.lightrouter.v1.RouterServiceGrpc.RouterServiceBlockingStub;
import dev.lightrouter.v1.Sampling;
import dev.lightrouter.v1.StreamCompleteRequest;
import dev.lightrouter.v1.StreamCompleteResponse;
import dev.lightrouter.v1.Tool;
import dev.lightrouter.v1.ToolCall;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/** Asks a router once, as a stream, with a tool and with a mistake. Copy what you need. */
public final class Ask {
  private static final int DEADLINE_SECONDS = 60;
  private static final int MAX_TURNS = 8;
  private static final Tool WEATHER =
      Tool.newBuilder()
          .setName("get_weather")
          .setDescription("The weather in a city now.")
          .setParameters(
              """
              {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}""")
          .build();

  private final RouterServiceBlockingStub router;

  private Ask(RouterServiceBlockingStub router) {
    this.router = router;
  }

  public static void main(String[] arguments) throws IOException {
    ManagedChannel channel = connect();
    try {
      new Ask(authenticated(RouterServiceGrpc.newBlockingStub(channel))).askAll();
    } catch (StatusRuntimeException error) {
      System.err.println(explain(error));
      System.exit(1);
    } finally {
      channel.shutdownNow();
    }
  }

  private static ManagedChannel connect() throws IOException {
    String address = System.getenv().getOrDefault("LIGHTROUTER_ADDRESS", "127.0.0.1:50051");
    String caFile = System.getenv("LIGHTROUTER_TLS_CA_FILE");
    ChannelCredentials security =
        caFile == null
            ? InsecureChannelCredentials.create()
            : TlsChannelCredentials.newBuilder().trustManager(new File(caFile)).build();
    return Grpc.newChannelBuilder(address, security).build();
  }

  private static RouterServiceBlockingStub authenticated(RouterServiceBlockingStub router) {
    String token = System.getenv("LIGHTROUTER_TOKEN");
    if (token == null) {
      return router;
    }
    Metadata headers = new Metadata();
    headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
    return router.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  private void askAll() {
    Prompt paperclip = Prompt.newBuilder().addMessages(user("Name three uses of a paperclip.")).build();

    Answer answer = complete(paperclip);
    System.out.println(answer.getText());
    show(answer);

    show(stream(paperclip));

    answer = useTools("What is the weather in Oslo and in Bergen?");
    System.out.println(answer.getText());
    show(answer);

    try {
      complete(paperclip.toBuilder().setSampling(Sampling.newBuilder().setTemperature(3)).build());
    } catch (StatusRuntimeException error) {
      System.out.println("refused: " + explain(error));
    }
  }

  private static ChatMessage user(String text) {
    return ChatMessage.newBuilder().setRole(Role.ROLE_USER).setContent(text).build();
  }

  private RouterServiceBlockingStub inTime() {
    return router.withDeadlineAfter(DEADLINE_SECONDS, TimeUnit.SECONDS);
  }

  private Answer complete(Prompt prompt) {
    return inTime().complete(CompleteRequest.newBuilder().setPrompt(prompt).build()).getAnswer();
  }

  /** Prints the answer as it is written and returns its end. */
  private Answer stream(Prompt prompt) {
    Answer answer = Answer.getDefaultInstance();
    Iterator<StreamCompleteResponse> events =
        inTime().streamComplete(StreamCompleteRequest.newBuilder().setPrompt(prompt).build());
    while (events.hasNext()) {
      StreamCompleteResponse event = events.next();
      if (event.hasChunk()) {
        // The model failed, and another one writes the answer anew: what was printed is void.
        System.out.print((event.getChunk().getRestart() ? "\n" : "") + event.getChunk().getText());
      } else if (event.hasAnswer()) {
        answer = event.getAnswer();
      }
    }
    System.out.println();
    return answer;
  }

  /** Runs the tools that the models call, until one answers. */
  private Answer useTools(String question) {
    List<ChatMessage> messages = new ArrayList<>(List.of(user(question)));
    for (int turn = 0; turn < MAX_TURNS; turn++) {
      Answer answer =
          complete(
              Prompt.newBuilder()
                  .addAllMessages(messages)
                  .setOutput(OutputSpec.newBuilder().addTools(WEATHER))
                  .build());
      if (answer.getToolCallsCount() == 0) {
        return answer;
      }
      // The candidate and its state let the model that made the calls go on from where it was.
      messages.add(
          ChatMessage.newBuilder()
              .setRole(Role.ROLE_ASSISTANT)
              .setContent(answer.getText())
              .addAllToolCalls(answer.getToolCallsList())
              .setCandidate(answer.getCandidate())
              .setState(answer.getState())
              .build());
      for (ToolCall call : answer.getToolCallsList()) {
        String result = run(call);
        System.out.println(call.getName() + " " + call.getArguments() + ": " + result);
        messages.add(
            ChatMessage.newBuilder()
                .setRole(Role.ROLE_TOOL)
                .setToolCallId(call.getId())
                .setContent(result)
                .build());
      }
    }
    throw new IllegalStateException("no answer after " + MAX_TURNS + " turns");
  }

  /** Returns what the tool says. A fault goes to the model as text, so that it can call again. */
  private static String run(ToolCall call) {
    if (!call.getName().equals(WEATHER.getName())) {
      return "error: there is no tool " + call.getName();
    }
    try {
      if (JsonParser.parseString(call.getArguments()) instanceof JsonObject arguments
          && arguments.get("city") instanceof JsonPrimitive city) {
        return "It rains in " + city.getAsString() + ".";
      }
    } catch (JsonParseException error) {
      // No JSON.
    }
    return "error: the arguments must be a JSON object with city";
  }

  private static void show(Answer answer) {
    double cost = answer.getLedger().getCostNanousd() / 1e9;
    System.out.println(
        String.format(Locale.ROOT, "by %s for $%.9f", String.join(", ", answer.getCandidatesList()), cost));
    answer.getDegradedList().forEach(each -> System.out.println("degraded: " + each.getMessage()));
  }

  /** Returns an error with the reasons, the fields and the time of a retry that its details name. */
  private static String explain(StatusRuntimeException error) {
    List<String> lines = new ArrayList<>();
    Status status = StatusProto.fromThrowable(error);
    lines.add(error.getStatus().getCode() + ": " + error.getStatus().getDescription());
    try {
      for (Any detail : status.getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          lines.add("reason " + detail.unpack(ErrorInfo.class).getReason());
        } else if (detail.is(BadRequest.class)) {
          for (BadRequest.FieldViolation each : detail.unpack(BadRequest.class).getFieldViolationsList()) {
            lines.add("field " + each.getField() + ": " + each.getDescription());
          }
        } else if (detail.is(RetryInfo.class)) {
          var delay = detail.unpack(RetryInfo.class).getRetryDelay();
          lines.add("retry after " + (delay.getSeconds() + delay.getNanos() / 1e9) + " s");
        }
      }
    } catch (InvalidProtocolBufferException broken) {
      lines.add("details that cannot be read");
    }
    return String.join("\n  ", lines);
  }
}
