package look

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// find returns the target that an argument names: a process by its number, or a socket
// by its path.
func find(arg string) (*target, error) {
	if strings.ContainsAny(arg, `/\`) {
		pid, _ := insightwire.ParseSocketName(filepath.Base(arg))
		t, err := socketTarget(pid, arg)
		if errors.Is(err, errStale) {
			return nil, &notThere{arg, "nobody listens there any more: its process has ended"}
		}
		return t, err
	}
	pid, err := strconv.Atoi(arg)
	if err != nil || pid <= 0 {
		return nil, &UsageError{arg, "is neither the number of a process nor the path of a socket"}
	}
	t, err := openProcess(pid)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, &notThere{"process " + arg, whyNot(pid)}
	}
	return t, nil
}

// findAll returns all processes that can be looked into, by their numbers, and removes
// sockets that were left behind.
func findAll() ([]*target, error) {
	found := make(map[int]*target)
	if err := eachProcess(found); err != nil {
		return nil, err
	}
	dir := insightwire.Directory()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	// What is in a directory that others may write to is not this user's to remove.
	ours := insightwire.CheckDirectory(dir) == nil
	for _, e := range entries {
		pid, ok := insightwire.ParseSocketName(e.Name())
		if !ok || found[pid] != nil || !ours {
			continue
		}
		path := filepath.Join(dir, e.Name())
		switch t, err := socketTarget(pid, path); {
		case err == nil && listsSockets:
			found[pid] = t
		case err == nil:
			t.close() // a process of another container, which has another number here
		case errors.Is(err, errStale):
			_ = os.Remove(path) // somebody else may have done it
		}
	}
	all := make([]*target, 0, len(found))
	for _, t := range found {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *target) int { return a.pid - b.pid })
	return all, nil
}

// A UsageError is the error for an argument that makes no sense.
type UsageError struct{ arg, why string }

func (e *UsageError) Error() string { return clean(e.arg) + " " + e.why }

// notThere is the error for a process that cannot be looked into.
type notThere struct{ what, why string }

func (e *notThere) Error() string { return clean(e.what) + ": " + e.why }

// noWindow says what to do about a process that has no socket.
const noWindow = `nobody can look into it. Its program must import
  _ "github.com/asyncio-go/asyncio/insight/auto"
or call insight.Start. If it does, it may have been told another directory: name it
with ` + insightwire.DirectoryVariable + `, or name the socket instead of the process`
