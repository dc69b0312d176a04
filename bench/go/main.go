// What muon is measured beside in Go: grpc-go and Go Micro, a server and a load of each. They talk to the harness by
// lines, as bench/load.ts says.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// hello makes one call.
type hello func(ctx context.Context, name string) (greeting string, err error)

// peer is one of the two.
type peer struct {
	// serve starts a server and tells its address.
	serve func() (string, error)
	// dial makes what calls.
	dial func(address string) (hello, error)
}

var peers = map[string]peer{"grpc": grpcPeer, "micro": microPeer}

func main() {
	if len(os.Args) != 3 || peers[os.Args[1]].serve == nil {
		fail(fmt.Errorf("usage: %s grpc|micro server|load", os.Args[0]))
	}
	chosen := peers[os.Args[1]]
	var err error
	if os.Args[2] == "server" {
		err = serve(chosen)
	} else {
		err = load(chosen)
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func serve(chosen peer) error {
	address, err := chosen.serve()
	if err != nil {
		return err
	}
	fmt.Println("ready", address)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		line, err := json.Marshal(map[string]int64{"cpu": cpu(), "memory": memory()})
		if err != nil {
			return err
		}
		fmt.Println("usage", string(line))
	}
	return nil
}

func load(chosen peer) error {
	calls, err := strconv.Atoi(os.Getenv("BENCH_CALLS"))
	if err != nil {
		return fmt.Errorf("BENCH_CALLS: %w", err)
	}
	inflight, err := strconv.Atoi(os.Getenv("BENCH_INFLIGHT"))
	if err != nil {
		return fmt.Errorf("BENCH_INFLIGHT: %w", err)
	}
	call, err := chosen.dial(os.Getenv("BENCH_ADDRESS"))
	if err != nil {
		return err
	}
	if err := loop(call, inflight, make([]time.Duration, (calls+3)/4)); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	fmt.Println("begin")
	lines.Scan()
	latencies := make([]time.Duration, calls)
	before := cpu()
	started := time.Now()
	if err := loop(call, inflight, latencies); err != nil {
		return err
	}
	elapsed := time.Since(started)
	used := cpu() - before
	slices.Sort(latencies)
	measured, err := json.Marshal(map[string]float64{
		"calls":   float64(calls),
		"elapsed": milliseconds(elapsed),
		"cpu":     float64(used),
		"p50":     milliseconds(latencies[calls/2]),
		"p99":     milliseconds(latencies[calls*99/100]),
	})
	if err != nil {
		return err
	}
	fmt.Println("end", string(measured))
	lines.Scan()
	return nil
}

// loop makes as many calls as there are latencies, so many at a time, and checks their answers.
func loop(call hello, inflight int, latencies []time.Duration) error {
	var next atomic.Int64
	var group sync.WaitGroup
	failed := make(chan error, inflight)
	for range inflight {
		group.Add(1)
		go func() {
			defer group.Done()
			for n := next.Add(1) - 1; n < int64(len(latencies)); n = next.Add(1) - 1 {
				started := time.Now()
				name := "user" + strconv.FormatInt(n&1023, 10)
				greeting, err := call(context.Background(), name)
				if err == nil && greeting != "Hello "+name {
					err = fmt.Errorf("wrong answer: %s", greeting)
				}
				if err != nil {
					failed <- err
					return
				}
				latencies[n] = time.Since(started)
			}
		}()
	}
	group.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// cpu is the CPU time of this process so far, in µs.
func cpu() int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		fail(err)
	}
	return (used.Utime.Nano() + used.Stime.Nano()) / 1000
}

// memory is the resident memory of this process, in bytes.
func memory() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		fail(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		fail(err)
	}
	return pages * int64(os.Getpagesize())
}
