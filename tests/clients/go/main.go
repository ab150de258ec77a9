// Command client calls a router through code generated from its protos and reports what came back, as a caller outside
// this project would: an answer in one message, an answer in pieces, and an error with its details.
//
// Usage: client ADDRESS
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
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	lightrouterv1 "lightrouter.dev/gen/lightrouter/v1"
)

const (
	question = "Which river flows through Heidelberg?"
	budget   = 30 * time.Second
)

// answer is what Complete or StreamComplete returned. Money is in nano-dollars.
type answer struct {
	Text        string   `json:"text"`
	CostNanousd int64    `json:"cost_nanousd"`
	EntriesCost int64    `json:"entries_cost_nanousd"`
	ElapsedS    float64  `json:"elapsed_s"`
	Candidates  []string `json:"candidates"`
	Chunks      int      `json:"chunks"`
}

// failure is what the status of a refused call said.
type failure struct {
	Code   string   `json:"code"`
	Reason string   `json:"reason"`
	Domain string   `json:"domain"`
	Fields []string `json:"fields"`
}

// report is what the command prints.
type report struct {
	Complete answer  `json:"complete"`
	Stream   answer  `json:"stream"`
	Refused  failure `json:"refused"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: client ADDRESS")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address string, out io.Writer) error {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()

	client := lightrouterv1.NewRouterServiceClient(connection)
	var found report
	if found.Complete, err = complete(ctx, client); err != nil {
		return fmt.Errorf("Complete: %w", err)
	}
	if found.Stream, err = stream(ctx, client); err != nil {
		return fmt.Errorf("StreamComplete: %w", err)
	}
	if found.Refused, err = refused(ctx, client); err != nil {
		return fmt.Errorf("refused Complete: %w", err)
	}
	return json.NewEncoder(out).Encode(found)
}

func prompt() *lightrouterv1.Prompt {
	return &lightrouterv1.Prompt{
		Messages: []*lightrouterv1.ChatMessage{{Role: lightrouterv1.Role_ROLE_USER, Content: question}},
	}
}

func complete(ctx context.Context, client lightrouterv1.RouterServiceClient) (answer, error) {
	response, err := client.Complete(ctx, &lightrouterv1.CompleteRequest{Prompt: prompt()})
	if err != nil {
		return answer{}, err
	}
	return summary(response.GetAnswer(), response.GetAnswer().GetText(), 0), nil
}

func stream(ctx context.Context, client lightrouterv1.RouterServiceClient) (answer, error) {
	responses, err := client.StreamComplete(ctx, &lightrouterv1.StreamCompleteRequest{Prompt: prompt()})
	if err != nil {
		return answer{}, err
	}
	var text strings.Builder
	var last *lightrouterv1.Answer
	chunks := 0
	for {
		response, err := responses.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return answer{}, err
		}
		switch event := response.GetEvent().(type) {
		case *lightrouterv1.StreamCompleteResponse_Chunk:
			if event.Chunk.GetRestart() {
				text.Reset()
			}
			text.WriteString(event.Chunk.GetText())
			chunks++
		case *lightrouterv1.StreamCompleteResponse_Answer:
			last = event.Answer
		}
	}
	if last == nil {
		return answer{}, errors.New("the stream ended without an answer")
	}
	return summary(last, text.String(), chunks), nil
}

func summary(from *lightrouterv1.Answer, text string, chunks int) answer {
	ledger := from.GetLedger()
	var entries int64
	for _, entry := range ledger.GetEntries() {
		entries += entry.GetCostNanousd()
	}
	return answer{
		Text:        text,
		CostNanousd: ledger.GetCostNanousd(),
		EntriesCost: entries,
		ElapsedS:    ledger.GetElapsed().AsDuration().Seconds(),
		Candidates:  from.GetCandidates(),
		Chunks:      chunks,
	}
}

func refused(ctx context.Context, client lightrouterv1.RouterServiceClient) (failure, error) {
	request := &lightrouterv1.CompleteRequest{Prompt: prompt()}
	request.Prompt.Policy = &lightrouterv1.Policy{BootTokens: proto.Int32(0)}
	_, err := client.Complete(ctx, request)
	if err == nil {
		return failure{}, errors.New("boot_tokens 0 was not refused")
	}
	said := status.Convert(err)
	found := failure{Code: said.Code().String()}
	for _, detail := range said.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			found.Reason, found.Domain = detail.GetReason(), detail.GetDomain()
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				found.Fields = append(found.Fields, violation.GetField())
			}
		}
	}
	return found, nil
}
