package main

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A wrapped string is on the wire what a message with one string is, so that no code needs to be generated.
const helloMethod = "/bench.Greeter/Hello"

type greeterServer interface {
	Hello(context.Context, *wrapperspb.StringValue) (*wrapperspb.StringValue, error)
}

type greeter struct{}

func (greeter) Hello(_ context.Context, name *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	return wrapperspb.String("Hello " + name.Value), nil
}

// What protoc-gen-go-grpc would write.
var greeterDescription = grpc.ServiceDesc{
	ServiceName: "bench.Greeter",
	HandlerType: (*greeterServer)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Hello",
		Handler: func(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			in := new(wrapperspb.StringValue)
			if err := decode(in); err != nil {
				return nil, err
			}
			if intercept == nil {
				return srv.(greeterServer).Hello(ctx, in)
			}
			info := &grpc.UnaryServerInfo{Server: srv, FullMethod: helloMethod}
			return intercept(ctx, in, info, func(ctx context.Context, req any) (any, error) {
				return srv.(greeterServer).Hello(ctx, req.(*wrapperspb.StringValue))
			})
		},
	}},
}

var grpcPeer = peer{
	serve: func() (string, error) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		server := grpc.NewServer()
		server.RegisterService(&greeterDescription, greeter{})
		go func() { fail(server.Serve(listener)) }()
		return listener.Addr().String(), nil
	},
	dial: func(address string) (hello, error) {
		connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, name string) (string, error) {
			out := new(wrapperspb.StringValue)
			err := connection.Invoke(ctx, helloMethod, wrapperspb.String(name), out)
			return out.Value, err
		}, nil
	},
}
