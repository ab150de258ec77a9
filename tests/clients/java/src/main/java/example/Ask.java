package example;

import dev.lightrouter.v1.Answer;
import dev.lightrouter.v1.ChatMessage;
import dev.lightrouter.v1.CompleteRequest;
import dev.lightrouter.v1.Policy;
import dev.lightrouter.v1.Prompt;
import dev.lightrouter.v1.Role;
import dev.lightrouter.v1.RouterServiceGrpc;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import java.util.concurrent.TimeUnit;

/** Asks the router at the address that its argument names. */
public final class Ask {
  public static void main(String[] arguments) {
    ManagedChannel channel =
        Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create()).build();
    try {
      Prompt prompt =
          Prompt.newBuilder()
              .addMessages(
                  ChatMessage.newBuilder()
                      .setRole(Role.ROLE_USER)
                      .setContent("Which river flows through Heidelberg?"))
              .setPolicy(Policy.newBuilder().setBootTokens(60).setK(2))
              .build();
      Answer answer =
          RouterServiceGrpc.newBlockingStub(channel)
              .withDeadlineAfter(60, TimeUnit.SECONDS)
              .complete(CompleteRequest.newBuilder().setPrompt(prompt).build())
              .getAnswer();
      System.out.println(answer.getText());
      System.out.println(answer.getLedger().getCostNanousd() + " nano-dollars");
    } finally {
      channel.shutdownNow();
    }
  }
}
