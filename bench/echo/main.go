// Command echo is an echo server on the loop, to be measured beside others:
//
//	echo PORT streams|streams-fmt|streams-exactly|proto
//
// The handlers of streams-fmt format what they write, as handlers often do; those of
// streams-exactly read messages of SIZE bytes (environment; 64) with ReadExactly. It
// serves until it is killed. INSIGHT=on in the environment makes the loop take note of
// what it does.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/asyncio-go/asyncio"
)

func main() {
	servers := map[string]func(context.Context, string) (*asyncio.Server, error){
		"streams": func(ctx context.Context, address string) (*asyncio.Server, error) {
			return asyncio.StartServer(ctx, "tcp", address, streams)
		},
		"streams-fmt": func(ctx context.Context, address string) (*asyncio.Server, error) {
			return asyncio.StartServer(ctx, "tcp", address, formatted)
		},
		"streams-exactly": func(ctx context.Context, address string) (*asyncio.Server, error) {
			size := 64
			if s := os.Getenv("SIZE"); s != "" {
				var err error
				if size, err = strconv.Atoi(s); err != nil {
					return nil, err
				}
			}
			return asyncio.StartServer(ctx, "tcp", address, func(ctx context.Context, s *asyncio.Stream) error {
				return exactly(ctx, s, size)
			})
		},
		"proto": func(ctx context.Context, address string) (*asyncio.Server, error) {
			l, err := asyncio.RunningLoop(ctx)
			if err != nil {
				return nil, err
			}
			return l.CreateServer(ctx, "tcp", address, func() asyncio.Protocol { return &proto{} })
		},
	}
	if len(os.Args) != 3 || servers[os.Args[2]] == nil {
		fmt.Fprintln(os.Stderr, "usage: echo PORT streams|streams-fmt|streams-exactly|proto")
		os.Exit(2)
	}
	if os.Getenv("INSIGHT") == "on" {
		asyncio.SetInsight(asyncio.InsightOn)
	}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		srv, err := servers[os.Args[2]](ctx, "127.0.0.1:"+os.Args[1])
		if err != nil {
			return err
		}
		return srv.ServeForever(ctx)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// buffer is shared by all handlers. A Read puts bytes into it only when the
// task goes on, and a Write has taken them when it waits: between two waits
// nothing else runs.
var buffer [64 << 10]byte

func streams(_ context.Context, s *asyncio.Stream) error {
	for {
		n, err := s.Read(buffer[:])
		if err != nil {
			return nil
		}
		if _, err := s.Write(buffer[:n]); err != nil {
			return nil
		}
	}
}

func formatted(_ context.Context, s *asyncio.Stream) error {
	for {
		n, err := s.Read(buffer[:])
		if err != nil {
			return nil
		}
		if _, err := fmt.Fprintf(s, "%s", buffer[:n]); err != nil {
			return nil
		}
	}
}

func exactly(ctx context.Context, s *asyncio.Stream, size int) error {
	for {
		message, err := s.ReadExactly(ctx, size)
		if err != nil {
			return nil
		}
		if _, err := s.Write(message); err != nil {
			return nil
		}
	}
}

// proto echoes, and is held up by a peer that does not read.
type proto struct {
	asyncio.BaseProtocol
	transport asyncio.Transport
}

func (p *proto) ConnectionMade(t asyncio.Transport) { p.transport = t }
func (p *proto) DataReceived(data []byte)           { _, _ = p.transport.Write(data) }
func (p *proto) PauseWriting()                      { p.transport.PauseReading() }
func (p *proto) ResumeWriting()                     { p.transport.ResumeReading() }
