// A Go Micro process for muon's tests. It reads commands from its standard input, a JSON object a line, and answers
// each by a line with the same "seq"; events of its subscriptions come as lines without one. Its registry is in
// memory: the test carries records from one side to the other.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"go-micro.dev/v5/broker"
	"go-micro.dev/v5/client"
	raw "go-micro.dev/v5/codec/bytes"
	merrors "go-micro.dev/v5/errors"
	"go-micro.dev/v5/metadata"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/selector"
	"go-micro.dev/v5/server"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Command is what the test asks for.
type Command struct {
	Seq         int               `json:"seq"`
	Do          string            `json:"do"`
	Service     string            `json:"service"`
	Endpoint    string            `json:"endpoint"`
	Input       json.RawMessage   `json:"input"`
	Metadata    map[string]string `json:"metadata"`
	ContentType string            `json:"contentType"`
	Address     string            `json:"address"`
	// Milliseconds for each attempt of a call.
	Timeout int `json:"timeout"`
	// How many calls, and how many at a time.
	Count    int               `json:"count"`
	Parallel int               `json:"parallel"`
	Record   *registry.Service `json:"record"`
	Topic    string            `json:"topic"`
	Queue    string            `json:"queue"`
}

// Answer is what it comes to.
type Answer struct {
	Seq    int               `json:"seq"`
	Output json.RawMessage   `json:"output,omitempty"`
	Error  *merrors.Error    `json:"error,omitempty"`
	Record *registry.Service `json:"record,omitempty"`
	// Of many calls: how many failed or had another's answer, and one of their errors.
	Failed int `json:"failed"`
}

// Event is what a subscription got.
type Event struct {
	Topic  string            `json:"topic"`
	Header map[string]string `json:"header"`
	Body   json.RawMessage   `json:"body"`
}

// Request is the input of all of Greeter's methods.
type Request struct {
	Name   string `json:"name"`
	Millis int    `json:"millis"`
}

// Response is their output.
type Response struct {
	Msg      string            `json:"msg"`
	Metadata map[string]string `json:"metadata,omitempty"`
	// Milliseconds until the caller's deadline; -1 without one.
	Left int64 `json:"left"`
}

// Greeter is the service that muon calls.
type Greeter struct{}

// Hello answers with the name, what metadata came and how much time is left.
func (g *Greeter) Hello(ctx context.Context, req *Request, rsp *Response) error {
	rsp.Msg = "Hello " + req.Name
	rsp.Left = -1
	if deadline, ok := ctx.Deadline(); ok {
		rsp.Left = time.Until(deadline).Milliseconds()
	}
	if md, ok := metadata.FromContext(ctx); ok {
		rsp.Metadata = md
	}
	return nil
}

// Missing fails with an error of Go Micro's.
func (g *Greeter) Missing(ctx context.Context, req *Request, rsp *Response) error {
	return merrors.NotFound("acme.greeter", "nobody is called %s", req.Name)
}

// Plain fails with an ordinary error.
func (g *Greeter) Plain(ctx context.Context, req *Request, rsp *Response) error {
	return errors.New("no " + req.Name)
}

// Slow answers late.
func (g *Greeter) Slow(ctx context.Context, req *Request, rsp *Response) error {
	time.Sleep(time.Duration(req.Millis) * time.Millisecond)
	rsp.Msg = "at last"
	return nil
}

// Count streams.
func (g *Greeter) Count(ctx context.Context, stream server.Stream) error {
	for i := 0; i < 3; i++ {
		if err := stream.Send(&Response{Msg: fmt.Sprint(i)}); err != nil {
			return err
		}
	}
	return nil
}

// Words is the service that muon calls with bytes.
type Words struct{}

// Shout takes and gives protobuf messages.
func (w *Words) Shout(ctx context.Context, req *wrapperspb.StringValue, rsp *wrapperspb.StringValue) error {
	rsp.Value = strings.ToUpper(req.Value)
	return nil
}

// Refuse fails with an error of Go Micro's.
func (w *Words) Refuse(ctx context.Context, req *wrapperspb.StringValue, rsp *wrapperspb.StringValue) error {
	return merrors.Forbidden("acme.words", "not %s", req.Value)
}

// Turn takes and gives bytes.
func (w *Words) Turn(ctx context.Context, req *raw.Frame, rsp *raw.Frame) error {
	for i := len(req.Data) - 1; i >= 0; i-- {
		rsp.Data = append(rsp.Data, req.Data[i])
	}
	return nil
}

// Peer is this process: a server, a client and a broker over one registry.
type Peer struct {
	registry registry.Registry
	broker   broker.Broker
	client   client.Client
	server   server.Server
	out      sync.Mutex
}

func (p *Peer) write(value interface{}) {
	p.out.Lock()
	defer p.out.Unlock()
	line, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(append(line, '\n'))
}

func (p *Peer) do(c *Command) (*Answer, error) {
	switch c.Do {
	case "serve":
		return p.serve()
	case "register":
		return &Answer{}, p.registry.Register(c.Record)
	case "deregister":
		return &Answer{}, p.registry.Deregister(c.Record)
	case "call":
		if c.Count > 0 {
			return p.callMany(c)
		}
		output, err := p.call(c, c.Input)
		return &Answer{Output: output}, err
	case "callProto":
		return p.callProto(c)
	case "callFirst":
		return callFirst(c)
	case "stream":
		return &Answer{}, p.stream(c)
	case "publish":
		message := p.client.NewMessage(c.Topic, c.Input)
		return &Answer{}, p.client.Publish(metadata.NewContext(context.Background(), c.Metadata), message)
	case "publishProto":
		var value string
		if err := json.Unmarshal(c.Input, &value); err != nil {
			return nil, err
		}
		message := p.client.NewMessage(c.Topic, wrapperspb.String(value), client.WithMessageContentType("application/protobuf"))
		return &Answer{}, p.client.Publish(context.Background(), message)
	case "subscribe":
		return p.subscribe(c)
	}
	return nil, fmt.Errorf("there is no command %q", c.Do)
}

