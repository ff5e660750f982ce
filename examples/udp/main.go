// Command udp asks questions over UDP and waits for the answers. Datagrams get lost,
// so a question is sent again when no answer has come, and an answer that comes
// twice, or too late, is dropped. The server here loses every other question.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A client is a protocol: the loop calls its methods, which must not wait. Whoever
// waits for an answer waits for a future.
type client struct {
	asyncio.BaseDatagramProtocol
	loop      *asyncio.Loop
	transport asyncio.DatagramTransport
	server    net.Addr
	last      uint32 // the number of the last question
	waiting   map[uint32]*asyncio.Future[string]
}

func (c *client) ConnectionMade(t asyncio.DatagramTransport) { c.transport = t }

func (c *client) DatagramReceived(data []byte, _ net.Addr) {
	if len(data) < 4 {
		return
	}
	if f := c.waiting[binary.BigEndian.Uint32(data)]; f != nil && !f.Done() {
		f.SetResult(string(data[4:])) // data is valid during this call only
	}
}

// ask sends a question, up to four times, and returns the answer.
func (c *client) ask(ctx context.Context, question string) (string, error) {
	c.last++
	number := c.last
	answer := asyncio.NewFuture[string](c.loop)
	c.waiting[number] = answer
	defer delete(c.waiting, number)
	packet := append(binary.BigEndian.AppendUint32(nil, number), question...)
	patience := 50 * time.Millisecond
	for range 4 {
		if err := c.transport.SendTo(packet, c.server); err != nil {
			return "", err
		}
		done, _, err := asyncio.Wait(ctx, asyncio.FirstCompleted, patience, answer)
		if err != nil {
			return "", err
		}
		if len(done) > 0 {
			return answer.Result()
		}
		patience *= 2
	}
	return "", fmt.Errorf("no answer to %q", question)
}

// A server answers, but for each question that comes for the first time.
type server struct {
	asyncio.BaseDatagramProtocol
	transport asyncio.DatagramTransport
	seen      map[string]bool
}

func (s *server) ConnectionMade(t asyncio.DatagramTransport) { s.transport = t }

func (s *server) DatagramReceived(data []byte, from net.Addr) {
	if question := string(data); !s.seen[question] {
		s.seen[question] = true
		return
	}
	answer := append(data[:4:4], "you said "+string(data[4:])...)
	if err := s.transport.SendTo(answer, from); err != nil {
		log.Print(err)
	}
}

func main() {
	if err := asyncio.Run(context.Background(), run); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return err
	}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	answers, _, err := loop.CreateDatagramEndpoint(ctx, "udp",
		func() asyncio.DatagramProtocol { return &server{seen: map[string]bool{}} }, asyncio.WithPacketConn(socket))
	if err != nil {
		return err
	}
	defer answers.Close()

	c := &client{loop: loop, server: answers.LocalAddr(), waiting: map[uint32]*asyncio.Future[string]{}}
	questions, _, err := loop.CreateDatagramEndpoint(ctx, "udp", func() asyncio.DatagramProtocol { return c })
	if err != nil {
		return err
	}
	defer questions.Close()

	var asked []*asyncio.Task[string]
	for i := range 3 {
		asked = append(asked, asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			return c.ask(ctx, fmt.Sprintf("hello %d", i+1))
		}))
	}
	all, err := asyncio.Gather(ctx, asked...)
	if err != nil {
		return err
	}
	for _, answer := range all {
		fmt.Println(answer)
	}
	return nil
}
