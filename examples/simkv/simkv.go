// Package simkv is a store of keys and values that a loss of power does not hurt, with
// a server and a client, and a test of it on a simulated disk. Nothing in this file knows
// of simulation.
package simkv

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
)

// A Store keeps values in memory and in a journal: a file with a line for each change,
// the checksum of the rest in front.
type Store struct {
	values  map[string]string
	journal *asyncfile.File
	writing asyncio.Lock
	broken  error
	hasty   bool // it does not wait for the disk, which is wrong
}

// Open opens a store, or makes it. What the end of the journal has of a line that was
// never whole is cut off: nobody was told of it.
func Open(ctx context.Context, name string) (*Store, error) {
	s := &Store{values: make(map[string]string)}
	text, err := asyncfile.ReadFile(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		err = asyncfile.ReplaceFile(ctx, name, nil, 0o600) // with its name in the directory
	}
	if err != nil {
		return nil, err
	}
	whole := s.replay(string(text))
	if s.journal, err = asyncfile.OpenFile(ctx, name, os.O_WRONLY, 0); err != nil {
		return nil, err
	}
	err = s.journal.Truncate(ctx, int64(whole))
	if err == nil {
		err = s.journal.Sync(ctx)
	}
	if err == nil {
		_, err = s.journal.Seek(ctx, int64(whole), 0)
	}
	if err != nil {
		return nil, errors.Join(err, s.journal.Close(ctx))
	}
	return s, nil
}

// replay makes the changes of a journal, and returns how long the whole lines are.
func (s *Store) replay(text string) (whole int) {
	for {
		line, _, ended := strings.Cut(text[whole:], "\n")
		sum, change, _ := strings.Cut(line, " ")
		if !ended || sum != checksum(change) {
			return whole
		}
		key, value, _ := strings.Cut(change, "=")
		s.values[key] = value
		whole += len(line) + 1
	}
}

func checksum(text string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) }

// Get returns the value of a key.
func (s *Store) Get(key string) string { return s.values[key] }

// Set changes the value of a key, and returns when a loss of power would not lose that. A
// key has no = and no line break, a value no line break. After an error the store takes no
// more: what the file has now is not known, and it must be opened again.
func (s *Store) Set(ctx context.Context, key, value string) error {
	return s.writing.With(ctx, func(ctx context.Context) error {
		if s.broken != nil {
			return s.broken
		}
		change := key + "=" + value
		s.broken = errors.New("simkv: a write was cut off") // until it is whole
		_, err := s.journal.Write(ctx, []byte(checksum(change)+" "+change+"\n"))
		if err == nil && !s.hasty {
			err = s.journal.Sync(ctx)
		}
		if err != nil {
			return err
		}
		s.values[key], s.broken = value, nil
		return nil
	})
}

// Close closes the store.
func (s *Store) Close(ctx context.Context) error { return s.journal.Close(ctx) }

// Serve serves a store at an address. A line "get KEY" is answered by "value VALUE", a
// line "set KEY VALUE" by "ok", or both by "error" and what is wrong.
func Serve(ctx context.Context, address string, s *Store) error {
	srv, err := asyncio.StartServer(ctx, "tcp", address, func(ctx context.Context, c *asyncio.Stream) error {
		defer c.Close()
		for {
			line, err := c.ReadLine(ctx)
			if err != nil || len(line) == 0 {
				return nil // the client has gone
			}
			if _, err := fmt.Fprintln(c, s.answer(ctx, strings.Fields(string(line)))); err != nil {
				return nil
			}
		}
	})
	if err != nil {
		return err
	}
	return srv.ServeForever(ctx)
}

func (s *Store) answer(ctx context.Context, words []string) string {
	switch {
	case len(words) == 2 && words[0] == "get":
		return "value " + s.Get(words[1])
	case len(words) == 3 && words[0] == "set" && !strings.Contains(words[1], "="):
		if err := s.Set(ctx, words[1], words[2]); err != nil {
			return "error " + err.Error()
		}
		return "ok"
	}
	return "error what?"
}

// Ask sends a line to a server, and returns the answer. It waits a second at most.
func Ask(ctx context.Context, address, line string) (answer string, err error) {
	err = asyncio.Timeout(ctx, time.Second, func(ctx context.Context) error {
		c, err := asyncio.OpenConnection(ctx, "tcp", address)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := fmt.Fprintln(c, line); err != nil {
			return err
		}
		text, err := c.ReadLine(ctx)
		answer = strings.TrimSpace(string(text))
		switch {
		case err != nil:
			return err
		case answer == "":
			return errors.New("simkv: the server has gone")
		case strings.HasPrefix(answer, "error "):
			return errors.New("simkv: " + answer)
		}
		return nil
	})
	return answer, err
}
