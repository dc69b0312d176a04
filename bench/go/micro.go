package main

import (
	"context"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"
)

// Request names who is greeted.
type Request struct {
	Name string `json:"name"`
}

// Response greets.
type Response struct {
	Greeting string `json:"greeting"`
}

// Greeter is the service of Go Micro.
type Greeter struct{}

// Hello greets.
func (*Greeter) Hello(_ context.Context, req *Request, rsp *Response) error {
	rsp.Greeting = "Hello " + req.Name
	return nil
}

// Go Micro as it comes: its own transport over HTTP, its pool of connections, JSON. Only the registry is left out, as
// the load knows the address.
var microPeer = peer{
	serve: func() (string, error) {
		here := registry.NewMemoryRegistry()
		micro := server.NewServer(
			server.Name("bench.greeter"),
			server.Address("127.0.0.1:0"),
			server.Registry(here),
		)
		if err := micro.Handle(micro.NewHandler(&Greeter{})); err != nil {
			return "", err
		}
		if err := micro.Start(); err != nil {
			return "", err
		}
		return micro.Options().Address, nil
	},
	dial: func(address string) (hello, error) {
		micro := client.NewClient(client.Registry(registry.NewMemoryRegistry()))
		return func(ctx context.Context, name string) (string, error) {
			request := micro.NewRequest("bench.greeter", "Greeter.Hello", &Request{Name: name})
			out := new(Response)
			err := micro.Call(ctx, request, out, client.WithAddress(address))
			return out.Greeting, err
		}, nil
	},
}
