// Command ask asks a router once, as a stream, with a tool and with a mistake. Copy what you need.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "example.com/ask/gen/lightrouter/v1"
)

const (
	deadline = 60 * time.Second
	maxTurns = 8
)

var weather = &pb.Tool{
	Name:        "get_weather",
	Description: "The weather in a city now.",
	Parameters:  `{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}`,
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, explain(err))
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	connection, err := connect()
	if err != nil {
		return err
	}
	defer connection.Close()
	router := pb.NewRouterServiceClient(connection)
	if token := os.Getenv("LIGHTROUTER_TOKEN"); token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	paperclip := &pb.Prompt{Messages: []*pb.ChatMessage{user("Name three uses of a paperclip.")}}

	answer, err := complete(ctx, router, paperclip)
	if err != nil {
		return err
	}
	fmt.Println(answer.GetText())
	show(answer)

	if answer, err = stream(ctx, router, paperclip); err != nil {
		return err
	}
	show(answer)

	if answer, err = useTools(ctx, router, "What is the weather in Oslo and in Bergen?"); err != nil {
		return err
	}
	fmt.Println(answer.GetText())
	show(answer)

	wrong := &pb.Prompt{Messages: paperclip.Messages, Sampling: &pb.Sampling{Temperature: proto.Float64(3)}}
	if _, err = complete(ctx, router, wrong); err != nil {
		fmt.Println("refused:", explain(err))
	}
	return nil
}

func connect() (*grpc.ClientConn, error) {
	address := os.Getenv("LIGHTROUTER_ADDRESS")
	if address == "" {
		address = "127.0.0.1:50051"
	}
	security := insecure.NewCredentials()
	if caFile := os.Getenv("LIGHTROUTER_TLS_CA_FILE"); caFile != "" {
		var err error
		if security, err = credentials.NewClientTLSFromFile(caFile, ""); err != nil {
			return nil, err
		}
	}
	return grpc.NewClient(address, grpc.WithTransportCredentials(security))
}

func user(text string) *pb.ChatMessage {
	return &pb.ChatMessage{Role: pb.Role_ROLE_USER, Content: text}
}

func complete(ctx context.Context, router pb.RouterServiceClient, prompt *pb.Prompt) (*pb.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	response, err := router.Complete(ctx, &pb.CompleteRequest{Prompt: prompt})
	return response.GetAnswer(), err
}

// stream prints the answer as it is written and returns its end.
func stream(ctx context.Context, router pb.RouterServiceClient, prompt *pb.Prompt) (*pb.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	events, err := router.StreamComplete(ctx, &pb.StreamCompleteRequest{Prompt: prompt})
	if err != nil {
		return nil, err
	}
	var answer *pb.Answer
	for {
		event, err := events.Recv()
		if errors.Is(err, io.EOF) {
			fmt.Println()
			return answer, nil
		}
		if err != nil {
			return nil, err
		}
		if chunk := event.GetChunk(); chunk != nil {
			if chunk.GetRestart() {
				// The model failed, and another one writes the answer anew: what was printed is void.
				fmt.Println()
			}
			fmt.Print(chunk.GetText())
		} else if event.GetAnswer() != nil {
			answer = event.GetAnswer()
		}
	}
}

// useTools runs the tools that the models call, until one answers.
func useTools(ctx context.Context, router pb.RouterServiceClient, question string) (*pb.Answer, error) {
	messages := []*pb.ChatMessage{user(question)}
	for range maxTurns {
		prompt := &pb.Prompt{Messages: messages, Output: &pb.OutputSpec{Tools: []*pb.Tool{weather}}}
		answer, err := complete(ctx, router, prompt)
		if err != nil || len(answer.GetToolCalls()) == 0 {
			return answer, err
		}
		// Candidate and State let the model that made the calls go on from where it was.
		messages = append(messages, &pb.ChatMessage{
			Role:      pb.Role_ROLE_ASSISTANT,
			Content:   answer.GetText(),
			ToolCalls: answer.GetToolCalls(),
			Candidate: answer.GetCandidate(),
			State:     answer.GetState(),
		})
		for _, call := range answer.GetToolCalls() {
			result := runTool(call)
			fmt.Printf("%s %s: %s\n", call.GetName(), call.GetArguments(), result)
			messages = append(messages, &pb.ChatMessage{
				Role: pb.Role_ROLE_TOOL, ToolCallId: call.GetId(), Content: result,
			})
		}
	}
	return nil, fmt.Errorf("no answer after %d turns", maxTurns)
}

// runTool returns what the tool says. A fault goes to the model as text, so that it can call again.
func runTool(call *pb.ToolCall) string {
	if call.GetName() != weather.GetName() {
		return "error: there is no tool " + call.GetName()
	}
	var arguments struct{ City string }
	if err := json.Unmarshal([]byte(call.GetArguments()), &arguments); err != nil || arguments.City == "" {
		return "error: the arguments must be a JSON object with city"
	}
	return "It rains in " + arguments.City + "."
}

func show(answer *pb.Answer) {
	cost := float64(answer.GetLedger().GetCostNanousd()) / 1e9
	fmt.Printf("by %s for $%.9f\n", strings.Join(answer.GetCandidates(), ", "), cost)
	for _, each := range answer.GetDegraded() {
		fmt.Println("degraded:", each.GetMessage())
	}
}

// explain returns an error with the reasons, the fields and the time of a retry that its details name.
func explain(err error) string {
	found := status.Convert(err)
	lines := []string{fmt.Sprintf("%s: %s", found.Code(), found.Message())}
	for _, detail := range found.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			lines = append(lines, "reason "+detail.GetReason())
		case *errdetails.BadRequest:
			for _, each := range detail.GetFieldViolations() {
				lines = append(lines, fmt.Sprintf("field %s: %s", each.GetField(), each.GetDescription()))
			}
		case *errdetails.RetryInfo:
			lines = append(lines, fmt.Sprintf("retry after %s", detail.GetRetryDelay().AsDuration()))
		}
	}
	return strings.Join(lines, "\n  ")
}
