// Package snippet holds what the snippets in the documents take for granted.
package snippet

import (
	"context"
	"database/sql"
	"net/http"
	"syscall"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
)

type Echo struct{ asyncio.BaseProtocol }

type User struct{ Name string }

type Job struct{}

type Conn struct{}

func (*Conn) Close() error                  { panic("") }
func (*Conn) Goodbye(context.Context) error { panic("") }

func connect(context.Context) (*Conn, error)              { panic("") }
func talk(context.Context, *Conn) error                   { panic("") }
func greet(context.Context, string) (string, error)       { panic("") }
func fetch(ctx context.Context, u string) (string, error) { panic("") }
func getUser(context.Context, int) (User, error)          { panic("") }
func save(context.Context, []byte) error                  { panic("") }
func change(context.Context) error                        { panic("") }
func do(context.Context, Job) error                       { panic("") }
func compute(int) (int, error)                            { panic("") }
func readAll(fd uintptr)                                  { panic("") }
func reload()                                             { panic("") }
func run(context.Context) error                           { panic("") }

var (
	loop        *asyncio.Loop
	srv         *asyncio.Server
	s           *asyncio.Stream
	conn        *Conn
	handle      func(context.Context, *asyncio.Stream) error
	reader      *asyncio.StreamReader
	event       *asyncio.Event
	quick, slow *asyncio.Task[string]
	job         Job
	lock        asyncio.Lock
	fd          uintptr
	sock        syscall.Conn
	db          *sql.DB
	items       []string
	urls        []string
	data        []byte
	url         string
	path        string
	host        string
	client      *http.Client
	c           *cluster.Client
	thumbnail   *asyncio.WorkerFunc[[]byte, []byte]
)
