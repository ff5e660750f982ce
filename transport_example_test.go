package asyncio_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/asyncio-go/asyncio"
)

// shouter sends back in capitals what it is sent, and is held up by a peer that
// does not read.
type shouter struct {
	asyncio.BaseProtocol
	transport asyncio.Transport
}

func (s *shouter) ConnectionMade(t asyncio.Transport) { s.transport = t }
func (s *shouter) DataReceived(data []byte)           { s.transport.Write(bytes.ToUpper(data)) }
func (s *shouter) PauseWriting()                      { s.transport.PauseReading() }
func (s *shouter) ResumeWriting()                     { s.transport.ResumeReading() }

// A protocol serves each connection of a server by callbacks.
func ExampleLoop_CreateServer() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		srv, err := loop.CreateServer(ctx, "tcp", "127.0.0.1:0", func() asyncio.Protocol { return &shouter{} })
		if err != nil {
			return err
		}
		s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
		if err != nil {
			return err
		}
		if _, err := s.Write([]byte("is anybody there?\n")); err != nil {
			return err
		}
		line, err := s.ReadLine(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%s", line)
		if err := s.Close(); err != nil {
			return err
		}
		return srv.Shutdown(ctx)
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: IS ANYBODY THERE?
}

// Each worker is a loop of its own; together they serve one port.
func ExampleWorkers() {
	ctx, stop := context.WithCancel(context.Background())
	err := asyncio.Workers(ctx, 2, func(ctx context.Context, w *asyncio.Worker) error {
		srv, err := w.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, s *asyncio.Stream) error {
			_, err := s.Write([]byte("hello\n"))
			return err
		})
		if err != nil {
			return err
		}
		if w.Index() == 0 {
			s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
			if err != nil {
				return err
			}
			line, err := s.ReadLine(ctx)
			if err != nil {
				return err
			}
			fmt.Printf("%s", line)
			s.Close()
			stop() // all of them
		}
		return srv.ServeForever(ctx)
	})
	fmt.Println(err)
	// Output:
	// hello
	// asyncio: workers: context canceled
}

// greeter is the protocol of a client: it notes the first line that comes.
type greeter struct {
	asyncio.BaseProtocol
	line *asyncio.Future[string]
	got  []byte
}

func (g *greeter) ConnectionMade(t asyncio.Transport) { t.Write([]byte("hello\n")) }
func (g *greeter) DataReceived(data []byte) {
	g.got = append(g.got, data...)
	if line, _, found := bytes.Cut(g.got, []byte("\n")); found && !g.line.Done() {
		g.line.SetResult(string(line))
	}
}

func ExampleLoop_CreateConnection() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		srv, err := loop.CreateServer(ctx, "tcp", "127.0.0.1:0", func() asyncio.Protocol { return &shouter{} })
		if err != nil {
			return err
		}
		defer srv.Close()
		client := &greeter{line: asyncio.NewFuture[string](loop)}
		transport, _, err := loop.CreateConnection(ctx, "tcp", srv.Addr().String(),
			func() asyncio.Protocol { return client })
		if err != nil {
			return err
		}
		defer transport.Close()
		line, err := client.line.Await(ctx)
		fmt.Println(line)
		return err
	})
	fmt.Println(err)
	// Output:
	// HELLO
	// <nil>
}
