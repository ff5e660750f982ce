//go:build unix

// Command visits measures connections that come and go: each is accepted, asks once, is
// answered and closed. And connections that are made all at once.
//
//	visits serve streams|proto|goroutines PORT
//	visits dial loop|goroutines PORT N
//	visits sitting [-rounds N] [-n N] [ROW]
//
// A sitting measures the servers in turns, each with one processor and the load with the
// other: beside these, the C program in peer/ and nginx, which it needs, with cc and
// taskset.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "visits:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: visits serve streams|proto|goroutines PORT | dial loop|goroutines PORT N | sitting [-rounds N] [-n N] [ROW]")

func command(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "serve":
		return serve(args[1], "127.0.0.1:"+args[2])
	case len(args) == 4 && args[0] == "dial":
		n, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return dial(args[1], "127.0.0.1:"+args[2], n)
	case len(args) > 0 && args[0] == "sitting":
		flags := flag.NewFlagSet("sitting", flag.ContinueOnError)
		rounds := flags.Int("rounds", 5, "so `many` rounds")
		n := flags.Int("n", 50_000, "so `many` visits of a server in a round")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return sit(*rounds, *n, flags.Arg(0))
	}
	return errUsage
}

var response = []byte("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 64\r\n\r\n" +
	"0123456789012345678901234567890123456789012345678901234567890123")

var requestEnd = []byte("\r\n\r\n")

func serve(kind, address string) error {
	if kind == "goroutines" {
		return serveGoroutines(address)
	}
	return asyncio.Run(context.Background(), func(ctx context.Context) error {
		var srv *asyncio.Server
		l, err := asyncio.RunningLoop(ctx)
		switch {
		case err != nil:
		case kind == "streams":
			srv, err = asyncio.StartServer(ctx, "tcp", address, handle)
		case kind == "proto":
			srv, err = l.CreateServer(ctx, "tcp", address, func() asyncio.Protocol { return &visit{} })
		default:
			err = errUsage
		}
		if err != nil {
			return err
		}
		return srv.ServeForever(ctx)
	})
}

// buffer is shared by all handlers: see bench/echo. A request comes whole here.
var buffer [4096]byte

func handle(_ context.Context, s *asyncio.Stream) error {
	n, err := s.Read(buffer[:])
	if err == nil && bytes.HasSuffix(buffer[:n], requestEnd) {
		_, err = s.Write(response)
	}
	return err
}

type visit struct {
	asyncio.BaseProtocol
	transport asyncio.Transport
}

func (v *visit) ConnectionMade(t asyncio.Transport) { v.transport = t }

func (v *visit) DataReceived(data []byte) {
	if bytes.HasSuffix(data, requestEnd) {
		_, _ = v.transport.Write(response)
	}
	v.transport.Close()
}

func serveGoroutines(address string) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			var buf [4096]byte
			if n, err := c.Read(buf[:]); err == nil && bytes.HasSuffix(buf[:n], requestEnd) {
				_, _ = c.Write(response)
			}
		}()
	}
}

// dial makes n connections at once, and prints the seconds and the CPU seconds it took
// until all stand, and the most memory in kilobytes.
func dial(kind, address string, n int) error {
	began := time.Now()
	report := func() {
		var r syscall.Rusage
		took := time.Since(began)
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
		fmt.Printf("%f %f %d\n", took.Seconds(), float64(r.Utime.Nano()+r.Stime.Nano())/1e9, r.Maxrss)
	}
	switch kind {
	case "loop":
		return asyncio.Run(context.Background(), func(ctx context.Context) error {
			tasks := make([]*asyncio.Task[*asyncio.Stream], n)
			for i := range tasks {
				tasks[i] = asyncio.CreateTask(ctx, func(ctx context.Context) (*asyncio.Stream, error) {
					return asyncio.OpenConnection(ctx, "tcp", address)
				})
			}
			all, err := asyncio.Gather[*asyncio.Stream](ctx, tasks...)
			if err != nil {
				return err
			}
			report()
			for _, s := range all {
				s.Abort()
			}
			return nil
		})
	case "goroutines":
		conns, errs := make([]io.Closer, n), make([]error, n)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() { conns[i], errs[i] = net.Dial("tcp", address) })
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		report()
		runtime.KeepAlive(conns) // a finalizer would close them
		return nil
	}
	return errUsage
}