func (p *Peer) serve() (*Answer, error) {
	if err := p.server.Handle(p.server.NewHandler(&Greeter{})); err != nil {
		return nil, err
	}
	if err := p.server.Handle(p.server.NewHandler(&Words{})); err != nil {
		return nil, err
	}
	if err := p.server.Start(); err != nil {
		return nil, err
	}
	return p.recordOf("go.greeter")
}

func (p *Peer) recordOf(name string) (*Answer, error) {
	services, err := p.registry.GetService(name)
	if err != nil {
		return nil, err
	}
	return &Answer{Record: services[0]}, nil
}

func options(c *Command) []client.CallOption {
	// One attempt: what fails is to be seen.
	options := []client.CallOption{client.WithRetries(0)}
	if c.Address != "" {
		options = append(options, client.WithAddress(c.Address))
	}
	if c.Timeout > 0 {
		timeout := time.Duration(c.Timeout) * time.Millisecond
		options = append(options, client.WithRequestTimeout(timeout), func(o *client.CallOptions) {
			o.ConnectionTimeout = timeout
		})
	}
	return options
}

func (p *Peer) request(c *Command, input json.RawMessage) client.Request {
	contentType := c.ContentType
	if contentType == "" {
		contentType = "application/json"
	}
	return p.client.NewRequest(c.Service, c.Endpoint, input, client.WithContentType(contentType))
}

func (p *Peer) call(c *Command, input json.RawMessage) (json.RawMessage, error) {
	ctx := metadata.NewContext(context.Background(), c.Metadata)
	var output json.RawMessage
	err := p.client.Call(ctx, p.request(c, input), &output, options(c)...)
	return output, err
}

// callProto calls with a protobuf message, whose value is the input and the output.
func (p *Peer) callProto(c *Command) (*Answer, error) {
	var value string
	if err := json.Unmarshal(c.Input, &value); err != nil {
		return nil, err
	}
	request := p.client.NewRequest(c.Service, c.Endpoint, wrapperspb.String(value), client.WithContentType(c.ContentType))
	var output wrapperspb.StringValue
	if err := p.client.Call(context.Background(), request, &output, options(c)...); err != nil {
		return nil, err
	}
	written, err := json.Marshal(output.Value)
	return &Answer{Output: written}, err
}

// callMany makes calls whose input is {"name":"<n>"} and whose answer is to hold "Hello <n>".
func (p *Peer) callMany(c *Command) (*Answer, error) {
	numbers := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed := 0
	var first error
	for i := 0; i < c.Parallel; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := range numbers {
				output, err := p.call(c, json.RawMessage(fmt.Sprintf(`{"name":"%d"}`, n)))
				var rsp Response
				if err == nil {
					err = json.Unmarshal(output, &rsp)
				}
				if err == nil && rsp.Msg != fmt.Sprintf("Hello %d", n) {
					err = fmt.Errorf("call %d got the answer %s", n, output)
				}
				if err != nil {
					mu.Lock()
					failed++
					first = err
					mu.Unlock()
				}
			}
		}()
	}
	for n := 0; n < c.Count; n++ {
		numbers <- n
	}
	close(numbers)
	wg.Wait()
	answer := &Answer{Failed: failed}
	if first != nil {
		answer.Error = merrors.Parse(first.Error())
	}
	return answer, nil
}

func (p *Peer) stream(c *Command) error {
	stream, err := p.client.Stream(context.Background(), p.request(c, c.Input), options(c)...)
	if err != nil {
		return err
	}
	defer stream.Close()
	var output json.RawMessage
	return stream.Recv(&output)
}

func (p *Peer) subscribe(c *Command) (*Answer, error) {
	var options []broker.SubscribeOption
	if c.Queue != "" {
		options = append(options, broker.Queue(c.Queue))
	}
	_, err := p.broker.Subscribe(c.Topic, func(event broker.Event) error {
		message := event.Message()
		p.write(Event{Topic: event.Topic(), Header: message.Header, Body: message.Body})
		return nil
	}, options...)
	if err != nil {
		return nil, err
	}
	// muon's subscriptions are under that name too, in versions whose order is chance.
	services, err := p.registry.GetService("micro.http.broker")
	if err != nil {
		return nil, err
	}
	for _, service := range services {
		for _, node := range service.Nodes {
			if node.Metadata["topic"] == c.Topic {
				return &Answer{Record: service}, nil
			}
		}
	}
	return nil, fmt.Errorf("the subscription to %q is not in the registry", c.Topic)
}

func main() {
	p := &Peer{registry: registry.NewMemoryRegistry()}
	p.broker = broker.NewHttpBroker(broker.Registry(p.registry))
	p.client = client.NewClient(
		client.Registry(p.registry),
		client.Broker(p.broker),
		client.Selector(selector.NewSelector(selector.Registry(p.registry))),
	)
	p.server = server.NewServer(
		server.Name("go.greeter"),
		server.Address("127.0.0.1:0"),
		server.Registry(p.registry),
		server.Broker(p.broker),
	)
	if err := p.broker.Connect(); err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		c := &Command{}
		if err := json.Unmarshal(lines.Bytes(), c); err != nil {
			panic(err)
		}
		go func() {
			answer, err := p.do(c)
			if answer == nil {
				answer = &Answer{}
			}
			answer.Seq = c.Seq
			if err != nil {
				answer.Error = merrors.Parse(err.Error())
			}
			p.write(answer)
		}()
	}
}
