// Command cachesvr is the pair of a cache server and its client from the examples of the
// library that became asyncio (cachesvr.py, cacheclt.py).
//
//	cachesvr [ADDRESS]              serve
//	cachesvr ADDRESS get KEY        ask a server
//	cachesvr ADDRESS set KEY VALUE
//	cachesvr ADDRESS delete KEY
//
// The same as there: a message is a line with a word and a length, and that many bytes of
// JSON; requests have numbers, so that many may be under way on one connection; the client
// keeps its requests while it connects again, after pauses that grow, and sends those again
// that have no answer; a request has a time limit.
//
// Other than there: values are any JSON, as there, but are not unpacked by the server.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
)

func main() {
	asyncio.Main(func(ctx context.Context) error {
		args := os.Args[1:]
		switch {
		case len(args) == 0:
			return serve(ctx, "127.0.0.1:54321")
		case len(args) == 1:
			return serve(ctx, args[0])
		case len(args) < 3 || (args[1] == "set") != (len(args) == 4):
			return errors.New("usage: cachesvr ADDRESS [get KEY | set KEY VALUE | delete KEY]")
		}
		c := newClient(ctx, args[0], 10*time.Second)
		defer c.close()
		var value json.RawMessage
		if args[1] == "set" {
			value, _ = json.Marshal(args[3])
		}
		answer, err := c.do(ctx, request{Type: args[1], Key: args[2], Value: value})
		if err != nil {
			return err
		}
		fmt.Printf("%s %s\n", answer.Status, answer.Value)
		return nil
	})
}

func serve(ctx context.Context, address string) error {
	c := cache{}
	srv, err := asyncio.StartServer(ctx, "tcp", address, c.serve)
	if err != nil {
		return err
	}
	fmt.Println("listening at", srv.Addr())
	return srv.ServeForever(ctx)
}

// A request is what a client wants of a key.
type request struct {
	ID    int             `json:"id"`
	Type  string          `json:"type"` // get, set or delete
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value,omitempty"`
}

// A response is the answer to the request with its number.
type response struct {
	ID     int             `json:"id"`
	Status string          `json:"status"` // ok, notfound, or what was wrong
	Value  json.RawMessage `json:"value,omitempty"`
}

const maxMessage = 1 << 20

// writeMessage sends a message. It only waits while very much is queued.
func writeMessage(ctx context.Context, s *asyncio.Stream, word string, message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	_, err = s.WriteContext(ctx, fmt.Appendf(nil, "%s %d\n%s\n", word, len(text), text))
	return err
}

// readMessage reads a message.
func readMessage(ctx context.Context, s *asyncio.Stream, word string, message any) error {
	line, err := s.ReadText(ctx)
	if err != nil {
		return err
	}
	head, count, _ := strings.Cut(line, " ")
	n, err := strconv.Atoi(count)
	if head != word || err != nil || n < 0 || n > maxMessage {
		return fmt.Errorf("%q is no %s", line, word)
	}
	text, err := s.ReadExactly(ctx, n+1) // with a newline
	if err != nil {
		return err
	}
	return json.Unmarshal(text, message)
}

// A cache is the keys of a server. All its connections share it without a lock.
type cache map[string]json.RawMessage

// serve is the task of a connection.
func (c cache) serve(ctx context.Context, s *asyncio.Stream) error {
	for {
		var r request
		if err := readMessage(ctx, s, "request", &r); err != nil {
			return err
		}
		if err := writeMessage(ctx, s, "response", c.handle(r)); err != nil {
			return err
		}
	}
}

func (c cache) handle(r request) response {
	value, there := c[r.Key]
	status := "ok"
	switch {
	case r.Key == "":
		return response{ID: r.ID, Status: "a key is missing"}
	case r.Type == "set" && r.Value == nil:
		return response{ID: r.ID, Status: "a value is missing"}
	case r.Type == "set":
		c[r.Key] = r.Value
		return response{ID: r.ID, Status: status}
	case r.Type == "get", r.Type == "delete":
		if r.Type == "delete" {
			delete(c, r.Key)
			value = nil
		}
		if !there {
			status = "notfound"
		}
		return response{ID: r.ID, Status: status, Value: value}
	}
	return response{ID: r.ID, Status: fmt.Sprintf("%q is no type of request", r.Type)}
}

// A client asks a server, over a connection that it makes again when it is lost.
type client struct {
	address string
	limit   time.Duration
	task    *asyncio.Task[struct{}]
	last    int
	wanted  map[int]*call // that have no answer yet
	todo    asyncio.Queue[*call]
}

// A call is a request and its answer.
type call struct {
	request
	answer *asyncio.Future[response]
}

// newClient makes a client, with a time limit for each request. Its task runs until close.
func newClient(ctx context.Context, address string, limit time.Duration) *client {
	c := &client{address: address, limit: limit, wanted: map[int]*call{}}
	c.task = asyncio.Go(ctx, c.run, asyncio.WithName("cache client"))
	return c
}

func (c *client) close() { c.task.Cancel() }

// do sends a request and returns the answer.
func (c *client) do(ctx context.Context, r request) (response, error) {
	c.last++
	r.ID = c.last
	one := &call{r, asyncio.NewFuture[response](c.task.Loop())}
	c.wanted[r.ID] = one
	defer delete(c.wanted, r.ID) // who has gone wants it no more
	if err := c.todo.PutNowait(one); err != nil {
		return response{}, err
	}
	return asyncio.WaitFor(ctx, c.limit, one.answer)
}

// run keeps a connection up.
func (c *client) run(ctx context.Context) error {
	const first, longest = 10 * time.Millisecond, 5 * time.Second
	for pause := first; ; pause = min(2*pause, longest) {
		s, err := asyncio.OpenConnection(ctx, "tcp", c.address)
		if err == nil {
			pause = first
			err = c.talk(ctx, s)
			s.Close()
		}
		if asyncio.IsCancelled(err) {
			return err
		}
		slog.Warn("the connection is lost", "address", c.address, "error", err, "again in", pause)
		if err := asyncio.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// talk sends and receives until one of both fails.
func (c *client) talk(ctx context.Context, s *asyncio.Stream) error {
	c.todo = asyncio.Queue[*call]{}
	for _, id := range slices.Sorted(maps.Keys(c.wanted)) { // again, in their order
		if err := c.todo.PutNowait(c.wanted[id]); err != nil {
			return err
		}
	}
	return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		g.Go(func(ctx context.Context) error { return c.send(ctx, s) })
		for {
			var r response
			if err := readMessage(ctx, s, "response", &r); err != nil {
				return err
			}
			if one := c.wanted[r.ID]; one != nil && !one.answer.Done() {
				one.answer.SetResult(r)
			}
		}
	})
}

func (c *client) send(ctx context.Context, s *asyncio.Stream) error {
	for one, err := range c.todo.All(ctx) {
		if err != nil {
			return err
		}
		if c.wanted[one.ID] == nil {
			continue
		}
		if err := writeMessage(ctx, s, "request", one.request); err != nil {
			return err
		}
	}
	return nil
}
