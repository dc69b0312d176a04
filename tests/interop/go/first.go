package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"go-micro.dev/v5/codec"
	"go-micro.dev/v5/codec/jsonrpc"
	"go-micro.dev/v5/codec/protorpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// firstCodecs are those of the first generation, by content type, as Go Micro's server still has them.
var firstCodecs = map[string]codec.NewCodec{
	"application/json":         jsonrpc.NewCodec,
	"application/json-rpc":     jsonrpc.NewCodec,
	"application/protobuf":     protorpc.NewCodec,
	"application/proto-rpc":    protorpc.NewCodec,
	"application/octet-stream": protorpc.NewCodec,
}

// buffer is what a codec writes to and reads from.
type buffer struct{ bytes.Buffer }

func (b *buffer) Close() error { return nil }

// callFirst calls an address as a client of the first generation does: by Go Micro's own codecs, and without a header
// that names the call. JSON goes as it is; in proto-rpc, the input and the output are the value of a message.
func callFirst(c *Command) (*Answer, error) {
	newCodec, ok := firstCodecs[c.ContentType]
	if !ok {
		return nil, fmt.Errorf("there is no codec for %q", c.ContentType)
	}
	sent := &buffer{}
	message := &codec.Message{Type: codec.Request, Id: "7", Method: c.Endpoint}
	var input interface{} = c.Input
	request := newCodec(sent)
	proto := request.String() == "proto-rpc"
	if proto {
		var value string
		if err := json.Unmarshal(c.Input, &value); err != nil {
			return nil, err
		}
		input = wrapperspb.String(value)
	}
	if err := request.Write(message, input); err != nil {
		return nil, err
	}
	post, err := http.NewRequest("POST", "http://"+c.Address+"/", sent)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"Accept":               c.ContentType,
		"Content-Type":         c.ContentType,
		"Timeout":              "5000000000",
		"X-Micro-From-Service": "go.first",
	} {
		post.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(post)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	received := &buffer{}
	if _, err := io.Copy(received, response.Body); err != nil {
		return nil, err
	}
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != c.ContentType {
		return nil, fmt.Errorf("%s, %s: %q", response.Status, response.Header.Get("Content-Type"), received.String())
	}
	answer := newCodec(received)
	header := &codec.Message{}
	if err := answer.ReadHeader(header, codec.Response); err != nil {
		return nil, fmt.Errorf("cannot read the answer's header: %w", err)
	}
	// The first generation reads errors there and nowhere else, and looks its calls up by their numbers.
	if header.Error != "" {
		return nil, fmt.Errorf("%s", header.Error)
	}
	if header.Id != "7" {
		return nil, fmt.Errorf("call 7 got the answer of call %s", header.Id)
	}
	if proto {
		var output wrapperspb.StringValue
		if err := answer.ReadBody(&output); err != nil {
			return nil, fmt.Errorf("cannot read the answer: %w", err)
		}
		written, err := json.Marshal(output.Value)
		return &Answer{Output: written}, err
	}
	var output json.RawMessage
	if err := answer.ReadBody(&output); err != nil {
		return nil, fmt.Errorf("cannot read the answer: %w", err)
	}
	return &Answer{Output: output}, nil
}
