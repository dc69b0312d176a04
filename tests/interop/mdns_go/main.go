// Go Micro's own default registry, mdns, as a peer for muon's tests. Each answer is a line of JSON on stdout.
//
//	mdns serve <service>                            is a service with the method Greeter.Hello, until stdin ends
//	mdns call <service> <name>                      calls Greeter.Hello
//	mdns register <service> <node id> <host:port>   registers, says "ready", deregisters when stdin ends
//	mdns get <service>                              looks until somebody serves it, at most 10 s
//	mdns list                                       lists the services once
//	mdns watch <service>                            says "ready", then every result, until stdin ends
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"
)

// Request is the input of Greeter.Hello.
type Request struct {
	Name string `json:"name"`
}

// Response is its output.
type Response struct {
	Greeting string `json:"greeting"`
}

// Greeter is the service.
type Greeter struct{}

// Hello greets.
func (g *Greeter) Hello(ctx context.Context, req *Request, rsp *Response) error {
	rsp.Greeting = "Hello " + req.Name + ", says Go"
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: mdns serve|call|register|get|list|watch …")
	}
	// What a Go Micro service uses when nobody says otherwise.
	reg := registry.DefaultRegistry
	if reg.String() != "mdns" {
		return fmt.Errorf("the default registry is %s, not mdns", reg.String())
	}
	switch {
	case args[0] == "serve" && len(args) == 2:
		return serve(args[1])
	case args[0] == "call" && len(args) == 3:
		request := client.NewRequest(args[1], "Greeter.Hello", &Request{Name: args[2]}, client.WithContentType("application/json"))
		var response Response
		if err := client.DefaultClient.Call(context.Background(), request, &response); err != nil {
			return err
		}
		return say(response)
	case args[0] == "register" && len(args) == 4:
		return register(reg, args[1], args[2], args[3], map[string]string{"protocol": "mucp", "zone": "z1"})
	case args[0] == "registerFirst" && len(args) == 4:
		// As the first generation did.
		return register(reg, args[1], args[2], args[3], map[string]string{"server": "rpc", "transport": "http"})
	case args[0] == "get" && len(args) == 2:
		return get(reg, args[1])
	case args[0] == "list" && len(args) == 1:
		services, err := reg.ListServices()
		if err != nil {
			return err
		}
		return say(services)
	case args[0] == "watch" && len(args) == 2:
		return watch(reg, args[1])
	}
	return fmt.Errorf("cannot make sense of %q", args)
}

func serve(name string) error {
	// Loopback, as the namespace has nothing else; all else is what Go Micro chooses when nobody says otherwise.
	srv := server.NewServer(server.Name(name), server.Address("127.0.0.1:0"))
	if err := srv.Handle(srv.NewHandler(&Greeter{})); err != nil {
		return err
	}
	if err := srv.Start(); err != nil {
		return err
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	return srv.Stop()
}

func register(reg registry.Registry, name, id, address string, metadata map[string]string) error {
	service := &registry.Service{
		Name:    name,
		Version: "1.2.3",
		Endpoints: []*registry.Endpoint{{
			Name:     "Greeter.Hello",
			Request:  &registry.Value{Name: "Request", Type: "Request", Values: []*registry.Value{{Name: "name", Type: "string"}}},
			Response: &registry.Value{Name: "Response", Type: "Response"},
			Metadata: map[string]string{"stream": "false"},
		}},
		Nodes: []*registry.Node{{Id: id, Address: address, Metadata: metadata}},
	}
	if err := reg.Register(service, registry.RegisterTTL(time.Minute)); err != nil {
		return err
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	return reg.Deregister(service)
}

func get(reg registry.Registry, name string) error {
	for deadline := time.Now().Add(10 * time.Second); ; {
		services, err := reg.GetService(name)
		if err != nil {
			return err
		}
		if len(services) > 0 {
			return say(services)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("nobody serves %s", name)
		}
	}
}

func watch(reg registry.Registry, name string) error {
	watcher, err := reg.Watch(registry.WatchService(name))
	if err != nil {
		return err
	}
	// The sockets are opened by another goroutine, which says nothing of it.
	time.Sleep(500 * time.Millisecond)
	fmt.Println("ready")
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		result, err := watcher.Next()
		if err != nil {
			return err
		}
		if err := say(result); err != nil {
			return err
		}
	}
}

func say(value any) error {
	return json.NewEncoder(os.Stdout).Encode(value)
}
